//! Logs and metrics: their form, set up once for the process. What is never logged: secrets, e-mails, coupon codes,
//! bodies.

mod lines;

use std::io::IsTerminal;
use std::sync::{LazyLock, PoisonError, RwLock};

use metrics::Counter;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

pub use lines::write_kept;

/// Bounds of the duration histograms, in seconds.
const DURATION_BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Bounds of the histograms of batches, in rows.
const ROWS_BUCKETS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// Starts logging to standard error. `RUST_LOG` chooses what; `default_filter` holds when it is not set.
pub fn start_logging(as_json: bool, default_filter: &str) {
    // PostgreSQL's notices ("already exists, skipping") are no news at every start, and each connection that a crash
    // broke is no news after the first.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        EnvFilter::new(format!("{default_filter},sqlx::postgres::notice=warn,sqlx::query=error,sqlx_core::pool=error"))
    });
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines::Lines);
    let is_seen = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    // When the terminal is gone, so is whoever would read that writing failed.
    let builder = builder.with_ansi(is_seen).log_internal_errors(false);
    // A second start (tests) keeps the first.
    let _ = if as_json {
        builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
    } else {
        builder.with_target(false).try_init()
    };
}

/// Counters of one name, told apart by one label. Each is looked up by its name once: that takes longer than to count.
pub struct Counters {
    name: &'static str,
    label: &'static str,
    known: RwLock<Vec<(Box<str>, Counter)>>,
}

impl Counters {
    /// None yet.
    pub const fn new(name: &'static str, label: &'static str) -> Self {
        Self { name, label, known: RwLock::new(Vec::new()) }
    }

    /// Counts one more with this value of the label, of which there are few.
    pub fn count(&self, value: &str) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, counter)) = known.iter().find(|(known, _)| **known == *value) {
            return counter.increment(1);
        }
        drop(known);
        let counter = metrics::counter!(self.name, self.label => value.to_owned());
        counter.increment(1);
        self.known.write().unwrap_or_else(PoisonError::into_inner).push((value.into(), counter));
    }
}

/// The process's metrics. The first call installs the recorder.
pub fn metrics() -> anyhow::Result<PrometheusHandle> {
    static HANDLE: LazyLock<Result<PrometheusHandle, String>> =
        LazyLock::new(|| install_metrics().map_err(|fault| format!("{fault:#}")));
    HANDLE.clone().map_err(anyhow::Error::msg)
}

fn install_metrics() -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &DURATION_BUCKETS)?
        .set_buckets_for_metric(Matcher::Suffix("_batch_rows".to_owned()), &ROWS_BUCKETS)?
        .install_recorder()?;
    metrics::describe_counter!("goodword_http_requests_total", "Requests answered, by method, route and status.");
    metrics::describe_histogram!(
        "goodword_http_request_duration_seconds",
        metrics::Unit::Seconds,
        "Time from a request's head to its answer."
    );
    metrics::describe_counter!("goodword_key_lookups_total", "Look-ups of API keys by who answered: cache, database.");
    metrics::describe_counter!("goodword_purchases_total", "Purchases by outcome: recorded, replayed, conflict.");
    metrics::describe_counter!(
        "goodword_attributions_total",
        "Recorded purchases by what decided, or why nothing did."
    );
    metrics::describe_counter!("goodword_referral_codes_total", "Referral code requests by outcome.");
    metrics::describe_counter!(
        "goodword_page_calls_total",
        "Calls of shops' pages: taken, refused, unknown_site, foreign_origin, over_budget, failed."
    );
    metrics::describe_counter!(
        "goodword_page_orders_total",
        "Orders that pages reported: recorded, replayed, passed_over (another is known), wrong_signature."
    );
    metrics::describe_counter!(
        "goodword_clicks_total",
        "Clicks on links: click, bot, dropped (not kept), and in vain: unknown, blocked, used_up, archived."
    );
    metrics::describe_counter!(
        "goodword_link_lookups_total",
        "Where links were found: memory, database, stale (the database was slow or away), over_budget (nowhere)."
    );
    metrics::describe_counter!("goodword_coupons_loaded_total", "Coupons loaded into banks.");
    metrics::describe_gauge!("goodword_coupon_banks_low", "Coupon banks of all accounts that are low, or exhausted.");
    metrics::describe_gauge!("goodword_coupon_banks_exhausted", "Coupon banks of all accounts without a free coupon.");
    metrics::describe_counter!(
        "goodword_webhook_attempts_total",
        "Messages posted to webhooks by outcome: delivered, failed, given_up."
    );
    metrics::describe_gauge!("goodword_webhook_deliveries_waiting", "Messages that wait to be posted.");
    metrics::describe_gauge!(
        "goodword_webhook_oldest_waiting_seconds",
        metrics::Unit::Seconds,
        "Age of the oldest message that waits to be posted."
    );
    metrics::describe_gauge!(
        "goodword_lane_queue_rows",
        "Requests that wait for a lane's writer, as its last batch left them."
    );
    metrics::describe_histogram!("goodword_lane_batch_rows", "Requests that shared one transaction.");
    metrics::describe_histogram!(
        "goodword_lane_wait_seconds",
        metrics::Unit::Seconds,
        "Time that a request waited for its batch to begin."
    );
    metrics::describe_histogram!(
        "goodword_lane_commit_seconds",
        metrics::Unit::Seconds,
        "Time that a batch took from its beginning to its commit, tries and parts included."
    );
    metrics::describe_gauge!("goodword_database_connections", "Open connections to the database.");
    metrics::describe_gauge!("goodword_database_connections_idle", "Open connections that nobody uses.");
    Ok(handle)
}
