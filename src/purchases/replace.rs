//! The SQL of putting a better report in the place of a page's: one statement a function, all of them in one transaction that holds
//! the order's row and then its conversion's.

use rust_decimal::Decimal;
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::{OrderKey, Product, Purchase, PurchaseToRecord};
use crate::attribution::{Attribution, Considered, Decision, Fraud};
use crate::conversions::Status;
use crate::types::channel::Channel;
use crate::types::codes::RecordedCode;
use crate::types::email::Email;
use crate::types::ids::{CampaignId, ConversionId, CustomerId, ReferralCodeId};
use crate::types::text::{Name, OpaqueId, UserAgent};

/// What an order's row holds that its purchase does not show, and how its conversion stands.
pub(super) struct Standing {
    pub(super) referral_code_id: Option<ReferralCodeId>,
    pub(super) visited_at: Option<OffsetDateTime>,
    pub(super) refunded: Decimal,
    pub(super) conversion: Option<Held>,
}

/// A conversion that the transaction holds.
pub(super) struct Held {
    pub(super) id: ConversionId,
    pub(super) status: Status,
    /// It was ruled on for good.
    pub(super) is_settled: bool,
}

/// What a conversion is to be.
pub(super) struct NewConversion {
    pub(super) campaign_id: CampaignId,
    pub(super) referral_code_id: ReferralCodeId,
    pub(super) status: Status,
    pub(super) fraud: Fraud,
}

impl NewConversion {
    /// What follows from an attribution on a report that somebody vouches for.
    pub(super) fn of(found: &Attribution) -> Self {
        Self {
            campaign_id: found.holder.campaign_id,
            referral_code_id: found.holder.referral_code_id,
            status: Status::initial(found, Channel::Server),
            fraud: found.fraud,
        }
    }
}

/// Locks an order and then its conversion, and says how they stand. Nothing when there is no such order.
pub(super) async fn lock(conn: &mut PgConnection, key: &OrderKey) -> sqlx::Result<Option<Standing>> {
    let order = sqlx::query!(
        r#"select p.id, p.attributed_referral_code_id as "referral_code_id: ReferralCodeId", p.visited_at
        from purchases p
        where p.account_id = $1 and p.source = $2 and p.order_id = $3
        for no key update"#,
        key.account_id.0,
        key.source,
        key.order_id.as_str()
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(order) = order else { return Ok(None) };
    let conversion = sqlx::query!(
        r#"select id as "id: ConversionId", status, evaluated_at from conversions
        where account_id = $1 and purchase_id = $2
        for no key update"#,
        key.account_id.0,
        order.id
    )
    .fetch_optional(&mut *conn)
    .await?;
    let refunded = sqlx::query_scalar!(
        r#"select coalesce(sum(amount), 0) as "refunded!" from refunds where account_id = $1 and purchase_id = $2"#,
        key.account_id.0,
        order.id
    )
    .fetch_one(conn)
    .await?;
    let held = conversion.map(|row| {
        let status = Status::named(&row.status).unwrap_or(Status::Rejected);
        Held { id: row.id, status, is_settled: row.evaluated_at.is_some() && status != Status::Pending }
    });
    Ok(Some(Standing {
        referral_code_id: order.referral_code_id,
        visited_at: order.visited_at,
        refunded,
        conversion: held,
    }))
}

/// Keeps what a page said.
pub(super) async fn insert_replacement(
    conn: &mut PgConnection,
    known: &Purchase,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into purchase_replacements (account_id, purchase_id, channel, facts, replaced_at)
        select account_id, id, channel, jsonb_build_object('amount', amount, 'currency', currency, 'email', email,
            'new_customer', new_customer, 'date', ordered_at, 'customer', jsonb_build_object('id', customer_external_id,
                'email', customer_email, 'first_name', customer_first_name, 'last_name', customer_last_name),
            'products', products, 'ip_address', ip_address, 'user_agent', user_agent, 'coupon_code', coupon_code,
            'referral_code', referral_code, 'visited_at', visited_at, 'attributed_via', attributed_via,
            'attributed_referral_code_id', attributed_referral_code_id, 'reason', reason, 'considered', considered), $3
        from purchases where account_id = $1 and id = $2",
        known.key.account_id.0,
        known.id.0,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Puts facts in the place of others. What the page's browser called itself stays only if it was the same buyer's.
pub(super) async fn update_facts(
    conn: &mut PgConnection,
    known: &Purchase,
    row: &PurchaseToRecord,
    customer_id: Option<CustomerId>,
    is_one_buyer: bool,
) -> sqlx::Result<()> {
    let customer = &row.customer;
    sqlx::query!(
        "update purchases
        set channel = $3, amount = $4, currency = $5, email = $6, new_customer = $7, ordered_at = coalesce($8, ordered_at), customer_id = $9,
            customer_external_id = $10, customer_email = $11, customer_first_name = $12, customer_last_name = $13, products = $14,
            ip_address = $15, coupon_code = $16, referral_code = $17, user_agent = coalesce($18, case when $19 then user_agent end)
        where account_id = $1 and id = $2",
        known.key.account_id.0,
        known.id.0,
        row.channel.as_str(),
        row.total.amount(),
        row.total.currency().code(),
        row.email.as_ref().map(Email::as_str),
        row.new_customer,
        row.date,
        customer_id.map(|id| id.0),
        customer.external_id.as_ref().map(OpaqueId::as_str),
        customer.email.as_ref().map(Email::as_str),
        customer.first_name.as_ref().map(Name::as_str),
        customer.last_name.as_ref().map(Name::as_str),
        Json(row.products.as_deref().unwrap_or_default()) as Json<&[Product]>,
        row.ip_address.map(|ip| ip.to_string()),
        row.coupon_code.as_ref().map(RecordedCode::as_str),
        row.referral_code.as_ref().map(RecordedCode::as_str),
        row.user_agent.as_ref().map(UserAgent::as_str),
        is_one_buyer
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Puts a decision in the place of another.
pub(super) async fn update_attribution(
    conn: &mut PgConnection,
    known: &Purchase,
    decision: &Decision,
) -> sqlx::Result<()> {
    let found = decision.outcome.as_ref().ok();
    sqlx::query!(
        "update purchases
        set attributed_via = $3, attributed_referral_code_id = $4, reason = $5, conflicting_codes = $6, considered = $7, visited_at = $8
        where account_id = $1 and id = $2",
        known.key.account_id.0,
        known.id.0,
        found.map(|found| found.via.as_str()),
        found.map(|found| found.holder.referral_code_id.0),
        decision.outcome.as_ref().err().map(|reason| reason.as_str()),
        decision.conflicting_codes,
        Json(decision.considered.as_slice()) as Json<&[Considered]>,
        found.and_then(|found| found.visited_at)
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Inserts the conversion of an order that had none.
pub(super) async fn insert_conversion(
    conn: &mut PgConnection,
    known: &Purchase,
    new: &NewConversion,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "with conversion as (
            insert into conversions (account_id, purchase_id, campaign_id, referral_code_id, status,
                same_email, fuzzy_email, same_customer, same_shopper, created_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            returning account_id, id, status, created_at
        )
        insert into events (account_id, kind, subjects, created_at)
        select account_id, 'conversion.created', array[id], created_at from conversion
        union all
        select account_id, 'conversion.refused', array[id], created_at from conversion where status = 'rejected'",
        known.key.account_id.0,
        known.id.0,
        new.campaign_id.0,
        new.referral_code_id.0,
        new.status.as_str(),
        new.fraud.same_email,
        new.fraud.fuzzy_email,
        new.fraud.same_customer,
        new.fraud.same_shopper,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes a conversion due once more, as it is to be now. What was seen in a report that nobody vouched for is forgotten with it.
pub(super) async fn reopen(
    conn: &mut PgConnection,
    known: &Purchase,
    held: &Held,
    new: &NewConversion,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "with conversion as (
            update conversions
            set campaign_id = $3, referral_code_id = $4, status = $5, same_email = $6, fuzzy_email = $7, same_customer = $8,
                same_shopper = false, evaluated_at = null, fraud_checks = null
            where account_id = $1 and id = $2
            returning account_id, id, status
        ), decision as (
            insert into conversion_events (account_id, conversion_id, event, status_before, status, decided_by, reason, findings, created_at)
            select account_id, id, 'confirmed', $9, status, 'report', 'a better report of the order came', '[]', $10 from conversion
            returning account_id, id, status_before, status, created_at
        )
        insert into events (account_id, kind, subjects, created_at)
        select account_id, 'conversion.' || status, array[id], created_at from decision where status <> status_before and status <> 'pending'",
        known.key.account_id.0,
        held.id.0,
        new.campaign_id.0,
        new.referral_code_id.0,
        new.status.as_str(),
        new.fraud.same_email,
        new.fraud.fuzzy_email,
        new.fraud.same_customer,
        held.status.as_str(),
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Rejects a conversion for which the better report gives no ground.
pub(super) async fn reject(
    conn: &mut PgConnection,
    known: &Purchase,
    held: &Held,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "with conversion as (
            update conversions set status = 'rejected', evaluated_at = $4 where account_id = $1 and id = $2
            returning account_id, id, status
        ), decision as (
            insert into conversion_events (account_id, conversion_id, event, status_before, status, decided_by, reason, findings, created_at)
            select account_id, id, 'rejected', $3, status, 'report', 'the better report of the order gives no ground for it', '[]', $4
            from conversion
            returning account_id, id, status_before, status, created_at
        )
        insert into events (account_id, kind, subjects, created_at)
        select account_id, 'conversion.' || status, array[id], created_at from decision where status <> status_before",
        known.key.account_id.0,
        held.id.0,
        held.status.as_str(),
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}
