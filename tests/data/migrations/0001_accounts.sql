-- Two merchants, one with a key that is revoked: what belongs to one must never be reached from the other.
insert into accounts (id, name, currency, time_zone, created_at) values
    (1, 'Acme', 'USD', 'Europe/Berlin', '2026-01-01 00:00Z'),
    (2, 'Rival', 'JPY', 'Asia/Tokyo', '2026-01-02 00:00Z');
insert into account_aliases (alias, account_id) values ('acme', 1), ('rival', 2);
insert into api_keys (access_key, account_id, secret_sha256, name, created_at, revoked_at) values
    ('gwk_live_acme', 1, sha256('one'), 'shop', '2026-01-01 00:00Z', null),
    ('gwk_live_rival', 2, sha256('two'), '', '2026-01-02 00:00Z', '2026-01-03 00:00Z');
