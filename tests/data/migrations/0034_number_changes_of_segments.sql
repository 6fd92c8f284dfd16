-- A segment of which something was retired.
update coupon_segments set revision = 1;
