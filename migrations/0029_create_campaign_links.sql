-- How a campaign's links and its widget behave. A campaign without a row behaves as it does by default.
create table campaign_links (
    account_id bigint not null,
    campaign_id bigint not null,
    utm_source text constraint campaign_links_utm_source_check check (char_length(utm_source) between 1 and 255),
    utm_medium text constraint campaign_links_utm_medium_check check (char_length(utm_medium) between 1 and 255),
    utm_campaign text constraint campaign_links_utm_campaign_check check (char_length(utm_campaign) between 1 and 255),
    fallback_url text constraint campaign_links_fallback_url_check check (char_length(fallback_url) between 1 and 2000),
    clicks_max integer constraint campaign_links_clicks_max_check check (clicks_max between 1 and 1000000),
    keeps_first_click boolean not null default false,
    widget_coupon_bank_id bigint,
    primary key (account_id, campaign_id),
    constraint campaign_links_campaign_id_fkey foreign key (account_id, campaign_id) references campaigns (account_id, id),
    constraint campaign_links_widget_coupon_bank_id_fkey foreign key (account_id, widget_coupon_bank_id)
        references coupon_banks (account_id, id)
);
