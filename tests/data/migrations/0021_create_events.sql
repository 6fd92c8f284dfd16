-- One batch that has its places, and one that has none yet.
insert into event_feeds (account_id, last_place) values (1, 2);
insert into events (account_id, kind, subjects, created_at, place) values
    (1, 'purchase.recorded', array[1, 2], '2026-01-08 00:00Z', 1),
    (1, 'conversion.created', array[1], '2026-01-08 00:00Z', null);
