-- The same order id at one more till.
insert into purchases (account_id, id, source, order_id, amount, currency, email, new_customer, ordered_at, customer_id,
    customer_external_id, customer_email, customer_first_name, customer_last_name, products, ip_address, coupon_code, referral_code,
    attributed_via, attributed_referral_code_id, reason, conflicting_codes, considered, created_at) values
    (1, 4, 'store-13', '281', 5, 'USD', null, null, '2026-01-08 00:00Z', null,
        null, null, null, null, '[]', null, null, null,
        null, null, 'no_code', false, '[]', '2026-01-08 00:00Z');
