-- One purchase with its conversion, if it has one, and what the outbox says of them: without arrays, which take the server longer to open
-- than the row to store. Their numbers were drawn before, so no part waits for another.
with conversion as (
    insert into conversions (account_id, id, purchase_id, campaign_id, referral_code_id, status,
        same_email, fuzzy_email, same_customer, same_shopper, created_at)
    select $1, conversion_id, $2, $27, $20, $28, $29, $30, $31, $32, $24
    from (select $33::bigint as conversion_id) as new where conversion_id is not null
), event as (
    insert into events (account_id, kind, subjects, created_at)
    select $1, kind, array[subject], $24
    from (values ('purchase.recorded', $2::bigint), ('conversion.created', $33),
        ('conversion.refused', case when $28 = 'rejected' then $33 end)) as new (kind, subject)
    where subject is not null
)
insert into purchases (account_id, id, source, order_id, amount, currency, email, new_customer, ordered_at, customer_id,
    customer_external_id, customer_email, customer_first_name, customer_last_name, products, ip_address, coupon_code,
    referral_code, attributed_via, attributed_referral_code_id, reason, conflicting_codes, considered, created_at, user_agent,
    channel, visited_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $34)
