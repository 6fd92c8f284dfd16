-- Rewards are listed in the order in which they were granted, all of them or an advocate's, so that a page from any place on is one
-- range of an index.
create index rewards_created_at_idx on rewards (account_id, created_at, id);
drop index rewards_customer_id_idx;
create index rewards_customer_id_idx on rewards (account_id, customer_id, created_at, id);
