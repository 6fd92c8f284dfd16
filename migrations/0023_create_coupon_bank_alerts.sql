-- When a bank became low, or ran out, and when that was over. While it lasts there is no second alert of its kind, so each crossing is
-- told once, whichever process sees it. What was left then is kept with it.
create table coupon_bank_alerts (
    account_id bigint not null,
    id bigint generated always as identity,
    bank_id bigint not null,
    kind text not null constraint coupon_bank_alerts_kind_check check (kind in ('low', 'exhausted')),
    reasons text[] not null constraint coupon_bank_alerts_reasons_check check (cardinality(reasons) > 0),
    total bigint not null,
    issued bigint not null,
    retired bigint not null,
    available bigint not null,
    raised_at timestamptz not null constraint coupon_bank_alerts_raised_at_check check (isfinite(raised_at)),
    cleared_at timestamptz constraint coupon_bank_alerts_cleared_at_check check (isfinite(cleared_at)),
    primary key (account_id, id),
    constraint coupon_bank_alerts_bank_id_fkey foreign key (account_id, bank_id) references coupon_banks (account_id, id)
);
create unique index coupon_bank_alerts_open_key on coupon_bank_alerts (account_id, bank_id, kind) where cleared_at is null;
