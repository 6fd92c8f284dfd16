-- The same row, stored without any question.
insert into purchases (account_id, source, order_id, amount, currency, email, new_customer, ordered_at, products,
    reason, conflicting_codes, considered, created_at)
values (:account::bigint, '', :order_id::text, :amount::numeric, 'USD', :email::text, true, now(), '[]',
    'no_code', false, '[]', now());
