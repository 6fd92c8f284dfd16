-- A bank with each threshold; the other account's has none.
update coupon_banks set low_stock_available = 50, low_stock_share = 0.1, low_stock_days_left = 14 where account_id = 1;
