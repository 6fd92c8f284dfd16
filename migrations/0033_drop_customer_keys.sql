-- As with the keys that were dropped before: a referral code or an order is stored by a statement, or a transaction, that read or
-- stored its customer just before, and customers whom others name are never deleted. The keys asked for him again, and locked
-- him, for every code and for every order of a known customer. The tests check after every story that each row has what it names.
alter table referral_codes drop constraint referral_codes_customer_id_fkey;
alter table purchases drop constraint purchases_customer_id_fkey;
