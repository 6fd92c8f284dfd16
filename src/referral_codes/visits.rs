//! The SQL behind visits: the key that signs them, and the codes that were clicked.

use sqlx::PgConnection;

use crate::types::codes::CodeKey;
use crate::types::ids::{AccountId, ReferralCodeId};
use crate::types::visit::VisitKey;

/// Finds the key that signs visits.
pub async fn find_key(conn: &mut PgConnection) -> sqlx::Result<VisitKey> {
    let secret = sqlx::query_scalar!("select secret from server_secrets where name = 'visits'").fetch_one(conn).await?;
    secret.try_into().map(VisitKey).map_err(|_long| sqlx::Error::RowNotFound)
}

/// Finds the keys of referral codes. Unknown ones are simply missing.
pub async fn find_code_keys(
    conn: &mut PgConnection,
    accounts: &[AccountId],
    ids: &[ReferralCodeId],
) -> sqlx::Result<Vec<((AccountId, ReferralCodeId), CodeKey)>> {
    let rows = sqlx::query!(
        r#"select distinct r.account_id as "account_id: AccountId", r.id as "id: ReferralCodeId", r.code_key as "key: CodeKey"
        from unnest($1::bigint[], $2::bigint[]) as wanted (account_id, id)
        join referral_codes r on r.account_id = wanted.account_id and r.id = wanted.id"#,
        accounts as &[AccountId],
        ids as &[ReferralCodeId]
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| ((row.account_id, row.id), row.key)).collect())
}
