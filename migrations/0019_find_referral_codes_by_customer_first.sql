-- One index for two: unique by customer and campaign, in this order, it also finds all codes of a customer. Every code that
-- is issued was written to both.
alter table referral_codes add constraint referral_codes_customer_id_campaign_id_key unique (account_id, customer_id, campaign_id);
alter table referral_codes drop constraint referral_codes_campaign_id_customer_id_key;
drop index referral_codes_customer_id_idx;
