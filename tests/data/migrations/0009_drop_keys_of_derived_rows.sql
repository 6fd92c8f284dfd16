-- A friend's order and its conversion, as they are stored after this change.
insert into purchases (account_id, id, source, order_id, amount, currency, email, new_customer, ordered_at, customer_id,
    customer_external_id, customer_email, customer_first_name, customer_last_name, products, ip_address, coupon_code, referral_code,
    attributed_via, attributed_referral_code_id, reason, conflicting_codes, considered, created_at) values
    (1, 3, '', '282', 20.00, 'USD', 'other@example.mil', true, '2026-01-08 00:00Z', null,
        null, null, null, null, '[]', null, 'Clooney1', null,
        'coupon_code', 1, null, false, '[]', '2026-01-08 00:00Z');
insert into conversions (account_id, id, purchase_id, campaign_id, referral_code_id, status, same_email, fuzzy_email, same_customer,
    same_shopper, created_at) values
    (1, 2, 3, 53345, 1, 'pending', false, false, false, false, '2026-01-08 00:00Z');
