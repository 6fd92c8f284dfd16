-- A sandbox of the first merchant.
insert into accounts (id, name, currency, time_zone, created_at, live_account_id) values
    (3, 'Acme (test)', 'USD', 'Europe/Berlin', '2026-02-01 00:00Z', 1);
insert into account_aliases (alias, account_id) values ('acme-test', 3);
