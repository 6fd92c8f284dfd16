-- An endpoint in the middle of a rotation with a delivery that was tried, and one that is gone.
insert into webhook_endpoints (account_id, id, url, event_types, active, disabled_reason, friendbuy_signature, secret, previous_secret,
    previous_secret_until, created_at) overriding system value values
    (1, 1, 'https://shop.example.com/hooks', array['purchase.recorded'], true, null, 'sha1', 'whsec_' || repeat('A', 43) || '=',
        'whsec_' || repeat('B', 43) || '=', '2026-01-20 00:00Z', '2026-01-08 00:00Z'),
    (1, 2, 'https://old.example.com/hooks', null, false, 'gone', 'sha256', 'whsec_' || repeat('C', 43) || '=', null, null, '2026-01-08 00:00Z');
insert into webhook_deliveries (account_id, id, endpoint_id, event_row, event_index, state, attempts, failures, due_at, created_at)
    overriding system value values (1, 1, 1, 1, 1, 'waiting', 1, 1, '2026-01-08 00:05Z', '2026-01-08 00:00Z');
insert into webhook_attempts (account_id, delivery_id, number, started_at, duration_ms, status, error) values
    (1, 1, 1, '2026-01-08 00:00Z', 12, 500, null);
insert into event_bodies (account_id, event_row, event_index, body) values (1, 1, 1, '{"id":"evt_1_1"}');
