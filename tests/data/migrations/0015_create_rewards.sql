-- Earned, paid, and a part of it taken back.
insert into rewards (account_id, id, conversion_id, campaign_id, referral_code_id, customer_id, unit, whole_amount, created_at) values
    (1, 1, 1, 53345, 1, 1, 'USD', 25.00, '2026-01-08 00:00Z');
insert into reward_entries (account_id, reward_id, kind, amount, cause, refund_id, created_at) values
    (1, 1, 'earned', 25.00, 'approval', null, '2026-01-08 00:00Z'),
    (1, 1, 'paid', 25.00, 'payout', null, '2026-01-09 00:00Z'),
    (1, 1, 'reversed', -5.00, 'refund', 'R1', '2026-01-10 00:00Z'),
    (1, 1, 'paid', -5.00, 'payout', null, '2026-01-11 00:00Z');
