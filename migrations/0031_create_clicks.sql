-- Clicks on links. Whose they are is not kept: of the address only a digest under a key of the servers', which tells whether two clicks
-- came from one place. Programs that look at a link, such as previews, count apart.
create table clicks (
    account_id bigint not null,
    id bigint generated always as identity,
    referral_code_id bigint not null,
    campaign_id bigint not null,
    clicked_at timestamptz not null constraint clicks_clicked_at_check check (isfinite(clicked_at)),
    is_bot boolean not null,
    user_agent text constraint clicks_user_agent_check check (char_length(user_agent) <= 512),
    address_digest bytea not null constraint clicks_address_digest_check check (octet_length(address_digest) = 16),
    primary key (account_id, id)
);
create index clicks_referral_code_id_idx on clicks (account_id, referral_code_id, is_bot);
