-- A few purchases with their conversions, and what the outbox says of them (`events::Kind`). Arrays are opened in select lists: in the from clause each is copied to a store first.
with purchase as (
    insert into purchases (account_id, source, order_id, amount, currency, email, new_customer, ordered_at, customer_id,
        customer_external_id, customer_email, customer_first_name, customer_last_name, products, ip_address, coupon_code,
        referral_code, attributed_via, attributed_referral_code_id, reason, conflicting_codes, considered, created_at, user_agent,
        channel, visited_at)
    select account_id, source, order_id, amount, currency, email, new_customer, ordered_at, customer_id,
        customer_external_id, customer_email, customer_first_name, customer_last_name, products, ip_address, coupon_code,
        referral_code, attributed_via, attributed_referral_code_id, reason, conflicting_codes, considered, $23, user_agent,
        channel, visited_at
    from (select unnest($1::bigint[]) as account_id, unnest($2::text[]) as source, unnest($3::text[]) as order_id, unnest($4::numeric[]) as amount,
        unnest($5::text[]) as currency, unnest($6::text[]) as email, unnest($7::bool[]) as new_customer,
        unnest($8::timestamptz[]) as ordered_at, unnest($9::bigint[]) as customer_id, unnest($10::text[]) as customer_external_id,
        unnest($11::text[]) as customer_email, unnest($12::text[]) as customer_first_name, unnest($13::text[]) as customer_last_name,
        unnest($14::jsonb[]) as products, unnest($15::text[]) as ip_address, unnest($16::text[]) as coupon_code,
        unnest($17::text[]) as referral_code, unnest($18::text[]) as attributed_via, unnest($19::bigint[]) as attributed_referral_code_id,
        unnest($20::text[]) as reason, unnest($21::bool[]) as conflicting_codes, unnest($22::jsonb[]) as considered, unnest($33::text[]) as user_agent,
        unnest($34::text[]) as channel, unnest($35::timestamptz[]) as visited_at) as new
    returning account_id, source, order_id, id, attributed_referral_code_id
), conversion as (
    insert into conversions (account_id, purchase_id, campaign_id, referral_code_id, status,
        same_email, fuzzy_email, same_customer, same_shopper, created_at)
    select p.account_id, p.id, new.campaign_id, p.attributed_referral_code_id, new.status, new.same_email, new.fuzzy_email, new.same_customer, new.same_shopper, $23
    from (select unnest($24::bigint[]) as account_id, unnest($25::text[]) as source, unnest($26::text[]) as order_id,
        unnest($27::bigint[]) as campaign_id, unnest($28::text[]) as status, unnest($29::bool[]) as same_email,
        unnest($30::bool[]) as fuzzy_email, unnest($31::bool[]) as same_customer, unnest($32::bool[]) as same_shopper) as new
    join purchase p on p.order_id = new.order_id and p.source = new.source and p.account_id = new.account_id
    returning account_id, purchase_id, id, status
), event as (
    insert into events (account_id, kind, subjects, created_at)
    select account_id, kind, array_agg(id order by id), $23
    from (
        select account_id, 1 as step, 'purchase.recorded' as kind, id from purchase
        union all
        select account_id, 2, 'conversion.created', id from conversion
        union all
        select account_id, 3, 'conversion.refused', id from conversion where status = 'rejected'
    ) fact
    group by account_id, step, kind
    order by account_id, step
)
select account_id as "account_id!", id as "purchase_id!", source as "source?", order_id as "order_id?: OpaqueId",
    null::bigint as "conversion_id: ConversionId" from purchase
union all
select account_id, purchase_id, null, null, id from conversion
