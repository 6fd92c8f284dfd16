-- One more advocate with his code, as they are stored after this change.
insert into customers (account_id, id, external_id, created_at) values (1, 33, 'D-33', '2026-01-08 00:00Z');
insert into referral_codes (account_id, id, code, code_key, campaign_id, customer_id, created_at) values
    (1, 33, 'd33', 'd33', 53345, 33, '2026-01-08 00:00Z');
