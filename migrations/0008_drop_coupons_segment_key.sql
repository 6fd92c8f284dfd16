-- A coupon's segment is no longer looked up row by row: this key cost as much time as all else that storing a coupon
-- takes, and kept a note of every row in memory until the end of the statement. It guarded against nothing that can
-- happen: coupons are inserted in one place only, in the transaction that inserts their segment, and segments are never
-- deleted. Who holds a coupon is still tied to the coupon itself (referral_codes_position_fkey), and the tests check
-- after every story that each coupon has its segment.
alter table coupons drop constraint coupons_segment_id_fkey;
