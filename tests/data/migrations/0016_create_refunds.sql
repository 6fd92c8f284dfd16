-- A part given back, and an order called off.
insert into refunds (account_id, purchase_id, refund_id, amount, reason, created_at) values
    (1, 1, 'R1', 159.00, 'One chair returned', '2026-01-10 00:00Z');
update purchases set cancelled_at = '2026-01-10 00:00Z' where account_id = 2 and id = 1;
