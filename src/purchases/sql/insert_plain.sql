-- An order that came alone with a coupon, if it is plain (`purchases::plain`): whom the coupon leads to, and the purchase with its
-- conversion, credited to him. What was found is answered whether or not it was plain. PostgreSQL begins with the last part that stores: if the
-- order was recorded before, nothing else was stored in vain.
with found as (
    select c.account_id, c.code as coupon_code, r.id as referral_code_id, r.code as referral_code, g.id as campaign_id,
        g.name as campaign_name, g.self_referral, r.blocked_at is not null as is_code_blocked, u.blocked_at is not null as is_customer_blocked,
        u.id as customer_id, u.external_id, u.email, u.email_key, u.first_name, u.last_name
    from coupons c
    left join referral_codes r on r.account_id = c.account_id and r.segment_id = c.segment_id and r.position = c.position
    left join campaigns g on g.account_id = r.account_id and g.id = r.campaign_id
    left join customers u on u.account_id = r.account_id and u.id = r.customer_id
    where c.account_id = $1 and c.code_key = $2
), advocate as (
    select referral_code_id, campaign_id from found
    where referral_code_id is not null and not is_code_blocked and not is_customer_blocked
        and (email_key is null or split_part(email_key, '@', -1) ~ '^[a-z0-9.-]+$' and split_part(email_key, '@', -1) <> all($3::text[]))
), event as (
    insert into events (account_id, kind, subjects, created_at)
    select $1, kind, array[subject], $17
    from advocate, (values ('purchase.recorded', $21::bigint), ('conversion.created', $22)) as new (kind, subject)
), conversion as (
    insert into conversions (account_id, id, purchase_id, campaign_id, referral_code_id, status,
        same_email, fuzzy_email, same_customer, same_shopper, created_at)
    select $1, $22, $21, campaign_id, referral_code_id, $20, false, false, false, false, $17 from advocate
), purchase as (
    insert into purchases (account_id, id, source, order_id, amount, currency, email, new_customer, ordered_at, products, ip_address, coupon_code,
        attributed_via, attributed_referral_code_id, conflicting_codes, considered, created_at, user_agent, channel)
    select $1, $21, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, referral_code_id, $15,
        jsonb_set($16, '{0,referral_code_id}', to_jsonb(referral_code_id)), $17, $18, $19
    from advocate
)
select coupon_code, referral_code_id as "referral_code_id?: ReferralCodeId", referral_code as "referral_code?",
    campaign_id as "campaign_id?: CampaignId", campaign_name as "campaign_name?", self_referral as "self_referral?",
    is_code_blocked as "is_code_blocked!", is_customer_blocked as "is_customer_blocked!", customer_id as "customer_id?: CustomerId",
    external_id as "external_id?: OpaqueId", email as "email?: Email", first_name as "first_name?", last_name as "last_name?",
    exists (select from advocate) as "is_plain!"
from found
