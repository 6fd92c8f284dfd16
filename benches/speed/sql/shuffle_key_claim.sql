-- One claim: the first free row in the order of the shuffle key that nobody else has locked.
update yardstick.coupons set holder = :holder::bigint, issued_at = now()
where account_id = :account::bigint and id = (
    select id from yardstick.coupons
    where account_id = :account::bigint and holder is null
    order by shuffle_key
    limit 1
    for update skip locked)
returning code;
