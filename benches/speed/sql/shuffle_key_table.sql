-- The usual way to hand out codes fast: each row knows a random key, and a partial index holds the free ones in its order.
create schema yardstick;
create table yardstick.coupons (
    account_id bigint not null,
    id bigint not null,
    code text not null,
    code_key text not null,
    shuffle_key bigint not null,
    holder bigint,
    issued_at timestamptz,
    primary key (account_id, id)
);
