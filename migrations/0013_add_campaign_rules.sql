-- The rules by which the conversions of a campaign are judged. The defaults are those of a campaign that has said nothing:
-- every conversion is approved at once, nobody is rewarded, and who buys through his own code is rejected. What rules were in
-- force when stays known, so that an old decision can be explained after they have changed.
alter table campaigns
    add attribution_window_days integer constraint campaigns_attribution_window_days_check check (attribution_window_days between 1 and 3650),
    add days_to_delay integer not null default 0 constraint campaigns_days_to_delay_check check (days_to_delay between 0 and 365),
    add new_customers_only boolean not null default false,
    add minimum_amount numeric constraint campaigns_minimum_amount_check check (minimum_amount > 0 and minimum_amount < 100000000000),
    add maximum_rewards integer constraint campaigns_maximum_rewards_check check (maximum_rewards between 1 and 1000000),
    add self_referral text not null default 'reject'
        constraint campaigns_self_referral_check check (self_referral in ('reject', 'allow', 'review')),
    add similar_email_edits integer constraint campaigns_similar_email_edits_check check (similar_email_edits between 1 and 3),
    add reward_type text constraint campaigns_reward_type_check check (reward_type in ('fixed', 'percentage')),
    add reward_unit text constraint campaigns_reward_unit_check check (char_length(reward_unit) between 1 and 32),
    add reward_value numeric constraint campaigns_reward_value_check check (reward_value > 0 and reward_value < 100000000000),
    add reward_cap numeric constraint campaigns_reward_cap_check check (reward_cap > 0 and reward_cap < 100000000000),
    add constraint campaigns_reward_check check (
        case reward_type
            when 'fixed' then reward_value is not null and reward_unit is not null
            when 'percentage' then reward_value is not null and reward_value <= 100
            else reward_value is null and reward_unit is null and reward_cap is null
        end);

create table campaign_rules (
    account_id bigint not null,
    campaign_id bigint not null,
    id bigint generated always as identity,
    rules jsonb not null constraint campaign_rules_rules_check check (jsonb_typeof(rules) = 'object'),
    in_force_from timestamptz not null constraint campaign_rules_in_force_from_check check (isfinite(in_force_from)),
    primary key (account_id, campaign_id, id),
    constraint campaign_rules_campaign_id_fkey foreign key (account_id, campaign_id) references campaigns (account_id, id)
);
