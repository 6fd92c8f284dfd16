//! The SQL of customers: one statement a function.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::registry::Known;
use super::{Customer, Person};
use crate::types::email::{Email, EmailKey};
use crate::types::ids::{AccountId, CustomerId};
use crate::types::text::{Name, OpaqueId};

/// A customer's number and the names he goes by.
pub struct Named {
    pub account_id: AccountId,
    pub id: CustomerId,
    pub external_id: Option<OpaqueId>,
    pub email_key: Option<EmailKey>,
}

/// Finds the customers whom `people` may mean, by id or by e-mail. Nobody is locked.
pub async fn find_named(conn: &mut PgConnection, people: &[(AccountId, &Person)]) -> sqlx::Result<Vec<Named>> {
    let accounts: Vec<AccountId> = people.iter().map(|(account, _)| *account).collect();
    let external_ids: Vec<Option<&str>> =
        people.iter().map(|(_, person)| person.external_id.as_ref().map(OpaqueId::as_str)).collect();
    let keys: Vec<Option<EmailKey>> = people.iter().map(|(_, person)| person.email.as_ref().map(Email::key)).collect();
    sqlx::query_as!(
        Named,
        r#"select c.account_id as "account_id!", c.id as "id!", c.external_id as "external_id: OpaqueId", c.email_key as "email_key: EmailKey"
        from unnest($1::bigint[], $2::text[]) as wanted (account_id, external_id)
        join customers c on c.account_id = wanted.account_id and c.external_id = wanted.external_id
        union
        select c.account_id, c.id, c.external_id, c.email_key
        from unnest($1::bigint[], $3::text[]) as wanted (account_id, email_key)
        join customers c on c.account_id = wanted.account_id and c.email_key = wanted.email_key"#,
        &accounts as &[AccountId],
        &external_ids as &[Option<&str>],
        &keys as &[Option<EmailKey>]
    )
    .fetch_all(conn)
    .await
}

/// Finds customers. Nobody is locked.
pub async fn find_all(
    conn: &mut PgConnection,
    accounts: &[AccountId],
    ids: &[CustomerId],
) -> sqlx::Result<Vec<Customer>> {
    sqlx::query_as!(
        Customer,
        r#"select c.account_id, c.id, c.external_id as "external_id: OpaqueId", c.email as "email: Email", c.first_name, c.last_name
        from unnest($1::bigint[], $2::bigint[]) as wanted (account_id, id)
        join customers c on c.account_id = wanted.account_id and c.id = wanted.id"#,
        accounts as &[AccountId],
        ids as &[CustomerId]
    )
    .fetch_all(conn)
    .await
}

/// Locks customers in the order of their ids until the transaction ends, and gives them as they are then.
pub async fn lock_all(
    conn: &mut PgConnection,
    accounts: &[AccountId],
    ids: &[CustomerId],
) -> sqlx::Result<Vec<Customer>> {
    sqlx::query_as!(
        Customer,
        r#"select c.account_id, c.id, c.external_id as "external_id: OpaqueId", c.email as "email: Email", c.first_name, c.last_name
        from customers c
        where (c.account_id, c.id) in (select account_id, id from unnest($1::bigint[], $2::bigint[]) as wanted (account_id, id))
        order by c.account_id, c.id
        for no key update of c"#,
        accounts as &[AccountId],
        ids as &[CustomerId]
    )
    .fetch_all(conn)
    .await
}

/// The columns of customers, row by row.
struct Columns<'a> {
    accounts: Vec<i64>,
    external_ids: Vec<Option<&'a str>>,
    emails: Vec<Option<&'a str>>,
    email_keys: Vec<Option<EmailKey>>,
    first_names: Vec<Option<&'a str>>,
    last_names: Vec<Option<&'a str>>,
}

impl<'a> Columns<'a> {
    fn of(known: &[&'a Known]) -> Self {
        let text = |field: fn(&Person) -> Option<&str>| known.iter().map(|known| field(&known.person)).collect();
        Self {
            accounts: known.iter().map(|known| known.account_id.0).collect(),
            external_ids: text(|person| person.external_id.as_ref().map(OpaqueId::as_str)),
            emails: text(|person| person.email.as_ref().map(Email::as_str)),
            email_keys: known.iter().map(|known| known.person.email.as_ref().map(Email::key)).collect(),
            first_names: text(|person| person.first_name.as_ref().map(Name::as_str)),
            last_names: text(|person| person.last_name.as_ref().map(Name::as_str)),
        }
    }
}

/// Inserts customers, sorted by their keys so that two batches cannot wait for each other. Those whose id or e-mail a
/// rival stored first are missing from the answer.
pub async fn insert_all(conn: &mut PgConnection, known: &[&Known], now: OffsetDateTime) -> sqlx::Result<Vec<Named>> {
    let columns = Columns::of(known);
    sqlx::query_as!(
        Named,
        r#"insert into customers (account_id, external_id, email, email_key, first_name, last_name, created_at)
        select account_id, external_id, email, email_key, first_name, last_name, $7
        from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
            as new (account_id, external_id, email, email_key, first_name, last_name)
        order by account_id, external_id, email_key
        on conflict do nothing
        returning account_id, id, external_id as "external_id: OpaqueId", email_key as "email_key: EmailKey""#,
        &columns.accounts,
        &columns.external_ids as &[Option<&str>],
        &columns.emails as &[Option<&str>],
        &columns.email_keys as &[Option<EmailKey>],
        &columns.first_names as &[Option<&str>],
        &columns.last_names as &[Option<&str>],
        now
    )
    .fetch_all(conn)
    .await
}

/// Brings locked customers up to date. An id or e-mail that a rival took first breaks a `customers_` constraint.
pub async fn update_all(conn: &mut PgConnection, known: &[&Known]) -> sqlx::Result<()> {
    let columns = Columns::of(known);
    let ids: Vec<Option<i64>> = known.iter().map(|known| known.id.map(|id| id.0)).collect();
    sqlx::query!(
        r#"update customers c
        set external_id = new.external_id, email = new.email, email_key = new.email_key, first_name = new.first_name, last_name = new.last_name
        from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
            as new (account_id, id, external_id, email, email_key, first_name, last_name)
        where c.account_id = new.account_id and c.id = new.id"#,
        &columns.accounts,
        &ids as &[Option<i64>],
        &columns.external_ids as &[Option<&str>],
        &columns.emails as &[Option<&str>],
        &columns.email_keys as &[Option<EmailKey>],
        &columns.first_names as &[Option<&str>],
        &columns.last_names as &[Option<&str>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes away customers that this very transaction inserted, for rows which were refused after all.
pub async fn delete_all(conn: &mut PgConnection, accounts: &[AccountId], ids: &[CustomerId]) -> sqlx::Result<()> {
    sqlx::query!(
        r#"delete from customers c
        using unnest($1::bigint[], $2::bigint[]) as gone (account_id, id)
        where c.account_id = gone.account_id and c.id = gone.id"#,
        accounts as &[AccountId],
        ids as &[CustomerId]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Blocks a customer, or lets him be credited again. Gives him and since when he is blocked; nothing when there is no such customer.
pub async fn block(
    conn: &mut PgConnection,
    account: AccountId,
    id: CustomerId,
    is_blocked: bool,
    now: OffsetDateTime,
) -> sqlx::Result<Option<(Customer, Option<OffsetDateTime>)>> {
    let blocked = sqlx::query!(
        r#"update customers set blocked_at = case when $3 then coalesce(blocked_at, $4) end
        where account_id = $1 and id = $2
        returning external_id as "external_id: OpaqueId", email as "email: Email", first_name, last_name, blocked_at"#,
        account.0,
        id.0,
        is_blocked,
        now
    )
    .fetch_optional(conn)
    .await?;
    Ok(blocked.map(|row| {
        let customer = Customer {
            account_id: account,
            id,
            external_id: row.external_id,
            email: row.email,
            first_name: row.first_name,
            last_name: row.last_name,
        };
        (customer, row.blocked_at)
    }))
}
