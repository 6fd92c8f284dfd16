//! Customers on the wire (contract.md 1.4), what they would have sent to friends, and who wants no mail.

mod opt_outs;
mod outreach;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use sqlx::PgConnection;
use time::OffsetDateTime;

pub use self::opt_outs::{create as create_opt_out, list as list_opt_outs};
pub use self::outreach::list_email_recipients;
use super::list::{Choice, ListedCustomer};
use super::{CustomerOut, list_store};
use crate::accounts::Caller;
use crate::types::email::Email;
use crate::types::ids::{AccountId, CustomerId};
use crate::web::error::{ApiError, Code};
use crate::web::extract::{Params, PathTexts};
use crate::web::fields::Fields;
use crate::web::lists::{List, Owned, PageOut};
use crate::web::state::App;
use crate::web::values::{ListedId, ListedName};

const CUSTOMERS: List = List { name: "customers", filters: &["id", "email", "account_id"] };

/// A customer as he is listed.
#[derive(Serialize)]
pub struct ListedCustomerOut {
    #[serde(flatten)]
    customer: CustomerOut,
    detail_uri: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl ListedCustomerOut {
    /// Shows a customer; `public_url` is where this server is reached.
    pub fn new(listed: ListedCustomer, public_url: &str) -> Self {
        Self {
            detail_uri: format!("{public_url}/v1/customers/{}", listed.customer.id),
            customer: listed.customer.into(),
            created_at: listed.created_at,
        }
    }
}

/// `GET /v1/customers`
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    params: Params,
) -> Result<Json<PageOut<ListedCustomerOut>>, ApiError> {
    let owned = Owned { account: caller.account.id, zone: &caller.account.zone, within: 0 };
    let (choice, walk) = params.read(|fields| {
        let choice = read_choice(fields);
        Some((choice, CUSTOMERS.read(fields, owned)?))
    })?;
    let mut conn = app.pool.acquire().await?;
    let found = super::list::list(&mut conn, caller.account.id, &choice, &walk.span()).await?;
    Ok(Json(walk.page(found, |listed| ListedCustomerOut::new(listed, &app.public_url))))
}

fn read_choice(fields: &Fields<'_>) -> Choice {
    Choice {
        id: fields.parse::<ListedId>("id").map(|id| CustomerId(id.0)),
        external_id: fields.parse::<ListedName>("account_id").map(|id| id.0),
        email: fields.parse::<Email>("email").map(|email| email.key()),
    }
}

/// `GET /v1/customers/{id}`
pub async fn find(
    State(app): State<App>,
    caller: Caller,
    path: PathTexts,
) -> Result<Json<ListedCustomerOut>, ApiError> {
    let mut conn = app.pool.acquire().await?;
    let found = find_listed(&mut conn, caller.account.id, &path).await?;
    Ok(Json(ListedCustomerOut::new(found, &app.public_url)))
}

/// The customer whom the path names, or the refusal to say anything of him.
pub async fn find_named(conn: &mut PgConnection, account: AccountId, path: &PathTexts) -> Result<CustomerId, ApiError> {
    Ok(find_listed(conn, account, path).await?.customer.id)
}

async fn find_listed(
    conn: &mut PgConnection,
    account: AccountId,
    path: &PathTexts,
) -> Result<ListedCustomer, ApiError> {
    let not_found = || {
        ApiError::new(Code::CustomerNotFound, "there is no such customer; GET /v1/customers finds them by your own id")
    };
    let id = CustomerId(path.id(0).ok_or_else(not_found)?);
    list_store::find_all(conn, account, &[id]).await?.into_iter().next().ok_or_else(not_found)
}
