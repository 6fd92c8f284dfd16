-- A friend's and a program's.
insert into clicks (account_id, referral_code_id, campaign_id, clicked_at, is_bot, user_agent, address_digest) values
    (1, 1, 53345, '2026-01-05 00:00Z', false, 'Mozilla/5.0', '\x00112233445566778899aabbccddeeff'),
    (1, 1, 53345, '2026-01-05 00:00Z', true, null, '\x00112233445566778899aabbccddeeff');
