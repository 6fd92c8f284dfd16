-- Most claims read a segment without a lock, draw from it, and move its cursor only if it still is as they saw it. A retirement
-- moves no cursor, so it counts here that what is free has changed.
alter table coupon_segments add revision integer not null default 0
    constraint coupon_segments_revision_check check (revision >= 0);
