-- Since when nothing is credited to a customer, or to one of his codes. Orders that come with a blocked code are recorded all
-- the same.
alter table customers
    add blocked_at timestamptz constraint customers_blocked_at_check check (isfinite(blocked_at));
alter table referral_codes
    add blocked_at timestamptz constraint referral_codes_blocked_at_check check (isfinite(blocked_at));
