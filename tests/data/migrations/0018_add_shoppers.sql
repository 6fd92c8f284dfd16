-- One browser on both sides.
update purchases set user_agent = 'Mozilla/5.0' where account_id = 1 and id = 1;
update referral_codes set ip_address = '203.0.113.7', user_agent = 'Mozilla/5.0' where account_id = 1 and id = 1;
