-- From where an advocate asked for his code, and with what browser an order was placed: one and the same on both sides is a
-- sign that he buys from himself.
alter table purchases
    add user_agent text constraint purchases_user_agent_check check (char_length(user_agent) <= 512);
alter table referral_codes
    add ip_address text constraint referral_codes_ip_address_check check (char_length(ip_address) <= 45),
    add user_agent text constraint referral_codes_user_agent_check check (char_length(user_agent) <= 512);
