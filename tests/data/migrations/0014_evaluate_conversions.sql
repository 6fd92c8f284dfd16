-- Approved by the rules, after a person had looked at it.
update conversions set status = 'approved', evaluated_at = '2026-01-08 00:00Z', fraud_checks = '[]' where account_id = 1 and id = 1;
insert into conversion_events (account_id, conversion_id, event, status_before, status, decided_by, reason, actor, findings, rules, created_at) values
    (1, 1, 'held', 'pending', 'pending', 'rules', null, null, '["self_referral"]', '{"days_to_delay": 14}', '2026-01-08 00:00Z'),
    (1, 1, 'approved', 'pending', 'approved', 'person', 'Known to us', 'ann', '[]', null, '2026-01-08 00:00Z');
