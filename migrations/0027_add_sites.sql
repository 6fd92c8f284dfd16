-- What the pages of a shop name their account by, from which origins they may call, and the secret with which the shop's own
-- server signs what a page reports. Every account has a site key from the start: one that is made, until the one that its pages
-- carry already takes its place.
create table site_keys (
    site_key text primary key constraint site_keys_site_key_check check (site_key ~ '^[!-.0-~]{1,64}$'),
    account_id bigint not null constraint site_keys_account_id_fkey references accounts (id),
    constraint site_keys_account_id_key unique (account_id)
);

create table account_sites (
    account_id bigint primary key constraint account_sites_account_id_fkey references accounts (id),
    origins text[] not null default '{}' constraint account_sites_origins_check check (
        cardinality(origins) <= 50 and array_position(origins, null) is null and char_length(array_to_string(origins, '')) <= 12800),
    fallback_url text constraint account_sites_fallback_url_check check (char_length(fallback_url) between 1 and 2000),
    signing_secret text constraint account_sites_signing_secret_check check (char_length(signing_secret) between 32 and 128)
);

insert into site_keys (site_key, account_id) select 'gwp_' || replace(gen_random_uuid()::text, '-', ''), id from accounts;

-- Told on the same channel as changed keys, for the same memory holds them.
create trigger site_keys_announce after update or delete or truncate on site_keys
    for each statement execute function announce_changed_keys();
create trigger account_sites_announce after insert or update or delete or truncate on account_sites
    for each statement execute function announce_changed_keys();
