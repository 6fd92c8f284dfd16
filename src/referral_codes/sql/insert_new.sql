-- New referral codes, with their advocates where those are new, and the cursors of the segments they were drawn from. A
-- segment that is no longer as it was seen is missing from `moved`: then a coupon has a position and no segment, and the
-- check of referral codes refuses all of it. Counting the advocates has them stored, and waited for, before segments.
-- A campaign or a bank that is no longer as it was seen leaves the codes empty, which another check refuses.
-- Arrays are opened in select lists: in the from clause each is copied to a store first.
with new as (
    select index, account_id, campaign_id, customer_id, case when customer_id is null then nextval('customers_id_seq') end as new_customer_id,
        nextval('referral_codes_id_seq') as id, external_id, email, email_key, first_name, last_name, code, code_key, segment_id, position,
        ip_address, user_agent
    from (select unnest($1::int[]) as index, unnest($2::bigint[]) as account_id, unnest($3::bigint[]) as campaign_id, unnest($4::bigint[]) as customer_id,
        unnest($5::text[]) as external_id, unnest($6::text[]) as email, unnest($7::text[]) as email_key, unnest($8::text[]) as first_name,
        unnest($9::text[]) as last_name, unnest($10::text[]) as code, unnest($11::text[]) as code_key, unnest($12::bigint[]) as segment_id,
        unnest($13::int[]) as position, unnest($14::text[]) as ip_address, unnest($15::text[]) as user_agent) as row
), advocate as (
    insert into customers (account_id, id, external_id, email, email_key, first_name, last_name, created_at)
    select account_id, new_customer_id, external_id, email, email_key, first_name, last_name, $16 from new where new_customer_id is not null
    returning id
), moved as (
    update coupon_segments s set next_position = seen.moved_to
    from (select unnest($17::bigint[]) as account_id, unnest($18::bigint[]) as id, unnest($19::int[]) as next_position,
        unnest($20::int[]) as revision, unnest($21::int[]) as moved_to) as seen
    where s.account_id = seen.account_id and s.id = seen.id and s.next_position = seen.next_position and s.revision = seen.revision
    returning s.account_id, s.id
), named as (
    select (select count(*) from (select unnest($22::bigint[]) as account_id, unnest($23::bigint[]) as id, unnest($24::text[]) as name,
            unnest($25::text[]) as destination_url) as seen
        join campaigns g on g.account_id = seen.account_id and g.id = seen.id and g.name = seen.name and g.destination_url = seen.destination_url
            and not g.archived) = cardinality($23::bigint[])
        and (select count(*) from (select unnest($26::bigint[]) as account_id, unnest($27::bigint[]) as id, unnest($28::text[]) as name) as seen
        join coupon_banks b on b.account_id = seen.account_id and b.id = seen.id and b.name = seen.name) = cardinality($27::bigint[]) as are_as_seen
), stored as (
    insert into referral_codes (account_id, id, code, code_key, campaign_id, customer_id, segment_id, position, coupon_issued_at, created_at,
        ip_address, user_agent)
    select account_id, id, case when (select are_as_seen from named) then code else '' end, code_key, campaign_id, coalesce(customer_id, new_customer_id),
        (select moved.id from moved where moved.account_id = new.account_id and moved.id = new.segment_id), position,
        case when position is not null then $16::timestamptz end, $16, ip_address, user_agent
    from new where (select count(*) from advocate) >= 0
), event as (
    insert into events (account_id, kind, subjects, created_at)
    select account_id, 'referral_code.created', array_agg(id order by id), $16 from new group by account_id
)
select array_agg(index) as "indexes!", array_agg(id) as "ids!", array_agg(coalesce(customer_id, new_customer_id)) as "customer_ids!" from new
