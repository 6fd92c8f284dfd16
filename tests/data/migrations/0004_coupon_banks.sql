-- A bank in two segments, one coupon retired, one with a PIN; the same code in another account.
insert into coupon_banks (account_id, id, name, created_at) values
    (1, 9900, 'Spring codes', '2026-01-01 00:00Z'),
    (2, 9900, 'Rival''s', '2026-01-02 00:00Z');
insert into coupon_segments (account_id, id, bank_id, size, next_position, created_at) values
    (1, 1, 9900, 3, 1, '2026-01-01 00:00Z'),
    (1, 2, 9900, 1, 0, '2026-01-01 00:00Z'),
    (2, 1, 9900, 1, 0, '2026-01-02 00:00Z');
insert into coupons (account_id, segment_id, position, code, code_key, pin) values
    (1, 1, 0, 'Clooney1', 'clooney1', null),
    (1, 1, 1, 'Clooney2', 'clooney2', '4711'),
    (1, 1, 2, 'Clooney3', 'clooney3', null),
    (1, 2, 0, 'FRIEND-8T2KQ', 'friend-8t2kq', null),
    (2, 1, 0, 'CLOONEY1', 'clooney1', null);
insert into coupon_retirements (account_id, segment_id, position, retired_at) values (1, 1, 2, '2026-01-05 00:00Z');
