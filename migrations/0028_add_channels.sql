-- Through which channel an order was reported, which says how far to trust it: a shop's server before a till, a till before a page in
-- a browser, which anybody can make up unless the shop's server has signed it. A better report of the same order takes the place of
-- a page's, and what it replaced is kept. What becomes of orders that only a page reported, their campaign says. Orders may also come
-- with a visit: visited_at is when the link was clicked that the credit goes to.
alter table purchases
    add channel text not null default 'server'
        constraint purchases_channel_check check (channel in ('server', 'till', 'signed_tracker', 'tracker')),
    add visited_at timestamptz constraint purchases_visited_at_check check (isfinite(visited_at)),
    drop constraint purchases_attributed_via_check,
    add constraint purchases_attributed_via_check check (attributed_via in ('referral_code', 'coupon_code', 'visit'));

alter table campaigns
    add unverified_orders text not null default 'hold'
        constraint campaigns_unverified_orders_check check (unverified_orders in ('hold', 'accept'));

create table purchase_replacements (
    account_id bigint not null,
    purchase_id bigint not null,
    id bigint generated always as identity,
    channel text not null constraint purchase_replacements_channel_check check (channel in ('signed_tracker', 'tracker')),
    facts jsonb not null constraint purchase_replacements_facts_check check (jsonb_typeof(facts) = 'object'),
    replaced_at timestamptz not null constraint purchase_replacements_replaced_at_check check (isfinite(replaced_at)),
    primary key (account_id, purchase_id, id),
    constraint purchase_replacements_purchase_id_fkey foreign key (account_id, purchase_id) references purchases (account_id, id)
);
create trigger purchase_replacements_append_only before update or delete on purchase_replacements
    for each row execute function refuse_change();

-- A conversion that was held, or ruled on, by what a page said is due once more when a better report comes.
alter table conversion_events
    drop constraint conversion_events_event_check,
    add constraint conversion_events_event_check check (event in ('held', 'approved', 'rejected', 'overridden', 'confirmed')),
    drop constraint conversion_events_decided_by_check,
    add constraint conversion_events_decided_by_check check (decided_by in ('rules', 'person', 'report'));
