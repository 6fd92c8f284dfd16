-- Credited to an advocate, credited to nobody, the same order id at a till and in another account.
insert into purchases (account_id, id, source, order_id, amount, currency, email, new_customer, ordered_at, customer_id,
    customer_external_id, customer_email, customer_first_name, customer_last_name, products, ip_address, coupon_code, referral_code,
    attributed_via, attributed_referral_code_id, reason, conflicting_codes, considered, created_at) values
    (1, 1, '', '281', 795.00, 'USD', 'friend@example.mil', true, '2026-01-06 00:00Z', 3,
        'C1', 'friend@example.mil', 'A', 'Friend', '[{"sku": "SOFA"}]', '203.0.113.7', 'Clooney1', null,
        'coupon_code', 1, null, false, '[]', '2026-01-06 00:00Z'),
    (1, 2, 'store-12', '281', 0, 'USD', null, null, '2026-01-06 00:00Z', null,
        null, null, null, null, '[]', null, 'NOSUCHCODE', null,
        null, null, 'unknown_code', false, '[]', '2026-01-06 00:00Z'),
    (2, 1, '', '281', 100, 'JPY', null, null, '2026-01-06 00:00Z', null,
        null, null, null, null, '[]', null, null, null,
        null, null, 'no_code', false, '[]', '2026-01-06 00:00Z');
insert into conversions (account_id, id, purchase_id, campaign_id, referral_code_id, status, same_email, fuzzy_email, same_customer,
    same_shopper, created_at) values
    (1, 1, 1, 53345, 1, 'pending', false, false, false, false, '2026-01-06 00:00Z');
