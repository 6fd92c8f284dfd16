-- What was given back of an order, refund by refund, and whether the order was called off. Refunds are added and never changed.
alter table purchases
    add cancelled_at timestamptz constraint purchases_cancelled_at_check check (isfinite(cancelled_at));

create table refunds (
    account_id bigint not null,
    purchase_id bigint not null,
    refund_id text not null constraint refunds_refund_id_check check (char_length(refund_id) between 1 and 64),
    amount numeric not null constraint refunds_amount_check check (amount > 0 and amount < 100000000000),
    reason text constraint refunds_reason_check check (char_length(reason) between 1 and 255),
    created_at timestamptz not null constraint refunds_created_at_check check (isfinite(created_at)),
    primary key (account_id, purchase_id, refund_id),
    constraint refunds_purchase_id_fkey foreign key (account_id, purchase_id) references purchases (account_id, id)
);
create trigger refunds_append_only before update or delete on refunds
    for each row execute function refuse_change();
