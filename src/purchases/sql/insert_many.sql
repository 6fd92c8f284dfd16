-- Purchases with their conversions, and what the outbox says of them. Their numbers were drawn before, so no part waits for another.
-- Arrays are opened in select lists: in the from clause each is copied to a store first.
-- The statement's own part, the orders, is stored first: if one of them was recorded before, nothing else was stored in vain.
with conversion as (
    insert into conversions (account_id, id, purchase_id, campaign_id, referral_code_id, status,
        same_email, fuzzy_email, same_customer, same_shopper, created_at)
    select unnest($28::bigint[]), unnest($29::bigint[]), unnest($30::bigint[]), unnest($31::bigint[]), unnest($32::bigint[]),
        unnest($33::text[]), unnest($34::bool[]), unnest($35::bool[]), unnest($36::bool[]), unnest($37::bool[]), $24
), event as (
    insert into events (account_id, kind, subjects, created_at)
    select unnest($38::bigint[]), unnest($39::text[]), unnest($40::text[])::bigint[], $24
)
insert into purchases (account_id, id, source, order_id, amount, currency, email, new_customer, ordered_at, customer_id,
    customer_external_id, customer_email, customer_first_name, customer_last_name, products, ip_address, coupon_code,
    referral_code, attributed_via, attributed_referral_code_id, reason, conflicting_codes, considered, created_at, user_agent,
    channel, visited_at)
select unnest($1::bigint[]), unnest($2::bigint[]), unnest($3::text[]), unnest($4::text[]), unnest($5::numeric[]), unnest($6::text[]),
    unnest($7::text[]), unnest($8::bool[]), unnest($9::timestamptz[]), unnest($10::bigint[]), unnest($11::text[]), unnest($12::text[]),
    unnest($13::text[]), unnest($14::text[]), unnest($15::jsonb[]), unnest($16::text[]), unnest($17::text[]), unnest($18::text[]),
    unnest($19::text[]), unnest($20::bigint[]), unnest($21::text[]), unnest($22::bool[]), unnest($23::jsonb[]), $24,
    unnest($25::text[]), unnest($26::text[]), unnest($27::timestamptz[])
