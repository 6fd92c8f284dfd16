//! The SQL of explaining: one statement a function.

use serde::Deserialize;
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::attribution::Considered;
use crate::types::ids::{AccountId, PurchaseId};

/// A piece of evidence with its verdict, as it is kept with its order.
#[derive(Clone, Debug, Deserialize)]
pub struct Weighed {
    pub kind: String,
    pub verdict: String,
    pub referral_code_id: Option<i64>,
}

impl From<&Considered> for Weighed {
    fn from(considered: &Considered) -> Self {
        Self {
            kind: considered.kind.as_str().to_owned(),
            verdict: considered.verdict.as_str().to_owned(),
            referral_code_id: considered.referral_code_id.map(|id| id.0),
        }
    }
}

/// The evidence that came with an order, in the order in which it was looked at.
pub async fn find_weighed(
    conn: &mut PgConnection,
    account: AccountId,
    purchase: PurchaseId,
) -> sqlx::Result<Vec<Weighed>> {
    let found = sqlx::query_scalar!(
        r#"select considered as "considered: Json<Vec<Weighed>>" from purchases where account_id = $1 and id = $2"#,
        account.0,
        purchase.0
    )
    .fetch_optional(conn)
    .await?;
    Ok(found.map(|considered| considered.0).unwrap_or_default())
}
