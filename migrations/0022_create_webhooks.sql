-- Where an account wants its events posted, and every delivery with its attempts. A delivery is the place in the queue too: one that
-- waits is due at a moment, and whoever takes it moves that moment on, past the time that posting may take. So what a process took
-- that died is taken again. What was sent of an event is kept, so that each attempt and the feed send the same.
create table webhook_endpoints (
    account_id bigint not null constraint webhook_endpoints_account_id_fkey references accounts (id),
    id bigint generated always as identity (start with 1001),
    url text not null constraint webhook_endpoints_url_check check (char_length(url) between 1 and 2000),
    description text constraint webhook_endpoints_description_check check (char_length(description) <= 255),
    event_types text[] constraint webhook_endpoints_event_types_check check (cardinality(event_types) > 0),
    active boolean not null,
    disabled_reason text constraint webhook_endpoints_disabled_reason_check check (disabled_reason is null or disabled_reason = 'gone' and not active),
    friendbuy_signature text not null constraint webhook_endpoints_friendbuy_signature_check check (friendbuy_signature in ('sha1', 'sha256')),
    secret text not null constraint webhook_endpoints_secret_check check (secret ~ '^whsec_[A-Za-z0-9+/]{32,88}={0,2}$'),
    previous_secret text constraint webhook_endpoints_previous_secret_check check ((previous_secret is null) = (previous_secret_until is null)),
    previous_secret_until timestamptz constraint webhook_endpoints_previous_secret_until_check check (isfinite(previous_secret_until)),
    retired_at timestamptz constraint webhook_endpoints_retired_at_check check (isfinite(retired_at)),
    created_at timestamptz not null constraint webhook_endpoints_created_at_check check (isfinite(created_at)),
    primary key (account_id, id)
);

create table webhook_deliveries (
    account_id bigint not null,
    id bigint generated always as identity (start with 1001),
    endpoint_id bigint not null,
    event_row bigint not null,
    event_index integer not null constraint webhook_deliveries_event_index_check check (event_index > 0),
    state text not null constraint webhook_deliveries_state_check check (state in ('waiting', 'delivered', 'failed', 'cancelled')),
    attempts integer not null default 0 constraint webhook_deliveries_attempts_check check (attempts >= 0),
    failures integer not null default 0 constraint webhook_deliveries_failures_check check (failures >= 0),
    due_at timestamptz not null constraint webhook_deliveries_due_at_check check (isfinite(due_at)),
    finished_at timestamptz constraint webhook_deliveries_finished_at_check check (
        (state = 'waiting') = (finished_at is null) and (finished_at is null or isfinite(finished_at))),
    created_at timestamptz not null constraint webhook_deliveries_created_at_check check (isfinite(created_at)),
    primary key (account_id, id),
    constraint webhook_deliveries_event_key unique (account_id, event_row, event_index, endpoint_id),
    constraint webhook_deliveries_endpoint_id_fkey foreign key (account_id, endpoint_id) references webhook_endpoints (account_id, id)
);
create index webhook_deliveries_created_at_idx on webhook_deliveries (account_id, created_at, id);
create index webhook_deliveries_due_idx on webhook_deliveries (account_id, endpoint_id, due_at) where state = 'waiting';

create table webhook_attempts (
    account_id bigint not null,
    delivery_id bigint not null,
    number integer not null,
    started_at timestamptz not null constraint webhook_attempts_started_at_check check (isfinite(started_at)),
    duration_ms integer not null constraint webhook_attempts_duration_ms_check check (duration_ms >= 0),
    status integer constraint webhook_attempts_status_check check (status between 100 and 999),
    error text constraint webhook_attempts_error_check check (char_length(error) between 1 and 255),
    primary key (account_id, delivery_id, number),
    constraint webhook_attempts_delivery_id_fkey foreign key (account_id, delivery_id) references webhook_deliveries (account_id, id)
);
create trigger webhook_attempts_append_only before update or delete on webhook_attempts
    for each row execute function refuse_change();

create table event_bodies (
    account_id bigint not null,
    event_row bigint not null,
    event_index integer not null,
    body text not null,
    primary key (account_id, event_row, event_index),
    constraint event_bodies_event_row_fkey foreign key (account_id, event_row) references events (account_id, id)
);
