-- The outbox. A row says what happened of one kind to how many things of an account in one statement, and is stored by the statement
-- that stores the things themselves, so that neither can be without the other. Its place in the account's feed it gets later, once
-- it is committed: the place of the first of its things, the others follow one by one.
create table events (
    account_id bigint not null,
    id bigint generated always as identity,
    kind text not null constraint events_kind_check check (kind in ('purchase.recorded', 'conversion.created', 'conversion.refused',
        'conversion.approved', 'conversion.rejected', 'reward.created', 'reward.reversed', 'reward.restored', 'referral_code.created',
        'coupon_bank.low', 'coupon_bank.exhausted')),
    subjects bigint[] not null constraint events_subjects_check check (cardinality(subjects) > 0),
    created_at timestamptz not null constraint events_created_at_check check (isfinite(created_at)),
    place bigint constraint events_place_check check (place > 0),
    primary key (account_id, id)
);
-- Not a constraint of the table: a row is in one of the two, so storing it writes to no third index.
create unique index events_place_key on events (account_id, place) where place is not null;
create index events_unplaced_idx on events (account_id, id) where place is null;

-- How far the feed of an account goes. Who gives places holds the row.
create table event_feeds (
    account_id bigint primary key constraint event_feeds_account_id_fkey references accounts (id),
    last_place bigint not null constraint event_feeds_last_place_check check (last_place >= 0)
);

-- What was decided and what was booked are found by their numbers alone.
alter table conversion_events add constraint conversion_events_id_key unique (account_id, id);
alter table reward_entries add constraint reward_entries_id_key unique (account_id, id);
