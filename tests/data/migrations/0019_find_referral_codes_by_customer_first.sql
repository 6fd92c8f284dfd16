-- A third code of one account's, for a customer who has none yet.
insert into referral_codes (account_id, id, code, code_key, campaign_id, customer_id, segment_id, position, coupon_issued_at, created_at) values
    (1, 3, 'p4hx8a2d', 'p4hx8a2d', 53345, 3, null, null, null, '2026-01-09 00:00Z');
