//! Evaluating what falls due, a batch in each transaction. One conversion that cannot be stored would take its whole batch with
//! it: such a batch is evaluated again in halves, until the guilty one stands alone. It stays as it was, is told of in the log, and
//! is left aside for a while, so that it does not hold up what falls due next.

use std::collections::HashMap;

use sqlx::{PgConnection, PgPool};
use time::{Duration, OffsetDateTime};

use super::rules::Ruling;
use super::{evaluate, store};
use crate::db::{self, Abort, Fault};
use crate::types::ids::{AccountId, ConversionId};

/// Conversions of one transaction. Small, so that the orders of the day hardly notice.
pub const BATCH_MAX: i64 = 500;
/// How long a conversion that could not be stored is left aside. Meanwhile somebody may mend its campaign's rules.
const ASIDE: Duration = Duration::minutes(10);

/// Names a conversion among those of all accounts.
type Key = (AccountId, ConversionId);

/// The conversions that are left aside, and until when.
#[derive(Debug, Default)]
pub struct Aside(HashMap<ConversionId, OffsetDateTime>);

impl Aside {
    fn ids(&mut self, now: OffsetDateTime) -> Vec<ConversionId> {
        self.0.retain(|_, until| *until > now);
        self.0.keys().copied().collect()
    }
}

/// What one transaction evaluates.
#[derive(Clone, Debug)]
pub enum Batch {
    /// What is due, but for these.
    Due { but: Vec<ConversionId> },
    /// A part of a batch that failed.
    Part(Vec<Key>),
}

/// A batch that failed: what was in it, as far as it was read, and why.
#[derive(Debug)]
pub struct Failed {
    due: Vec<Key>,
    fault: Fault,
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self { due: Vec::new(), fault }
    }
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Fault::from(error).into()
    }
}

/// Evaluates what is due, at most [`BATCH_MAX`] conversions, and gives how many were evaluated. An error means that the database
/// failed; what was evaluated until then stays so.
pub async fn tick(pool: &PgPool, aside: &mut Aside, now: OffsetDateTime) -> Result<usize, Fault> {
    let mut evaluated = 0;
    let mut waiting = vec![Batch::Due { but: aside.ids(now) }];
    while let Some(batch) = waiting.pop() {
        let outcome: Result<_, Failed> =
            db::transact(pool, move |conn| Box::pin(async move { evaluate_batch(conn, &batch, now).await })).await;
        match outcome {
            Ok(rulings) => {
                evaluated += rulings.len();
                count(&rulings);
            }
            Err(Failed { due, fault }) if due.is_empty() || !fault.may_be_one_rows() => return Err(fault),
            Err(Failed { due, fault }) => match due.as_slice() {
                [guilty] => {
                    tell_of(*guilty, &fault);
                    aside.0.insert(guilty.1, now + ASIDE);
                }
                several => {
                    // The first half is taken next: the order counts where rewards have a maximum.
                    let (first, rest) = several.split_at(several.len() / 2);
                    waiting.extend([Batch::Part(rest.to_vec()), Batch::Part(first.to_vec())]);
                }
            },
        }
    }
    Ok(evaluated)
}

/// Evaluates a batch in the caller's transaction, and gives the rulings.
pub async fn evaluate_batch(
    conn: &mut PgConnection,
    batch: &Batch,
    now: OffsetDateTime,
) -> Result<Vec<Ruling>, Failed> {
    let due = match batch {
        Batch::Due { but } => store::claim_due(conn, but, BATCH_MAX, now).await?,
        Batch::Part(keys) => store::claim(conn, keys).await?,
    };
    match evaluate(conn, &due, now).await {
        Ok(rulings) => Ok(rulings),
        Err(error) => Err(Failed { due, fault: error.into() }),
    }
}

fn count(rulings: &[Ruling]) {
    for ruling in rulings {
        let outcome = match ruling {
            Ruling::Approved(_) => "approved",
            Ruling::Rejected(_) => "rejected",
            Ruling::Held(_) => "held",
        };
        metrics::counter!("goodword_conversions_evaluated_total", "outcome" => outcome).increment(1);
    }
}

/// Says which conversion could not be stored. What the database says beside the name of a rule may repeat a merchant's data.
fn tell_of((account, conversion): Key, fault: &Fault) {
    metrics::counter!("goodword_conversions_left_aside_total").increment(1);
    let constraint = match &fault.abort {
        Abort::Database(error) => db::constraint(error),
        Abort::LostRace => None,
    };
    tracing::error!(
        account.id = account.0,
        conversion.id = conversion.0,
        error.code = fault.sql_state(),
        error.constraint = constraint,
        "this conversion could not be stored; it stays as it was, and is tried again in a while"
    );
}
