//! The SQL of rewards' lists: one statement a function. Each is read along an index of its own.

use crate::db::lists::list_statements;
use crate::types::ids::CustomerId;

list_statements! {
    /// Every reward.
    list_all, count_all(_customer: Option<CustomerId>)
    with []
    select r#"w.created_at as "at!", w.id as "id!", w.id as "row_id!""#
    from "rewards w
        where w.account_id = $1 and (w.created_at, w.id) > ($2, $3) and w.created_at < $4"
    paged "order by w.created_at, w.id limit $5 offset $6"
}

list_statements! {
    /// Those of one advocate.
    list_of_customer, count_of_customer(customer: Option<CustomerId>)
    with [customer.map(|id| id.0)]
    select r#"w.created_at as "at!", w.id as "id!", w.id as "row_id!""#
    from "rewards w
        where w.account_id = $1 and w.customer_id = $5 and (w.created_at, w.id) > ($2, $3) and w.created_at < $4"
    paged "order by w.created_at, w.id limit $6 offset $7"
}
