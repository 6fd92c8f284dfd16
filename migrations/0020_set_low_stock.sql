-- From when on a bank counts as low, as its merchant sets it: by the coupons that are left, by the share of them, by the
-- days that they last. A share has four decimals at most.
alter table coupon_banks
    add column low_stock_available bigint constraint coupon_banks_low_stock_available_check
        check (low_stock_available between 1 and 1000000000),
    add column low_stock_share numeric constraint coupon_banks_low_stock_share_check
        check (low_stock_share > 0 and low_stock_share <= 1 and scale(low_stock_share) <= 4),
    add column low_stock_days_left integer constraint coupon_banks_low_stock_days_left_check
        check (low_stock_days_left between 1 and 3650);
