//! The SQL of customers' lists: one statement a function. Each is read along the index of what is asked for first.

use sqlx::PgConnection;

use super::Customer;
use super::list::{Choice, ListedCustomer};
use crate::db::lists::list_statements;
use crate::types::email::{Email, EmailKey};
use crate::types::ids::{AccountId, CustomerId};
use crate::types::text::OpaqueId;

list_statements! {
    /// Every customer.
    list_all, count_all(_choice: &Choice)
    with []
    select r#"c.created_at as "at!", c.id as "id!", c.id as "row_id!""#
    from "customers c
        where c.account_id = $1 and (c.created_at, c.id) > ($2, $3) and c.created_at < $4"
    paged "order by c.created_at, c.id limit $5 offset $6"
}

list_statements! {
    /// The customer with our number.
    list_by_id, count_by_id(choice: &Choice)
    with [
        choice.id.map(|id| id.0),
        choice.external_id.as_ref().map(OpaqueId::as_str),
        choice.email.as_ref().map(EmailKey::as_str),
    ]
    select r#"c.created_at as "at!", c.id as "id!", c.id as "row_id!""#
    from "customers c
        where c.account_id = $1 and c.id = $5 and (c.created_at, c.id) > ($2, $3) and c.created_at < $4
            and ($6::text is null or c.external_id = $6) and ($7::text is null or c.email_key = $7)"
    paged "order by c.created_at, c.id limit $8 offset $9"
}

list_statements! {
    /// The customer with the merchant's number.
    list_by_external_id, count_by_external_id(choice: &Choice)
    with [choice.external_id.as_ref().map(OpaqueId::as_str), choice.email.as_ref().map(EmailKey::as_str)]
    select r#"c.created_at as "at!", c.id as "id!", c.id as "row_id!""#
    from "customers c
        where c.account_id = $1 and c.external_id = $5 and (c.created_at, c.id) > ($2, $3) and c.created_at < $4
            and ($6::text is null or c.email_key = $6)"
    paged "order by c.created_at, c.id limit $7 offset $8"
}

list_statements! {
    /// The customer with this address.
    list_by_email, count_by_email(choice: &Choice)
    with [choice.email.as_ref().map(EmailKey::as_str)]
    select r#"c.created_at as "at!", c.id as "id!", c.id as "row_id!""#
    from "customers c
        where c.account_id = $1 and c.email_key = $5 and (c.created_at, c.id) > ($2, $3) and c.created_at < $4"
    paged "order by c.created_at, c.id limit $6 offset $7"
}

/// Finds customers by our numbers, in any order. Unknown ones are simply missing.
pub async fn find_all(
    conn: &mut PgConnection,
    account: AccountId,
    ids: &[CustomerId],
) -> sqlx::Result<Vec<ListedCustomer>> {
    let rows = sqlx::query!(
        r#"select c.account_id as "account_id: AccountId", c.id as "id: CustomerId", c.external_id as "external_id: OpaqueId",
            c.email as "email: Email", c.first_name, c.last_name, c.created_at
        from unnest($2::bigint[]) as wanted (id)
        join customers c on c.account_id = $1 and c.id = wanted.id"#,
        account.0,
        ids as &[CustomerId]
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| ListedCustomer {
            customer: Customer {
                account_id: row.account_id,
                id: row.id,
                external_id: row.external_id,
                email: row.email,
                first_name: row.first_name,
                last_name: row.last_name,
            },
            created_at: row.created_at,
        })
        .collect())
}
