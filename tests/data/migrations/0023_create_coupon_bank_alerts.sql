-- A bank that was low for a while, and is again.
insert into coupon_bank_alerts (account_id, bank_id, kind, reasons, total, issued, retired, available, raised_at, cleared_at)
select account_id, id, 'low', array['available', 'share'], 100, 60, 5, 35, '2026-01-08 00:00Z', '2026-01-09 00:00Z' from coupon_banks where account_id = 1 limit 1;
insert into coupon_bank_alerts (account_id, bank_id, kind, reasons, total, issued, retired, available, raised_at)
select account_id, id, 'low', array['days_left'], 200, 160, 5, 35, '2026-01-10 00:00Z' from coupon_banks where account_id = 1 limit 1;
