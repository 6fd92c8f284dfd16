-- The optimal purchase in one statement (P1): finds the advocate behind the code, stores the order and the conversion.
with holder as (
    select r.id, r.campaign_id
    from coupons c
    join referral_codes r on r.account_id = c.account_id and r.segment_id = c.segment_id and r.position = c.position
    where c.account_id = :account::bigint and c.code_key = lower(:code::text)
), purchase as (
    insert into purchases (account_id, source, order_id, amount, currency, email, new_customer, ordered_at, products,
        coupon_code, attributed_via, attributed_referral_code_id, reason, conflicting_codes, considered, created_at)
    select :account::bigint, '', :order_id::text, :amount::numeric, 'USD', :email::text, true, now(), '[]', :code::text,
        case when holder.id is not null then 'coupon_code' end, holder.id, case when holder.id is null then 'unknown_code' end,
        false, jsonb_build_array(jsonb_build_object('kind', 'coupon_code', 'verdict', 'decided', 'referral_code_id', holder.id)), now()
    from (values (1)) as one_row left join holder on true
    returning id
), conversion as (
    insert into conversions (account_id, purchase_id, campaign_id, referral_code_id, status,
        same_email, fuzzy_email, same_customer, same_shopper, created_at)
    select :account::bigint, purchase.id, holder.campaign_id, holder.id, 'pending', false, false, false, false, now()
    from purchase, holder
)
select purchase.id, holder.id as referral_code_id from purchase left join holder on true;
