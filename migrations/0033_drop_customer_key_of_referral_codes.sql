-- As with the keys that were dropped before: a referral code is stored by the statement, or the transaction, that read or stored its
-- customer, and customers who have one are never deleted. The key asked for him again, and locked him, for every code. The
-- tests check after every story that each row has what it names.
alter table referral_codes drop constraint referral_codes_customer_id_fkey;
