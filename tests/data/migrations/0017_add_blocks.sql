-- An advocate who may earn no more, and a code that leaked.
update customers set blocked_at = '2026-01-12 00:00Z' where account_id = 1 and id = 2;
update referral_codes set blocked_at = '2026-01-12 00:00Z' where account_id = 2 and id = 1;
