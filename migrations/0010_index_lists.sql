-- Lists are read in the order in which their rows were stored, all of them or those that somebody asks for: each page is
-- one range of an index. A buyer's address is folded as in Rust: under the collation "C" lower() knows A to Z alone.
create index customers_created_at_idx on customers (account_id, created_at, id);
create index referral_codes_created_at_idx on referral_codes (account_id, created_at, id);
create index purchases_created_at_idx on purchases (account_id, created_at, id);
create index purchases_buyer_email_idx on purchases (account_id, lower(coalesce(email, customer_email) collate "C"), created_at, id)
    where coalesce(email, customer_email) is not null;
create index purchases_customer_external_id_idx on purchases (account_id, customer_external_id, created_at, id)
    where customer_external_id is not null;
create index conversions_created_at_idx on conversions (account_id, created_at, id);
create index conversions_status_idx on conversions (account_id, status, created_at, id);
create index conversions_campaign_id_idx on conversions (account_id, campaign_id, created_at, id);
create index conversions_referral_code_id_idx on conversions (account_id, referral_code_id, created_at, id);
