-- The same id in two accounts, and one that is archived.
insert into campaigns (account_id, id, name, destination_url, archived, created_at) values
    (1, 53345, 'Spring referrals', 'https://shop.example.com/welcome', false, '2026-01-01 00:00Z'),
    (1, 53346, 'Winter', 'https://shop.example.com', true, '2026-01-01 00:00Z'),
    (2, 53345, 'Rival''s', 'https://rival.example.com', false, '2026-01-02 00:00Z');
