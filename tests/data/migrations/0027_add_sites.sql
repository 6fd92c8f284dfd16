-- A key that pages carry already, and one account that has said nothing.
update site_keys set site_key = 'site-8c5e0b4f-www.shop.com' where account_id = 1;
insert into account_sites (account_id, origins, fallback_url, signing_secret) values
    (1, '{https://shop.example.com}', 'https://shop.example.com', repeat('s', 40));
