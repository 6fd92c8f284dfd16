-- What the triggers are on can still be changed.
update api_keys set revoked_at = '2026-01-07 00:00Z' where access_key = 'gwk_live_rival';
update accounts set currency = 'EUR' where id = 2;
update account_aliases set alias = 'rival-2' where account_id = 2;
