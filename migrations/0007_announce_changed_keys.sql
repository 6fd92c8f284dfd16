-- Servers remember for a few seconds who holds a key. All of them are told when a key, its account or the account's alias
-- changes, whoever changes it, so that a key that was revoked works nowhere.
create function announce_changed_keys() returns trigger language plpgsql as $$
begin
    perform pg_catalog.pg_notify('goodword_keys', '');
    return null;
end
$$;

create trigger api_keys_announce after update or delete or truncate on api_keys
    for each statement execute function announce_changed_keys();
create trigger accounts_announce after update or delete or truncate on accounts
    for each statement execute function announce_changed_keys();
create trigger account_aliases_announce after update or delete or truncate on account_aliases
    for each statement execute function announce_changed_keys();
