-- A campaign with every rule, and one that rewards in points.
update campaigns set attribution_window_days = 90, days_to_delay = 14, new_customers_only = true, minimum_amount = 20.00,
    maximum_rewards = 10, self_referral = 'review', similar_email_edits = 1,
    reward_type = 'percentage', reward_unit = null, reward_value = 10, reward_cap = 25.00
    where account_id = 1 and id = 53345;
update campaigns set reward_type = 'fixed', reward_unit = 'points', reward_value = 100 where account_id = 1 and id = 53346;
insert into campaign_rules (account_id, campaign_id, rules, in_force_from) values
    (1, 53345, '{"days_to_delay": 14}', '2026-01-07 00:00Z');
