-- A refund that was numbered from the start.
insert into refunds (account_id, purchase_id, refund_id, amount, reason, created_at) values
    (1, 1, 'R0', 1.00, null, '2026-01-10 00:00Z');
