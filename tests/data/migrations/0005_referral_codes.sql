-- One with a coupon, one without; the same code in another account.
insert into referral_codes (account_id, id, code, code_key, campaign_id, customer_id, segment_id, position, coupon_issued_at, created_at) values
    (1, 1, '7kq2m9xt', '7kq2m9xt', 53345, 1, 1, 0, '2026-01-03 00:00Z', '2026-01-03 00:00Z'),
    (1, 2, 'c1n7yw4e', 'c1n7yw4e', 53345, 2, null, null, null, '2026-01-03 00:00Z'),
    (2, 1, '7kq2m9xt', '7kq2m9xt', 53345, 1, null, null, null, '2026-01-04 00:00Z');
