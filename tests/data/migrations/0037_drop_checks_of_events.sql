-- An event of a kind that came later.
insert into events (account_id, kind, subjects, created_at) values (1, 'purchase.later', array[1], '2026-01-10 00:00Z');
