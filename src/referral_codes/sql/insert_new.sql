-- New referral codes, with their advocates where those are new, and the cursors of the segments they were drawn from. A
-- segment that is no longer as it was seen is missing from `moved`: then a coupon has a position and no segment, and the
-- check of referral codes refuses all of it. Counting the advocates has them stored, and waited for, before segments.
-- A campaign or a bank that is no longer as it was seen leaves the codes empty, which another check refuses.
-- Arrays are opened in select lists: in the from clause each is copied to a store first.
with advocate as (
    insert into customers (account_id, id, external_id, email, email_key, first_name, last_name, created_at)
    select unnest($1::bigint[]), unnest($2::bigint[]), unnest($3::text[]), unnest($4::text[]), unnest($5::text[]), unnest($6::text[]),
        unnest($7::text[]), $8
    returning id
), moved as (
    update coupon_segments s set next_position = seen.moved_to
    from (select unnest($9::bigint[]) as account_id, unnest($10::bigint[]) as id, unnest($11::int[]) as next_position,
        unnest($12::int[]) as revision, unnest($13::int[]) as moved_to) as seen
    where s.account_id = seen.account_id and s.id = seen.id and s.next_position = seen.next_position and s.revision = seen.revision
    returning s.account_id, s.id
), named as (
    select (select count(*) from (select unnest($14::bigint[]) as account_id, unnest($15::bigint[]) as id, unnest($16::text[]) as name,
            unnest($17::text[]) as destination_url) as seen
        join campaigns g on g.account_id = seen.account_id and g.id = seen.id and g.name = seen.name and g.destination_url = seen.destination_url
            and not g.archived) = cardinality($15::bigint[])
        and (select count(*) from (select unnest($18::bigint[]) as account_id, unnest($19::bigint[]) as id, unnest($20::text[]) as name) as seen
        join coupon_banks b on b.account_id = seen.account_id and b.id = seen.id and b.name = seen.name) = cardinality($19::bigint[]) as are_as_seen
), event as (
    insert into events (account_id, kind, subjects, created_at)
    select unnest($21::bigint[]), unnest($22::text[]), unnest($23::text[])::bigint[], $8
)
insert into referral_codes (account_id, id, code, code_key, campaign_id, customer_id, segment_id, position, coupon_issued_at, created_at,
    ip_address, user_agent)
select account_id, id, case when (select are_as_seen from named) then code else '' end, code_key, campaign_id, customer_id,
    (select moved.id from moved where moved.account_id = new.account_id and moved.id = new.segment_id), position,
    case when position is not null then $8::timestamptz end, $8, ip_address, user_agent
from (select unnest($24::bigint[]) as account_id, unnest($25::bigint[]) as id, unnest($26::text[]) as code, unnest($27::text[]) as code_key,
    unnest($28::bigint[]) as campaign_id, unnest($29::bigint[]) as customer_id, unnest($30::bigint[]) as segment_id,
    unnest($31::int[]) as position, unnest($32::text[]) as ip_address, unnest($33::text[]) as user_agent) as new
where (select count(*) from advocate) >= 0
