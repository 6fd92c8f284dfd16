-- What a shop stores that hands out codes like this: a claim by the shuffle key, the advocate, and the referral code that ties
-- them, in one statement.
with advocate as (
    insert into customers (account_id, external_id, email, email_key, first_name, last_name, created_at)
    values (:account::bigint, :advocate::text, :email::text, :email::text, 'Ada', 'Shaw', now())
    returning id
), coupon as (
    update yardstick.coupons set holder = :holder::bigint, issued_at = now()
    where account_id = :account::bigint and id = (
        select id from yardstick.coupons
        where account_id = :account::bigint and holder is null
        order by shuffle_key
        limit 1
        for update skip locked)
    returning id, code
)
insert into referral_codes (account_id, code, code_key, campaign_id, customer_id, segment_id, position, coupon_issued_at, created_at)
select :account::bigint, :advocate::text, :advocate::text, :campaign::bigint, advocate.id, 0, coupon.id::integer, now(), now()
from advocate, coupon
returning id, (select code from coupon) as coupon_code;
