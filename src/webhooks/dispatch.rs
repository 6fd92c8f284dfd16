//! Events on their way: placed in their feeds, handed to the endpoints that want them, posted, and the outcome stored. Each step is
//! safe with several processes, and posting holds no connection. What a process took and did not finish is due again after a while.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt;
use sqlx::PgPool;
use time::OffsetDateTime;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::client::{Attempted, Client, LIMIT};
use super::payload::{self, Teller};
use super::queue::{self, LEASE, Next, TAKEN_MAX, Taken};
use super::schedule;
use crate::accounts;
use crate::db::{self, Fault};
use crate::events::{self, EventId, feed};
use crate::types::clock::Clock;
use crate::types::ids::{AccountId, WebhookEndpointId};
use crate::web::state::App;

/// Messages that are posted to one endpoint at once by one process.
const POSTS_PER_ENDPOINT: usize = 4;
/// Endpoints that are posted to at once by one process. One that hangs keeps its own place and no other's.
const ENDPOINTS_AT_ONCE: usize = 128;
/// Transactions that one account gets in a row, when much happened to it.
const PLACED_IN_A_ROW: usize = 20;
/// How often what waits is counted for the metrics.
const BACKLOG_INTERVAL: Duration = Duration::from_secs(15);

// What was taken is posted before somebody else may take it.
const _: () = assert!(LEASE.whole_seconds() >= TAKEN_MAX / POSTS_PER_ENDPOINT as i64 * (LIMIT.as_secs() as i64) + 10);

/// Who sends events out. Cheap to clone.
#[derive(Clone)]
pub struct Dispatcher {
    pool: PgPool,
    clock: Clock,
    client: Client,
    public_url: String,
}

impl Dispatcher {
    /// One for this app.
    pub fn new(app: &App, client: Client) -> Self {
        Self { pool: app.pool.clone(), clock: app.clock.clone(), client, public_url: app.public_url.clone() }
    }

    /// Gives places to what was committed since, with a delivery for each endpoint that wants it. Gives how many rows of the outbox
    /// those were.
    pub async fn place(&self) -> Result<usize, Fault> {
        let mut conn = self.pool.acquire().await?;
        let accounts = events::store::list_waiting(&mut conn).await?;
        drop(conn);
        let (mut count, mut failed) = (0, None);
        for account in accounts {
            // One account's trouble is no other's.
            for _ in 0..PLACED_IN_A_ROW {
                match self.place_of(account).await {
                    Ok(0) => break,
                    Ok(placed) => count += placed,
                    Err(fault) => {
                        failed = Some(fault);
                        break;
                    }
                }
            }
        }
        failed.map_or(Ok(count), Err)
    }

    async fn place_of(&self, account: AccountId) -> Result<usize, Fault> {
        let now = self.clock.now();
        db::transact(&self.pool, move |conn| {
            Box::pin(async move {
                let placed = feed::place(conn, account).await?;
                if !placed.is_empty() {
                    queue::fan_out(conn, account, &placed, now).await?;
                }
                Ok(placed.len())
            })
        })
        .await
    }

    /// Takes what is due for endpoints that are not busy, endpoint by endpoint.
    pub async fn take(&self, busy: &[WebhookEndpointId]) -> Result<Vec<Vec<Taken>>, Fault> {
        let room = ENDPOINTS_AT_ONCE.saturating_sub(busy.len());
        if room == 0 {
            return Ok(Vec::new());
        }
        let mut conn = self.pool.acquire().await?;
        let taken = queue::take(&mut conn, busy, i64::try_from(room).unwrap_or(i64::MAX), self.clock.now()).await?;
        let mut by_endpoint: HashMap<WebhookEndpointId, Vec<Taken>> = HashMap::new();
        for one in taken {
            by_endpoint.entry(one.endpoint_id).or_default().push(one);
        }
        Ok(by_endpoint.into_values().collect())
    }

    /// Posts what was taken for one endpoint, and stores what came of it.
    pub async fn deliver(&self, taken: Vec<Taken>) -> Result<(), Fault> {
        let Some(first) = taken.first() else { return Ok(()) };
        let bodies = self.bodies(first.account_id, &taken).await?;
        let posts = taken.into_iter().filter_map(|one| {
            let Some(body) = bodies.get(&one.event).cloned() else {
                tracing::error!(account.id = one.account_id.0, event.id = %one.event, "nothing can be said of an event");
                return None;
            };
            Some(async move { self.deliver_one(&one, &body).await })
        });
        let outcomes: Vec<Result<(), Fault>> =
            futures_util::stream::iter(posts).buffer_unordered(POSTS_PER_ENDPOINT).collect().await;
        outcomes.into_iter().collect()
    }

    async fn bodies(&self, account: AccountId, taken: &[Taken]) -> Result<HashMap<EventId, String>, Fault> {
        let ids: Vec<EventId> = taken.iter().map(|one| one.event).collect();
        let mut conn = self.pool.acquire().await?;
        let Some(account) = accounts::store::find(&mut conn, account).await? else { return Ok(HashMap::new()) };
        let found = events::store::find_all(&mut conn, account.id, &ids).await?;
        let teller = Teller { account: &account, public_url: &self.public_url };
        Ok(payload::bodies(&mut conn, teller, &found).await?)
    }

    async fn deliver_one(&self, taken: &Taken, body: &str) -> Result<(), Fault> {
        let started_at = self.clock.now();
        let attempted = self.client.post(&taken.target, &taken.event.to_string(), body, started_at).await;
        let next = next(&attempted, taken.failures, self.clock.now());
        let outcome = match next {
            Next::Delivered => "delivered",
            Next::Again(_) => "failed",
            Next::Failed => "given_up",
        };
        metrics::counter!("goodword_webhook_attempts_total", "outcome" => outcome).increment(1);
        if attempted.is_gone() {
            tracing::warn!(
                account.id = taken.account_id.0,
                endpoint.id = taken.endpoint_id.0,
                "a webhook endpoint answered 410 and was switched off"
            );
        }
        let mut conn = self.pool.acquire().await?;
        Ok(queue::finish(&mut conn, taken, &attempted, next, started_at).await?)
    }

    /// Works until told to stop. What is on its way then is left to the next process.
    pub async fn run(self, interval: Duration, stop: CancellationToken) {
        let mut posting: JoinSet<()> = JoinSet::new();
        let mut busy: HashMap<Id, WebhookEndpointId> = HashMap::new();
        let mut counted_at: Option<Instant> = None;
        while !stop.is_cancelled() {
            if let Err(fault) = self.place().await {
                tracing::warn!(error = %fault, "events could not be given their places");
            }
            let endpoints: Vec<WebhookEndpointId> = busy.values().copied().collect();
            let taken = self.take(&endpoints).await.unwrap_or_else(|fault| {
                tracing::warn!(error = %fault, "deliveries that are due could not be taken");
                Vec::new()
            });
            for batch in taken {
                let Some(endpoint) = batch.first().map(|one| one.endpoint_id) else { continue };
                let this = self.clone();
                let task = posting.spawn(async move {
                    if let Err(fault) = this.deliver(batch).await {
                        tracing::warn!(error = %fault, "what became of deliveries could not be stored");
                    }
                });
                busy.insert(task.id(), endpoint);
            }
            if counted_at.is_none_or(|at| at.elapsed() >= BACKLOG_INTERVAL) {
                counted_at = Some(Instant::now());
                self.count_backlog().await;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(interval) => {}
                Some(ended) = posting.join_next_with_id(), if !posting.is_empty() => {
                    // A panic was logged by its hook.
                    let id = ended.map_or_else(|panic| panic.id(), |(id, ())| id);
                    busy.remove(&id);
                }
            }
        }
        posting.shutdown().await;
    }

    async fn count_backlog(&self) {
        let counted = async { queue::find_backlog(&mut *self.pool.acquire().await?).await }.await;
        let Ok(backlog) = counted else { return };
        let age = backlog.since.map_or(0.0, |since| (self.clock.now() - since).as_seconds_f64());
        #[expect(clippy::cast_precision_loss, reason = "it is counted up to a hundred thousand")]
        metrics::gauge!("goodword_webhook_deliveries_waiting").set(backlog.deliveries as f64);
        metrics::gauge!("goodword_webhook_oldest_waiting_seconds").set(age);
    }
}

/// What becomes of a delivery: pure but for the dice of the schedule.
fn next(attempted: &Attempted, failures: i32, now: OffsetDateTime) -> Next {
    if attempted.is_delivered() {
        return Next::Delivered;
    }
    match schedule::pause(failures + 1) {
        Some(pause) if !attempted.is_gone() => {
            Next::Again(now + attempted.retry_after.map_or(pause, |asked| asked.max(pause)))
        }
        _ => Next::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: Option<u16>, retry_after: Option<i64>) -> Attempted {
        let error = status.is_none().then(|| "no answer".to_owned());
        Attempted { status, error, duration_ms: 1, retry_after: retry_after.map(time::Duration::seconds) }
    }

    #[test]
    fn only_an_answer_of_success_is_a_delivery_and_every_other_is_tried_again_until_it_is_over() {
        let now = OffsetDateTime::UNIX_EPOCH;
        for status in [200, 201, 204, 299] {
            assert_eq!(next(&answered(Some(status), None), 0, now), Next::Delivered, "{status}");
        }
        for status in [100, 301, 302, 400, 401, 404, 429, 500, 503] {
            assert!(matches!(next(&answered(Some(status), None), 0, now), Next::Again(at) if at > now), "{status}");
        }
        assert!(matches!(next(&answered(None, None), 12, now), Next::Again(_)));
        assert_eq!(next(&answered(None, None), 13, now), Next::Failed);
        assert_eq!(next(&answered(Some(410), None), 0, now), Next::Failed);
    }

    #[test]
    fn an_answer_may_ask_for_a_longer_pause_and_not_for_a_shorter_one() {
        let now = OffsetDateTime::UNIX_EPOCH;
        assert_eq!(next(&answered(Some(503), Some(3_600)), 0, now), Next::Again(now + time::Duration::HOUR));
        assert!(
            matches!(next(&answered(Some(503), Some(1)), 3, now), Next::Again(at) if at > now + time::Duration::MINUTE)
        );
    }
}
