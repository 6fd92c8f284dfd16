-- The same address in two accounts.
insert into email_opt_outs (account_id, id, email, email_key, ip_address, source, created_at) values
    (1, 1, 'Friend@example.mil', 'friend@example.mil', '203.0.113.7', 'newsletter', '2026-01-08 00:00Z'),
    (2, 1, 'friend@example.mil', 'friend@example.mil', null, null, '2026-01-08 00:00Z');
