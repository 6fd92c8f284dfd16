-- The refunds of an order are listed in the order in which they were recorded. Those of one moment are told apart by a number.
alter table refunds add id bigint generated always as identity;
