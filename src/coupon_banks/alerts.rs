//! Telling of banks that have become low or run out: once, until they were above and fell again. What counts as low is
//! [`stock`]'s to say. Safe with several processes: an alert that is open has no second.

use std::collections::HashSet;

use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use super::Counts;
use super::stock::{self, Stock};
use super::stock_store::{self, Level};
use crate::db::{self, Fault};
use crate::events::{self, Fact, Kind};
use crate::types::ids::{AccountId, CouponBankId};

/// What an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alarm {
    Low,
    Exhausted,
}

impl Alarm {
    /// The alarm's spelling in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Exhausted => "exhausted",
        }
    }

    fn event(self) -> Kind {
        match self {
            Self::Low => Kind::CouponBankLow,
            Self::Exhausted => Kind::CouponBankExhausted,
        }
    }

    fn is_raised_by(self, stock: &Stock) -> bool {
        match self {
            Self::Low => stock.is_low,
            Self::Exhausted => stock.reasons.contains(&stock::Reason::Exhausted),
        }
    }
}

/// Which bank, and which of its alarms.
type Subject = (AccountId, CouponBankId, Alarm);

/// Looks at the banks of all accounts: opens alerts and records their events, and closes those that are over. Gives how many it
/// opened.
pub async fn tick(pool: &PgPool, now: OffsetDateTime) -> Result<usize, Fault> {
    // What a bank holds is read outside of the transaction, which is short.
    let mut conn = pool.acquire().await?;
    let judged = stock_store::judge_all(&mut conn, now).await?;
    let open: HashSet<Subject> = store::list_open(&mut conn).await?.into_iter().collect();
    drop(conn);
    let (mut opened, mut closed) = (Vec::new(), Vec::new());
    for (level, stock) in &judged {
        for alarm in [Alarm::Low, Alarm::Exhausted] {
            let subject = (level.account_id, level.bank_id, alarm);
            match (alarm.is_raised_by(stock), open.contains(&subject)) {
                // A bank that never had a coupon did not run out of them.
                (true, false) if level.counts.total > 0 => opened.push(Opened::new(level, stock, alarm)),
                (false, true) => closed.push(subject),
                _ => {}
            }
        }
    }
    if opened.is_empty() && closed.is_empty() {
        return Ok(0);
    }
    db::transact(pool, move |conn| {
        Box::pin(async move {
            store::close_all(conn, &closed, now).await?;
            Ok(open_all(conn, &opened, now).await?)
        })
    })
    .await
}

async fn open_all(conn: &mut PgConnection, opened: &[Opened], now: OffsetDateTime) -> sqlx::Result<usize> {
    if opened.is_empty() {
        return Ok(0);
    }
    let stored = store::insert_all(conn, opened, now).await?;
    let facts: Vec<Fact> = stored
        .iter()
        .map(|((account_id, _, alarm), id)| Fact { account_id: *account_id, kind: alarm.event(), subject: *id })
        .collect();
    events::record(conn, &facts, now).await?;
    Ok(facts.len())
}

/// An alert that is to be opened.
struct Opened {
    subject: Subject,
    reasons: Vec<&'static str>,
    counts: Counts,
}

impl Opened {
    fn new(level: &Level, stock: &Stock, alarm: Alarm) -> Self {
        Self {
            subject: (level.account_id, level.bank_id, alarm),
            reasons: stock.reasons.iter().map(|reason| reason.as_str()).collect(),
            counts: level.counts,
        }
    }
}

/// An alert as it was stored, with its bank's name.
#[derive(Clone, Debug)]
pub struct Alert {
    pub id: i64,
    pub bank_id: CouponBankId,
    pub bank_name: String,
    pub reasons: Vec<String>,
    pub total: i64,
    pub issued: i64,
    pub retired: i64,
    pub available: i64,
}

/// The SQL of alerts: one statement a function.
pub mod store {
    use sqlx::PgConnection;
    use sqlx::types::Json;
    use time::OffsetDateTime;

    use super::{Alarm, Alert, Opened, Subject};
    use crate::types::ids::{AccountId, CouponBankId};

    fn alarm(stored: &str) -> Alarm {
        if stored == Alarm::Low.as_str() { Alarm::Low } else { Alarm::Exhausted }
    }

    /// Finds the alerts that are open, of all accounts.
    pub(super) async fn list_open(conn: &mut PgConnection) -> sqlx::Result<Vec<Subject>> {
        let rows = sqlx::query!(
            r#"select account_id as "account_id: AccountId", bank_id as "bank_id: CouponBankId", kind
            from coupon_bank_alerts where cleared_at is null"#
        )
        .fetch_all(conn)
        .await?;
        Ok(rows.into_iter().map(|row| (row.account_id, row.bank_id, alarm(&row.kind))).collect())
    }

    /// Opens alerts, and gives their numbers. Those that a rival opened first are missing.
    pub(super) async fn insert_all(
        conn: &mut PgConnection,
        new: &[Opened],
        now: OffsetDateTime,
    ) -> sqlx::Result<Vec<(Subject, i64)>> {
        let accounts: Vec<AccountId> = new.iter().map(|new| new.subject.0).collect();
        let banks: Vec<CouponBankId> = new.iter().map(|new| new.subject.1).collect();
        let kinds: Vec<&str> = new.iter().map(|new| new.subject.2.as_str()).collect();
        let reasons: Vec<Json<&[&str]>> = new.iter().map(|new| Json(new.reasons.as_slice())).collect();
        let totals: Vec<i64> = new.iter().map(|new| new.counts.total).collect();
        let issued: Vec<i64> = new.iter().map(|new| new.counts.issued).collect();
        let retired: Vec<i64> = new.iter().map(|new| new.counts.retired).collect();
        let available: Vec<i64> = new.iter().map(|new| new.counts.available).collect();
        let rows = sqlx::query!(
            r#"insert into coupon_bank_alerts (account_id, bank_id, kind, reasons, total, issued, retired, available, raised_at)
            select account_id, bank_id, kind, array(select jsonb_array_elements_text(reasons)), total, issued, retired, available, $9
            from unnest($1::bigint[], $2::bigint[], $3::text[], $4::jsonb[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
                as new (account_id, bank_id, kind, reasons, total, issued, retired, available)
            order by account_id, bank_id, kind
            on conflict (account_id, bank_id, kind) where cleared_at is null do nothing
            returning account_id as "account_id: AccountId", bank_id as "bank_id: CouponBankId", kind, id"#,
            &accounts as &[AccountId],
            &banks as &[CouponBankId],
            &kinds as &[&str],
            &reasons as &[Json<&[&str]>],
            &totals,
            &issued,
            &retired,
            &available,
            now
        )
        .fetch_all(conn)
        .await?;
        Ok(rows.into_iter().map(|row| ((row.account_id, row.bank_id, alarm(&row.kind)), row.id)).collect())
    }

    /// Closes alerts.
    pub(super) async fn close_all(conn: &mut PgConnection, over: &[Subject], now: OffsetDateTime) -> sqlx::Result<()> {
        let accounts: Vec<AccountId> = over.iter().map(|over| over.0).collect();
        let banks: Vec<CouponBankId> = over.iter().map(|over| over.1).collect();
        let kinds: Vec<&str> = over.iter().map(|over| over.2.as_str()).collect();
        sqlx::query!(
            "update coupon_bank_alerts a set cleared_at = $4
            from unnest($1::bigint[], $2::bigint[], $3::text[]) as over (account_id, bank_id, kind)
            where a.account_id = over.account_id and a.bank_id = over.bank_id and a.kind = over.kind and a.cleared_at is null",
            &accounts as &[AccountId],
            &banks as &[CouponBankId],
            &kinds as &[&str],
            now
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// Finds alerts by their numbers, in any order.
    pub async fn find_all(conn: &mut PgConnection, account: AccountId, ids: &[i64]) -> sqlx::Result<Vec<Alert>> {
        sqlx::query_as!(
            Alert,
            r#"select a.id, a.bank_id as "bank_id: CouponBankId", b.name as bank_name, a.reasons, a.total, a.issued, a.retired, a.available
            from unnest($2::bigint[]) as wanted (id)
            join coupon_bank_alerts a on a.account_id = $1 and a.id = wanted.id
            join coupon_banks b on b.account_id = a.account_id and b.id = a.bank_id"#,
            account.0,
            ids
        )
        .fetch_all(conn)
        .await
    }
}
