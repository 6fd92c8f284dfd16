-- One with all of it.
insert into shares (account_id, id, referral_code_id, customer_id, network, message, email, ip_address, created_at) values
    (1, 1, 1, 1, 'email', 'Try this', 'friend@example.mil', '203.0.113.7', '2026-01-05 00:00Z');
