-- Another reward of the same advocate, at the same moment.
insert into rewards (account_id, id, conversion_id, campaign_id, referral_code_id, customer_id, unit, whole_amount, created_at) values
    (1, 2, 92, 53345, 1, 1, 'USD', 0.50, '2026-01-08 00:00Z');
