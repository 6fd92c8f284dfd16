-- An order is asked for by its id alone too, whichever till it comes from: so the id stands before the source in the key
-- that makes it unique. The constraint keeps its name, which the program knows.
create unique index purchases_order_id_source_idx on purchases (account_id, order_id, source);
alter table purchases drop constraint purchases_source_order_id_key;
alter table purchases add constraint purchases_source_order_id_key unique using index purchases_order_id_source_idx;
