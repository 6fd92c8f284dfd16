-- Known by id, by e-mail, by both; the same e-mail in two accounts.
insert into customers (account_id, id, external_id, email, email_key, first_name, last_name, created_at) values
    (1, 1, 'C9911', 'JZheng@example.mil', 'jzheng@example.mil', 'Jaylene', 'Zheng', '2026-01-01 00:00Z'),
    (1, 2, 'C9912', null, null, null, null, '2026-01-01 00:00Z'),
    (1, 3, null, 'friend@example.mil', 'friend@example.mil', '', '', '2026-01-01 00:00Z'),
    (2, 1, 'C9911', 'jzheng@example.mil', 'jzheng@example.mil', null, null, '2026-01-02 00:00Z');
