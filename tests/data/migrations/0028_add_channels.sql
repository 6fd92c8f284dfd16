-- An order that a page reported, and one whose report by the server took the place of the page's.
insert into purchases (account_id, id, source, order_id, amount, currency, ordered_at, products, conflicting_codes, considered, reason, created_at, channel) values
    (1, 1283, '', '1283', 20, 'USD', '2026-01-07 00:00Z', '[]', false, '[]', 'no_code', '2026-01-07 00:00Z', 'tracker');
insert into purchase_replacements (account_id, purchase_id, channel, facts, replaced_at) values
    (1, 1, 'tracker', '{"amount": 700}', '2026-01-06 00:00Z');
update purchases set visited_at = '2026-01-05 00:00Z' where account_id = 1 and id = 1;
