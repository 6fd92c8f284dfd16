--- One statement a line, under the name of the constraint that must refuse it. The data is that of tests/data/migrations.

-- accounts_name_check
update accounts set name = ''
update accounts set name = repeat('x', 256)

-- accounts_currency_check
update accounts set currency = 'usd'
update accounts set currency = 'EURO'

-- accounts_time_zone_check
update accounts set time_zone = ''
update accounts set time_zone = repeat('x', 65)

-- accounts_created_at_check
update accounts set created_at = 'infinity'
update accounts set created_at = '-infinity'

-- accounts_live_account_id_key
insert into accounts (name, currency, time_zone, created_at, live_account_id) values ('x', 'USD', 'UTC', now(), 1)

-- account_aliases_alias_check
update account_aliases set alias = 'Acme' where account_id = 1
update account_aliases set alias = '-a' where account_id = 1
update account_aliases set alias = 'a/b' where account_id = 1
update account_aliases set alias = repeat('x', 64) where account_id = 1

-- account_aliases_account_id_key
insert into account_aliases (alias, account_id) values ('second', 1)

-- api_keys_access_key_check
update api_keys set access_key = 'short' where account_id = 1
update api_keys set access_key = repeat('x', 65) where account_id = 1

-- api_keys_secret_sha256_check
update api_keys set secret_sha256 = 'plain'

-- api_keys_name_check
update api_keys set name = repeat('x', 256)

-- api_keys_created_at_check
update api_keys set created_at = 'infinity'
update api_keys set created_at = '-infinity'

-- api_keys_revoked_at_check
update api_keys set revoked_at = 'infinity'
update api_keys set revoked_at = '-infinity'

-- campaigns_id_check
insert into campaigns (account_id, id, name, destination_url, created_at) values (1, 0, 'x', 'x', now())
insert into campaigns (account_id, id, name, destination_url, created_at) values (1, 9007199254740992, 'x', 'x', now())

-- campaigns_name_check
update campaigns set name = ''
update campaigns set name = repeat('x', 256)

-- campaigns_destination_url_check
update campaigns set destination_url = ''
update campaigns set destination_url = repeat('x', 2001)

-- campaigns_created_at_check
update campaigns set created_at = 'infinity'
update campaigns set created_at = '-infinity'

-- customers_external_id_check
update customers set external_id = '' where account_id = 1 and id = 1
update customers set external_id = repeat('x', 65) where account_id = 1 and id = 1

-- customers_email_check
update customers set email = 'xx' where account_id = 1 and id = 1
update customers set email = repeat('x', 321) where account_id = 1 and id = 1

-- customers_email_key_check
update customers set email_key = 'xx' where account_id = 1 and id = 1
update customers set email_key = repeat('x', 321) where account_id = 1 and id = 1

-- customers_first_name_check
update customers set first_name = repeat('x', 256)

-- customers_last_name_check
update customers set last_name = repeat('x', 256)

-- customers_created_at_check
update customers set created_at = 'infinity'
update customers set created_at = '-infinity'

-- customers_external_id_key
update customers set external_id = 'C9912' where account_id = 1 and id = 1

-- customers_email_key_key
update customers set email_key = 'friend@example.mil' where account_id = 1 and id = 1

-- customers_identity_check
update customers set external_id = null where account_id = 1 and id = 2
insert into customers (account_id, created_at) values (1, now())

-- customers_email_email_key_check
update customers set email = null where account_id = 1 and id = 1
update customers set email_key = null where account_id = 1 and id = 1

-- coupon_banks_id_check
insert into coupon_banks (account_id, id, name, created_at) values (1, 0, 'x', now())
insert into coupon_banks (account_id, id, name, created_at) values (1, 9007199254740992, 'x', now())

-- coupon_banks_name_check
update coupon_banks set name = ''
update coupon_banks set name = repeat('x', 256)

-- coupon_banks_created_at_check
update coupon_banks set created_at = 'infinity'
update coupon_banks set created_at = '-infinity'

-- coupon_banks_low_stock_available_check
update coupon_banks set low_stock_available = 0
update coupon_banks set low_stock_available = 1000000001

-- coupon_banks_low_stock_share_check
update coupon_banks set low_stock_share = 0
update coupon_banks set low_stock_share = 1.0001
update coupon_banks set low_stock_share = 0.00001
update coupon_banks set low_stock_share = 'NaN'
update coupon_banks set low_stock_share = 'infinity'

-- coupon_banks_low_stock_days_left_check
update coupon_banks set low_stock_days_left = 0
update coupon_banks set low_stock_days_left = 3651

-- coupon_segments_size_check
insert into coupon_segments (account_id, bank_id, size, created_at) values (1, 9900, 0, now())

-- coupon_segments_next_position_check
update coupon_segments set next_position = size + 1
update coupon_segments set next_position = -1

-- coupon_segments_revision_check
update coupon_segments set revision = -1

-- coupon_segments_created_at_check
update coupon_segments set created_at = 'infinity'
update coupon_segments set created_at = '-infinity'

-- coupons_position_check
insert into coupons (account_id, segment_id, position, code, code_key) values (1, 1, -1, 'x', 'x')

-- coupons_code_check
insert into coupons (account_id, segment_id, position, code, code_key) values (1, 1, 3, '', 'x')
insert into coupons (account_id, segment_id, position, code, code_key) values (1, 1, 3, repeat('x', 65), 'x')

-- coupons_code_key_check
insert into coupons (account_id, segment_id, position, code, code_key) values (1, 1, 3, 'x', '')
insert into coupons (account_id, segment_id, position, code, code_key) values (1, 1, 3, 'x', repeat('x', 65))

-- coupons_code_key_key
insert into coupons (account_id, segment_id, position, code, code_key) values (1, 1, 3, 'CLOONEY1', 'clooney1')
insert into coupons (account_id, segment_id, position, code, code_key) values (1, 2, 1, 'Clooney1', 'clooney1')

-- coupons_pin_check
update coupons set pin = ''
update coupons set pin = repeat('x', 256)

-- coupon_retirements_retired_at_check
update coupon_retirements set retired_at = 'infinity'
update coupon_retirements set retired_at = '-infinity'

-- referral_codes_code_check
update referral_codes set code = ''
update referral_codes set code = repeat('x', 65)

-- referral_codes_code_key_check
update referral_codes set code_key = '' where account_id = 1 and id = 1
update referral_codes set code_key = repeat('x', 65) where account_id = 1 and id = 1

-- referral_codes_created_at_check
update referral_codes set created_at = 'infinity'
update referral_codes set created_at = '-infinity'

-- referral_codes_coupon_issued_at_check
update referral_codes set coupon_issued_at = 'infinity' where segment_id is not null
update referral_codes set coupon_issued_at = '-infinity' where segment_id is not null

-- referral_codes_code_key_key
update referral_codes set code_key = '7kq2m9xt' where account_id = 1 and id = 2

-- referral_codes_campaign_id_customer_id_key
insert into referral_codes (account_id, code, code_key, campaign_id, customer_id, created_at) values (1, 'x', 'x', 53345, 1, now())

-- referral_codes_segment_id_position_key
update referral_codes set segment_id = 1, position = 0, coupon_issued_at = now() where account_id = 1 and id = 2

-- referral_codes_coupon_check
update referral_codes set segment_id = 1 where account_id = 1 and id = 2
update referral_codes set position = 1 where account_id = 1 and id = 2
update referral_codes set coupon_issued_at = now() where account_id = 1 and id = 2
update referral_codes set coupon_issued_at = null where account_id = 1 and id = 1

-- purchases_source_check
update purchases set source = repeat('x', 65)

-- purchases_order_id_check
update purchases set order_id = '' where account_id = 1 and id = 1
update purchases set order_id = repeat('x', 65) where account_id = 1 and id = 1

-- purchases_amount_check
update purchases set amount = 'NaN'
update purchases set amount = -0.01
update purchases set amount = 100000000000
update purchases set amount = 'infinity'

-- purchases_currency_check
update purchases set currency = 'usd'
update purchases set currency = ''

-- purchases_email_check
update purchases set email = 'xx'
update purchases set email = repeat('x', 321)

-- purchases_ordered_at_check
update purchases set ordered_at = 'infinity'
update purchases set ordered_at = '-infinity'

-- purchases_customer_external_id_check
update purchases set customer_external_id = ''
update purchases set customer_external_id = repeat('x', 65)

-- purchases_customer_email_check
update purchases set customer_email = 'xx'
update purchases set customer_email = repeat('x', 321)

-- purchases_customer_first_name_check
update purchases set customer_first_name = repeat('x', 256)

-- purchases_customer_last_name_check
update purchases set customer_last_name = repeat('x', 256)

-- purchases_ip_address_check
update purchases set ip_address = repeat('x', 46)

-- purchases_coupon_code_check
update purchases set coupon_code = repeat('x', 256)

-- purchases_referral_code_check
update purchases set referral_code = repeat('x', 256)

-- purchases_attributed_via_check
update purchases set attributed_via = 'guess' where account_id = 1 and id = 1

-- purchases_reason_check
update purchases set reason = '' where reason is not null
update purchases set reason = repeat('x', 65) where reason is not null

-- purchases_created_at_check
update purchases set created_at = 'infinity'
update purchases set created_at = '-infinity'

-- purchases_source_order_id_key
update purchases set source = '' where account_id = 1 and id = 2

-- purchases_attribution_check
update purchases set reason = 'no_code' where account_id = 1 and id = 1
update purchases set attributed_via = null where account_id = 1 and id = 1
update purchases set attributed_referral_code_id = null where account_id = 1 and id = 1
update purchases set reason = null where account_id = 1 and id = 2

-- conversions_status_check
update conversions set status = 'paid'

-- conversions_purchase_id_key
insert into conversions (account_id, purchase_id, campaign_id, referral_code_id, status, same_email, fuzzy_email, same_customer, same_shopper, created_at) select account_id, purchase_id, campaign_id, referral_code_id, status, same_email, fuzzy_email, same_customer, same_shopper, created_at from conversions

-- conversions_created_at_check
update conversions set created_at = 'infinity'
update conversions set created_at = '-infinity'

-- email_opt_outs_email_check
update email_opt_outs set email = 'x@'
update email_opt_outs set email = repeat('x', 321)

-- email_opt_outs_email_key_check
update email_opt_outs set email_key = 'x@'
update email_opt_outs set email_key = repeat('x', 321)

-- email_opt_outs_ip_address_check
update email_opt_outs set ip_address = repeat('x', 46)

-- email_opt_outs_source_check
update email_opt_outs set source = ''
update email_opt_outs set source = repeat('x', 65)

-- email_opt_outs_created_at_check
update email_opt_outs set created_at = 'infinity'
update email_opt_outs set created_at = '-infinity'

-- email_opt_outs_email_key_key
insert into email_opt_outs (account_id, email, email_key, created_at) values (1, 'FRIEND@example.mil', 'friend@example.mil', now())

-- campaigns_attribution_window_days_check
update campaigns set attribution_window_days = 0
update campaigns set attribution_window_days = 3651

-- campaigns_days_to_delay_check
update campaigns set days_to_delay = -1
update campaigns set days_to_delay = 366

-- campaigns_minimum_amount_check
update campaigns set minimum_amount = 0
update campaigns set minimum_amount = 'NaN'
update campaigns set minimum_amount = 100000000000

-- campaigns_maximum_rewards_check
update campaigns set maximum_rewards = 0
update campaigns set maximum_rewards = 1000001

-- campaigns_self_referral_check
update campaigns set self_referral = 'perhaps'

-- campaigns_similar_email_edits_check
update campaigns set similar_email_edits = 0
update campaigns set similar_email_edits = 4

-- campaigns_reward_type_check
update campaigns set reward_type = 'tiered', reward_unit = null, reward_value = null, reward_cap = null

-- campaigns_reward_unit_check
update campaigns set reward_unit = '' where reward_type is not null
update campaigns set reward_unit = repeat('x', 33) where reward_type is not null

-- campaigns_reward_value_check
update campaigns set reward_value = 0 where reward_type is not null
update campaigns set reward_value = 'NaN' where reward_type = 'fixed'
update campaigns set reward_value = 100000000000 where reward_type = 'fixed'

-- campaigns_reward_cap_check
update campaigns set reward_cap = 0 where reward_type is not null
update campaigns set reward_cap = 'NaN' where reward_type is not null

-- campaigns_reward_check
update campaigns set reward_value = null where reward_type = 'fixed'
update campaigns set reward_unit = null where reward_type = 'fixed'
update campaigns set reward_value = null where reward_type = 'percentage'
update campaigns set reward_value = 100.5 where reward_type = 'percentage'
update campaigns set reward_cap = 5 where reward_type is null
update campaigns set reward_unit = 'USD' where reward_type is null

-- campaign_rules_rules_check
update campaign_rules set rules = '[]'

-- campaign_rules_in_force_from_check
update campaign_rules set in_force_from = 'infinity'
update campaign_rules set in_force_from = '-infinity'

-- conversions_evaluated_at_check
update conversions set evaluated_at = 'infinity'
update conversions set evaluated_at = '-infinity'

-- conversions_fraud_checks_check
update conversions set fraud_checks = '{}'

-- conversion_events_event_check
insert into conversion_events (account_id, conversion_id, event, status_before, status, decided_by, findings, created_at) values (1, 1, 'lost', 'pending', 'pending', 'rules', '[]', now())

-- conversion_events_status_before_check
insert into conversion_events (account_id, conversion_id, event, status_before, status, decided_by, findings, created_at) values (1, 1, 'held', 'paid', 'pending', 'rules', '[]', now())

-- conversion_events_status_check
insert into conversion_events (account_id, conversion_id, event, status_before, status, decided_by, findings, created_at) values (1, 1, 'held', 'pending', 'paid', 'rules', '[]', now())

-- conversion_events_decided_by_check
insert into conversion_events (account_id, conversion_id, event, status_before, status, decided_by, reason, findings, created_at) values (1, 1, 'held', 'pending', 'pending', 'chance', 'x', '[]', now())

-- conversion_events_reason_check
insert into conversion_events (account_id, conversion_id, event, status_before, status, decided_by, reason, findings, created_at) values (1, 1, 'held', 'pending', 'pending', 'rules', '', '[]', now())
insert into conversion_events (account_id, conversion_id, event, status_before, status, decided_by, reason, findings, created_at) values (1, 1, 'held', 'pending', 'pending', 'rules', repeat('x', 256), '[]', now())

-- conversion_events_actor_check
insert into conversion_events (account_id, conversion_id, event, status_before, status, decided_by, actor, findings, created_at) values (1, 1, 'held', 'pending', 'pending', 'rules', '', '[]', now())
insert into conversion_events (account_id, conversion_id, event, status_before, status, decided_by, actor, findings, created_at) values (1, 1, 'held', 'pending', 'pending', 'rules', repeat('x', 256), '[]', now())

-- conversion_events_findings_check
insert into conversion_events (account_id, conversion_id, event, status_before, status, decided_by, findings, created_at) values (1, 1, 'held', 'pending', 'pending', 'rules', '{}', now())

-- conversion_events_rules_check
insert into conversion_events (account_id, conversion_id, event, status_before, status, decided_by, findings, rules, created_at) values (1, 1, 'held', 'pending', 'pending', 'rules', '[]', '[]', now())

-- conversion_events_created_at_check
insert into conversion_events (account_id, conversion_id, event, status_before, status, decided_by, findings, created_at) values (1, 1, 'held', 'pending', 'pending', 'rules', '[]', 'infinity')
insert into conversion_events (account_id, conversion_id, event, status_before, status, decided_by, findings, created_at) values (1, 1, 'held', 'pending', 'pending', 'rules', '[]', '-infinity')

-- conversion_events_person_check
insert into conversion_events (account_id, conversion_id, event, status_before, status, decided_by, findings, created_at) values (1, 1, 'approved', 'pending', 'approved', 'person', '[]', now())

-- rewards_unit_check
update rewards set unit = ''
update rewards set unit = repeat('x', 33)

-- rewards_whole_amount_check
update rewards set whole_amount = 0
update rewards set whole_amount = 'NaN'
update rewards set whole_amount = 100000000000

-- rewards_created_at_check
update rewards set created_at = 'infinity'
update rewards set created_at = '-infinity'

-- rewards_conversion_id_key
insert into rewards (account_id, conversion_id, campaign_id, referral_code_id, customer_id, unit, whole_amount, created_at) select account_id, conversion_id, campaign_id, referral_code_id, customer_id, unit, whole_amount, created_at from rewards

-- reward_entries_kind_check
insert into reward_entries (account_id, reward_id, kind, amount, cause, created_at) values (1, 1, 'lost', 1, 'refund', now())

-- reward_entries_amount_check
insert into reward_entries (account_id, reward_id, kind, amount, cause, created_at) values (1, 1, 'earned', 0, 'approval', now())
insert into reward_entries (account_id, reward_id, kind, amount, cause, created_at) values (1, 1, 'earned', -1, 'approval', now())
insert into reward_entries (account_id, reward_id, kind, amount, cause, created_at) values (1, 1, 'reversed', 1, 'refund', now())
insert into reward_entries (account_id, reward_id, kind, amount, cause, created_at) values (1, 1, 'paid', 0, 'payout', now())
insert into reward_entries (account_id, reward_id, kind, amount, cause, created_at) values (1, 1, 'paid', 'NaN', 'payout', now())

-- reward_entries_cause_check
insert into reward_entries (account_id, reward_id, kind, amount, cause, created_at) values (1, 1, 'paid', 1, 'luck', now())

-- reward_entries_refund_id_check
insert into reward_entries (account_id, reward_id, kind, amount, cause, refund_id, created_at) values (1, 1, 'reversed', -1, 'refund', '', now())
insert into reward_entries (account_id, reward_id, kind, amount, cause, refund_id, created_at) values (1, 1, 'reversed', -1, 'refund', repeat('x', 65), now())

-- reward_entries_created_at_check
insert into reward_entries (account_id, reward_id, kind, amount, cause, created_at) values (1, 1, 'paid', 1, 'payout', 'infinity')
insert into reward_entries (account_id, reward_id, kind, amount, cause, created_at) values (1, 1, 'paid', 1, 'payout', '-infinity')

-- purchases_cancelled_at_check
update purchases set cancelled_at = 'infinity'
update purchases set cancelled_at = '-infinity'

-- refunds_refund_id_check
insert into refunds (account_id, purchase_id, refund_id, amount, created_at) values (1, 1, '', 1, now())
insert into refunds (account_id, purchase_id, refund_id, amount, created_at) values (1, 1, repeat('x', 65), 1, now())

-- refunds_amount_check
insert into refunds (account_id, purchase_id, refund_id, amount, created_at) values (1, 1, 'R2', 0, now())
insert into refunds (account_id, purchase_id, refund_id, amount, created_at) values (1, 1, 'R2', 'NaN', now())
insert into refunds (account_id, purchase_id, refund_id, amount, created_at) values (1, 1, 'R2', 100000000000, now())

-- refunds_reason_check
insert into refunds (account_id, purchase_id, refund_id, amount, reason, created_at) values (1, 1, 'R2', 1, '', now())
insert into refunds (account_id, purchase_id, refund_id, amount, reason, created_at) values (1, 1, 'R2', 1, repeat('x', 256), now())

-- refunds_created_at_check
insert into refunds (account_id, purchase_id, refund_id, amount, created_at) values (1, 1, 'R2', 1, 'infinity')
insert into refunds (account_id, purchase_id, refund_id, amount, created_at) values (1, 1, 'R2', 1, '-infinity')

-- customers_blocked_at_check
update customers set blocked_at = 'infinity'
update customers set blocked_at = '-infinity'

-- referral_codes_blocked_at_check
update referral_codes set blocked_at = 'infinity'
update referral_codes set blocked_at = '-infinity'

-- purchases_user_agent_check
update purchases set user_agent = repeat('x', 513)

-- referral_codes_ip_address_check
update referral_codes set ip_address = repeat('x', 46)

-- referral_codes_user_agent_check
update referral_codes set user_agent = repeat('x', 513)

-- site_keys_site_key_check
insert into site_keys (site_key, account_id) values ('', 1)
insert into site_keys (site_key, account_id) values (repeat('x', 65), 1)
insert into site_keys (site_key, account_id) values ('a/b', 1)
insert into site_keys (site_key, account_id) values ('a b', 1)

-- site_keys_account_id_key
insert into site_keys (site_key, account_id) values ('another', 1)

-- account_sites_origins_check
update account_sites set origins = array_fill('https://shop.example.com'::text, array[51])
update account_sites set origins = array[null::text]
update account_sites set origins = array[repeat('x', 12801)]

-- account_sites_fallback_url_check
update account_sites set fallback_url = ''
update account_sites set fallback_url = repeat('x', 2001)

-- account_sites_signing_secret_check
update account_sites set signing_secret = 'short'
update account_sites set signing_secret = repeat('x', 129)

-- purchases_channel_check
update purchases set channel = 'rumour'

-- purchases_visited_at_check
update purchases set visited_at = 'infinity'
update purchases set visited_at = '-infinity'

-- campaigns_unverified_orders_check
update campaigns set unverified_orders = 'perhaps'

-- purchase_replacements_channel_check
insert into purchase_replacements (account_id, purchase_id, channel, facts, replaced_at) values (1, 1, 'server', '{}', now())

-- purchase_replacements_facts_check
insert into purchase_replacements (account_id, purchase_id, channel, facts, replaced_at) values (1, 1, 'tracker', '[]', now())

-- purchase_replacements_replaced_at_check
insert into purchase_replacements (account_id, purchase_id, channel, facts, replaced_at) values (1, 1, 'tracker', '{}', 'infinity')

-- campaign_links_utm_source_check
update campaign_links set utm_source = ''
update campaign_links set utm_source = repeat('x', 256)

-- campaign_links_utm_medium_check
update campaign_links set utm_medium = ''
update campaign_links set utm_medium = repeat('x', 256)

-- campaign_links_utm_campaign_check
update campaign_links set utm_campaign = ''
update campaign_links set utm_campaign = repeat('x', 256)

-- campaign_links_fallback_url_check
update campaign_links set fallback_url = ''
update campaign_links set fallback_url = repeat('x', 2001)

-- campaign_links_clicks_max_check
update campaign_links set clicks_max = 0
update campaign_links set clicks_max = 1000001

-- server_secrets_name_check
update server_secrets set name = 'other' where name = 'visits'

-- server_secrets_secret_check
update server_secrets set secret = 'short'

-- clicks_clicked_at_check
update clicks set clicked_at = 'infinity'
update clicks set clicked_at = '-infinity'

-- clicks_user_agent_check
update clicks set user_agent = repeat('x', 513)

-- clicks_address_digest_check
update clicks set address_digest = 'short'

-- shares_network_check
update shares set network = 'pigeon'

-- shares_message_check
update shares set message = ''
update shares set message = repeat('x', 256)

-- shares_email_check
update shares set email = 'a'
update shares set email = repeat('x', 321)

-- shares_ip_address_check
update shares set ip_address = repeat('x', 46)

-- shares_created_at_check
update shares set created_at = 'infinity'
update shares set created_at = '-infinity'

-- event_feeds_last_place_check
update event_feeds set last_place = -1

-- conversion_events_id_key
insert into conversion_events (account_id, conversion_id, id, event, status_before, status, decided_by, findings, created_at) overriding system value select account_id, conversion_id + 1000, id, event, status_before, status, decided_by, findings, created_at from conversion_events limit 1

-- reward_entries_id_key
insert into reward_entries (account_id, reward_id, id, kind, amount, cause, created_at) overriding system value select account_id, reward_id + 1000, id, kind, amount, cause, created_at from reward_entries limit 1

-- webhook_endpoints_url_check
update webhook_endpoints set url = ''
update webhook_endpoints set url = repeat('x', 2001)

-- webhook_endpoints_description_check
update webhook_endpoints set description = repeat('x', 256)

-- webhook_endpoints_event_types_check
update webhook_endpoints set event_types = array[]::text[]

-- webhook_endpoints_disabled_reason_check
update webhook_endpoints set disabled_reason = 'mood', active = false where id = 1
update webhook_endpoints set active = true where id = 2

-- webhook_endpoints_friendbuy_signature_check
update webhook_endpoints set friendbuy_signature = 'md5'

-- webhook_endpoints_secret_check
update webhook_endpoints set secret = 'whsec_short'
update webhook_endpoints set secret = repeat('A', 44)

-- webhook_endpoints_previous_secret_check
update webhook_endpoints set previous_secret = null where id = 1
update webhook_endpoints set previous_secret = secret where id = 2

-- webhook_endpoints_previous_secret_until_check
update webhook_endpoints set previous_secret_until = 'infinity' where id = 1

-- webhook_endpoints_retired_at_check
update webhook_endpoints set retired_at = 'infinity'

-- webhook_endpoints_created_at_check
update webhook_endpoints set created_at = 'infinity'

-- webhook_deliveries_event_index_check
update webhook_deliveries set event_index = 0

-- webhook_deliveries_state_check
update webhook_deliveries set state = 'lost', finished_at = now()

-- webhook_deliveries_attempts_check
update webhook_deliveries set attempts = -1

-- webhook_deliveries_failures_check
update webhook_deliveries set failures = -1

-- webhook_deliveries_due_at_check
update webhook_deliveries set due_at = 'infinity'

-- webhook_deliveries_finished_at_check
update webhook_deliveries set finished_at = now()
update webhook_deliveries set state = 'failed'
update webhook_deliveries set state = 'failed', finished_at = 'infinity'

-- webhook_deliveries_created_at_check
update webhook_deliveries set created_at = 'infinity'

-- webhook_deliveries_event_key
insert into webhook_deliveries (account_id, endpoint_id, event_row, event_index, state, due_at, created_at) select account_id, endpoint_id, event_row, event_index, state, due_at, created_at from webhook_deliveries

-- webhook_attempts_started_at_check
insert into webhook_attempts (account_id, delivery_id, number, started_at, duration_ms) values (1, 1, 2, 'infinity', 1)

-- webhook_attempts_duration_ms_check
insert into webhook_attempts (account_id, delivery_id, number, started_at, duration_ms) values (1, 1, 2, now(), -1)

-- webhook_attempts_status_check
insert into webhook_attempts (account_id, delivery_id, number, started_at, duration_ms, status) values (1, 1, 2, now(), 1, 99)

-- webhook_attempts_error_check
insert into webhook_attempts (account_id, delivery_id, number, started_at, duration_ms, error) values (1, 1, 2, now(), 1, '')
insert into webhook_attempts (account_id, delivery_id, number, started_at, duration_ms, error) values (1, 1, 2, now(), 1, repeat('x', 256))

-- coupon_bank_alerts_kind_check
update coupon_bank_alerts set kind = 'lost'

-- coupon_bank_alerts_reasons_check
update coupon_bank_alerts set reasons = array[]::text[]

-- coupon_bank_alerts_raised_at_check
update coupon_bank_alerts set raised_at = 'infinity'

-- coupon_bank_alerts_cleared_at_check
update coupon_bank_alerts set cleared_at = 'infinity'
