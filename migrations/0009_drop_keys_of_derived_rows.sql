-- Keys that were asked about again for every order and code, and could not fail. Each took a look-up of the row it leads to
-- and a lock on it: a quarter of what an order costs PostgreSQL, and a write to a row that did not change, whose page then
-- went into the log as a whole. What they guarded holds without them: rows name only what the same batch has read or
-- stored, and accounts, campaigns, coupons, referral codes and purchases are never deleted. An order is still tied to its
-- customer, and a referral code to its customer. The tests check after every story that each row has what it names.
alter table purchases
    drop constraint purchases_account_id_fkey,
    drop constraint purchases_attributed_referral_code_id_fkey;
alter table conversions
    drop constraint conversions_purchase_id_fkey,
    drop constraint conversions_campaign_id_fkey,
    drop constraint conversions_referral_code_id_fkey;
alter table customers drop constraint customers_account_id_fkey;
alter table referral_codes
    drop constraint referral_codes_campaign_id_fkey,
    drop constraint referral_codes_position_fkey;
