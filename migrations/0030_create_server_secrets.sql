-- What all servers on this database must know and nobody else: the key that signs visits, so that a link that one server answered
-- counts at another, and the key under which addresses are kept of those who clicked. Random bits come from the generator of UUIDs,
-- which asks the system for them: two UUIDs hold 244.
create table server_secrets (
    name text primary key constraint server_secrets_name_check check (name in ('visits', 'addresses')),
    secret bytea not null constraint server_secrets_secret_check check (octet_length(secret) = 32)
);
insert into server_secrets (name, secret)
    select name, sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')) from (values ('visits'), ('addresses')) as needed (name);
