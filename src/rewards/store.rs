//! The SQL of rewards: one statement a function.

use rust_decimal::Decimal;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::amount::Owed;
use super::{Entry, Ledger, NewEntry, NewReward, Reward, RewardedConversion};
use crate::customers::Customer;
use crate::types::codes::ReferralCode;
use crate::types::email::Email;
use crate::types::ids::{AccountId, CampaignId, ConversionId, CustomerId, ReferralCodeId, RewardId};
use crate::types::money::{Currency, Money};
use crate::types::text::OpaqueId;
use crate::types::unit::Unit;

/// Inserts rewards, and gives their ids.
pub async fn insert_all(
    conn: &mut PgConnection,
    new: &[NewReward],
    now: OffsetDateTime,
) -> sqlx::Result<Vec<((AccountId, ConversionId), RewardId)>> {
    let accounts: Vec<AccountId> = new.iter().map(|new| new.account_id).collect();
    let conversions: Vec<ConversionId> = new.iter().map(|new| new.conversion_id).collect();
    let campaigns: Vec<CampaignId> = new.iter().map(|new| new.campaign_id).collect();
    let referral_codes: Vec<ReferralCodeId> = new.iter().map(|new| new.referral_code_id).collect();
    let customers: Vec<CustomerId> = new.iter().map(|new| new.customer_id).collect();
    let units: Vec<&str> = new.iter().map(|new| new.whole.unit.as_str()).collect();
    let amounts: Vec<Decimal> = new.iter().map(|new| new.whole.amount).collect();
    let rows = sqlx::query!(
        r#"insert into rewards (account_id, conversion_id, campaign_id, referral_code_id, customer_id, unit, whole_amount, created_at)
        select account_id, conversion_id, campaign_id, referral_code_id, customer_id, unit, whole_amount, $8
        from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::numeric[])
            as new (account_id, conversion_id, campaign_id, referral_code_id, customer_id, unit, whole_amount)
        returning account_id as "account_id: AccountId", conversion_id as "conversion_id: ConversionId", id as "id: RewardId""#,
        &accounts as &[AccountId],
        &conversions as &[ConversionId],
        &campaigns as &[CampaignId],
        &referral_codes as &[ReferralCodeId],
        &customers as &[CustomerId],
        &units as &[&str],
        &amounts,
        now
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| ((row.account_id, row.conversion_id), row.id)).collect())
}

/// Adds entries to ledgers, and gives their numbers in the order of `new`.
pub async fn insert_entries(conn: &mut PgConnection, new: &[NewEntry], now: OffsetDateTime) -> sqlx::Result<Vec<i64>> {
    let accounts: Vec<AccountId> = new.iter().map(|new| new.account_id).collect();
    let rewards: Vec<RewardId> = new.iter().map(|new| new.reward_id).collect();
    let kinds: Vec<&str> = new.iter().map(|new| new.kind.as_str()).collect();
    let amounts: Vec<Decimal> = new.iter().map(|new| new.amount).collect();
    let causes: Vec<&str> = new.iter().map(|new| new.cause.as_str()).collect();
    let refunds: Vec<Option<&str>> = new.iter().map(|new| new.refund_id.as_deref()).collect();
    sqlx::query_scalar!(
        "insert into reward_entries (account_id, reward_id, kind, amount, cause, refund_id, created_at)
        select account_id, reward_id, kind, amount, cause, refund_id, $7
        from unnest($1::bigint[], $2::bigint[], $3::text[], $4::numeric[], $5::text[], $6::text[])
            with ordinality as new (account_id, reward_id, kind, amount, cause, refund_id, n)
        order by n
        returning id",
        &accounts as &[AccountId],
        &rewards as &[RewardId],
        &kinds as &[&str],
        &amounts,
        &causes as &[&str],
        &refunds as &[Option<&str>],
        now
    )
    .fetch_all(conn)
    .await
}

/// Locks the reward of a conversion until the transaction ends. Nothing when it has none.
pub async fn lock_of_conversion(
    conn: &mut PgConnection,
    account: AccountId,
    conversion: ConversionId,
) -> sqlx::Result<Option<RewardId>> {
    sqlx::query_scalar!(
        r#"select id as "id: RewardId" from rewards where account_id = $1 and conversion_id = $2 for no key update"#,
        account.0,
        conversion.0
    )
    .fetch_optional(conn)
    .await
}

/// Locks a reward until the transaction ends. Whether there is one.
pub async fn lock(conn: &mut PgConnection, account: AccountId, id: RewardId) -> sqlx::Result<bool> {
    let locked = sqlx::query_scalar!(
        "select id from rewards where account_id = $1 and id = $2 for no key update",
        account.0,
        id.0
    )
    .fetch_optional(conn)
    .await?;
    Ok(locked.is_some())
}

/// Sums up the ledger of a locked reward.
pub async fn find_ledger(conn: &mut PgConnection, account: AccountId, id: RewardId) -> sqlx::Result<Option<Ledger>> {
    let row = sqlx::query!(
        r#"select r.unit, r.whole_amount, coalesce(sum(e.amount) filter (where e.kind <> 'paid'), 0) as "owed!",
            coalesce(sum(e.amount) filter (where e.kind = 'paid'), 0) as "paid!"
        from rewards r
        left join reward_entries e on e.account_id = r.account_id and e.reward_id = r.id
        where r.account_id = $1 and r.id = $2
        group by r.account_id, r.id"#,
        account.0,
        id.0
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Ledger {
        whole: Owed { unit: Unit::from(row.unit), amount: row.whole_amount },
        owed: row.owed,
        paid: row.paid,
    }))
}

/// Counts the rewards of referral codes that were not wholly taken back. Codes without one are simply missing.
pub async fn count_of_codes(
    conn: &mut PgConnection,
    accounts: &[AccountId],
    referral_codes: &[ReferralCodeId],
) -> sqlx::Result<Vec<((AccountId, ReferralCodeId), i64)>> {
    let rows = sqlx::query!(
        r#"select r.account_id as "account_id: AccountId", r.referral_code_id as "referral_code_id: ReferralCodeId", count(*) as "count!"
        from unnest($1::bigint[], $2::bigint[]) as wanted (account_id, referral_code_id)
        join rewards r on r.account_id = wanted.account_id and r.referral_code_id = wanted.referral_code_id
        where (select sum(e.amount) from reward_entries e
            where e.account_id = r.account_id and e.reward_id = r.id and e.kind <> 'paid') > 0
        group by r.account_id, r.referral_code_id"#,
        accounts as &[AccountId],
        referral_codes as &[ReferralCodeId]
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| ((row.account_id, row.referral_code_id), row.count)).collect())
}

/// Finds rewards by id, in the order of their ids. Unknown ids are simply missing.
pub async fn find_all(conn: &mut PgConnection, account: AccountId, ids: &[RewardId]) -> sqlx::Result<Vec<Reward>> {
    let rows = sqlx::query!(
        r#"select r.id as "id: RewardId", r.unit, r.created_at, e.earned as "earned!", e.reversed as "reversed!", e.paid as "paid!", e.paid_at,
            g.id as "campaign_id: CampaignId", g.name as campaign_name, c.code as "referral_code: ReferralCode",
            u.id as "customer_id: CustomerId", u.external_id as "external_id: OpaqueId", u.email as "email: Email", u.first_name, u.last_name,
            v.id as "conversion_id: ConversionId", v.status, v.same_email, v.fuzzy_email, v.same_customer, v.same_shopper, v.evaluated_at,
            v.created_at as converted_at, p.source, p.order_id as "order_id: OpaqueId", p.amount, p.currency, p.ordered_at
        from unnest($2::bigint[]) as wanted (id)
        join rewards r on r.account_id = $1 and r.id = wanted.id
        join campaigns g on g.account_id = r.account_id and g.id = r.campaign_id
        join referral_codes c on c.account_id = r.account_id and c.id = r.referral_code_id
        join customers u on u.account_id = r.account_id and u.id = r.customer_id
        join conversions v on v.account_id = r.account_id and v.id = r.conversion_id
        join purchases p on p.account_id = v.account_id and p.id = v.purchase_id
        cross join lateral (
            select coalesce(sum(amount) filter (where kind = 'earned'), 0) as earned,
                coalesce(sum(amount) filter (where kind = 'reversed'), 0) as reversed,
                coalesce(sum(amount) filter (where kind = 'paid'), 0) as paid, max(created_at) filter (where kind = 'paid') as paid_at
            from reward_entries where account_id = r.account_id and reward_id = r.id
        ) e
        order by r.id"#,
        account.0,
        ids as &[RewardId]
    )
    .fetch_all(conn)
    .await?;
    let reward = rows.into_iter().map(|row| Reward {
        id: row.id,
        unit: Unit::from(row.unit),
        earned: row.earned,
        reversed: row.reversed,
        paid: row.paid,
        paid_at: row.paid_at,
        created_at: row.created_at,
        advocate: Customer {
            account_id: account,
            id: row.customer_id,
            external_id: row.external_id,
            email: row.email,
            first_name: row.first_name,
            last_name: row.last_name,
        },
        campaign_id: row.campaign_id,
        campaign_name: row.campaign_name,
        referral_code: row.referral_code.as_str().to_owned(),
        conversion: RewardedConversion {
            id: row.conversion_id,
            status: row.status,
            same_email: row.same_email,
            fuzzy_email: row.fuzzy_email,
            same_customer: row.same_customer,
            same_shopper: row.same_shopper,
            evaluated_at: row.evaluated_at,
            created_at: row.converted_at,
            source: row.source,
            order_id: row.order_id,
            total: Money::stored(row.amount, Currency::from(row.currency)),
            ordered_at: row.ordered_at,
        },
    });
    Ok(reward.collect())
}

/// Finds the rewards of conversions, in the order of their ids. Nobody is locked.
pub async fn find_of_conversions(
    conn: &mut PgConnection,
    account: AccountId,
    conversions: &[ConversionId],
) -> sqlx::Result<Vec<RewardId>> {
    sqlx::query_scalar!(
        r#"select r.id as "id: RewardId"
        from unnest($2::bigint[]) as wanted (conversion_id)
        join rewards r on r.account_id = $1 and r.conversion_id = wanted.conversion_id
        order by r.id"#,
        account.0,
        conversions as &[ConversionId]
    )
    .fetch_all(conn)
    .await
}

/// The ledger of a reward, from its first entry to its last.
pub async fn list_entries(conn: &mut PgConnection, account: AccountId, id: RewardId) -> sqlx::Result<Vec<Entry>> {
    sqlx::query_as!(
        Entry,
        "select kind, amount, cause, refund_id, created_at from reward_entries
        where account_id = $1 and reward_id = $2
        order by id",
        account.0,
        id.0
    )
    .fetch_all(conn)
    .await
}
