-- The other half of P1: an order without a code, stored. Neither half passes over orders that are known: of those that are new, none is.
insert into purchases (account_id, source, order_id, amount, currency, email, new_customer, ordered_at, products,
    reason, conflicting_codes, considered, created_at)
values (:account::bigint, '', :order_id::text, :amount::numeric, 'USD', :email::text, true, now(), '[]',
    'no_code', false, '[]', now())
returning id, null::bigint as referral_code_id;
