-- A campaign with all of it.
insert into campaign_links (account_id, campaign_id, utm_source, utm_medium, utm_campaign, fallback_url, clicks_max, keeps_first_click, widget_coupon_bank_id)
    select account_id, 53345, 'mail', 'friends', 'spring', 'https://shop.example.com/over', 100, true, id from coupon_banks where account_id = 1 order by id limit 1;
