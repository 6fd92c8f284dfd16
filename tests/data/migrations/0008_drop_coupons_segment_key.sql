-- Another load into a bank: the segment's row comes after its coupons.
insert into coupons (account_id, segment_id, position, code, code_key, pin) values (1, 3, 0, 'Clooney4', 'clooney4', null);
insert into coupon_segments (account_id, id, bank_id, size, next_position, created_at) values
    (1, 3, 9900, 1, 0, '2026-01-07 00:00Z');
