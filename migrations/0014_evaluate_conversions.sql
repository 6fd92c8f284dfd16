-- A conversion is evaluated once, when it falls due: evaluated_at says when. One that is pending after that waits for a person.
-- The index holds what is still to be evaluated, campaign by campaign, since each has a delay of its own. What was decided, by
-- whom and why is kept for ever.
alter table conversions
    add evaluated_at timestamptz constraint conversions_evaluated_at_check check (isfinite(evaluated_at)),
    add fraud_checks jsonb constraint conversions_fraud_checks_check check (jsonb_typeof(fraud_checks) = 'array');
create index conversions_due_idx on conversions (account_id, campaign_id, created_at) where evaluated_at is null;

create table conversion_events (
    account_id bigint not null,
    conversion_id bigint not null,
    id bigint generated always as identity,
    event text not null constraint conversion_events_event_check check (event in ('held', 'approved', 'rejected', 'overridden')),
    status_before text not null constraint conversion_events_status_before_check check (status_before in ('pending', 'approved', 'rejected')),
    status text not null constraint conversion_events_status_check check (status in ('pending', 'approved', 'rejected')),
    decided_by text not null constraint conversion_events_decided_by_check check (decided_by in ('rules', 'person')),
    reason text constraint conversion_events_reason_check check (char_length(reason) between 1 and 255),
    actor text constraint conversion_events_actor_check check (char_length(actor) between 1 and 255),
    findings jsonb not null constraint conversion_events_findings_check check (jsonb_typeof(findings) = 'array'),
    rules jsonb constraint conversion_events_rules_check check (jsonb_typeof(rules) = 'object'),
    created_at timestamptz not null constraint conversion_events_created_at_check check (isfinite(created_at)),
    primary key (account_id, conversion_id, id),
    constraint conversion_events_conversion_id_fkey foreign key (account_id, conversion_id) references conversions (account_id, id),
    constraint conversion_events_person_check check (decided_by = 'rules' or reason is not null)
);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'rows of % are added and never changed', tg_table_name using errcode = 'restrict_violation';
end
$$;
create trigger conversion_events_append_only before update or delete on conversion_events
    for each row execute function refuse_change();
