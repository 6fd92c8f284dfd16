//! Posting one message: signed, within ten seconds, to what is public, and to nowhere else because somebody answered so.

use std::error::Error;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{StatusCode, redirect};
use time::OffsetDateTime;
use tokio::time::Instant;
use url::Url;

use super::addresses::{self, Forbidden, PublicOnly};
use super::signature::{Algorithm, Secret};

/// How long a message may take, from looking the name up to the end of the answer.
pub const LIMIT: Duration = Duration::from_secs(10);
/// Most bytes that are read of an answer.
const ANSWER_BYTES_MAX: usize = 20 * 1024;
/// Longest pause that an answer may ask for.
const RETRY_AFTER_MAX: time::Duration = time::Duration::hours(24);
/// Most characters of an error that are kept.
const ERROR_CHARS_MAX: usize = 255;

/// Where a message goes, and what it is signed with.
#[derive(Clone, Debug)]
pub struct Target {
    pub url: String,
    /// The first counts longest. The last one signs Friendbuy's header, which has room for one signature only.
    pub secrets: Vec<Secret>,
    pub friendbuy_signature: Algorithm,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempted {
    pub status: Option<u16>,
    /// Why there is no answer.
    pub error: Option<String>,
    pub duration_ms: i32,
    /// What the answer asks for.
    pub retry_after: Option<time::Duration>,
}

impl Attempted {
    /// Whether whoever it was for has it.
    pub fn is_delivered(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// Whether whoever it was for wants no more.
    pub fn is_gone(&self) -> bool {
        self.status == Some(StatusCode::GONE.as_u16())
    }
}

type Made = Result<reqwest::Client, String>;

/// Posts messages. Cheap to clone; made when it is first used, since it reads the system's certificates.
#[derive(Clone)]
pub struct Client {
    http: Arc<LazyLock<Made, Box<dyn FnOnce() -> Made + Send>>>,
    may_be_private: bool,
}

impl Client {
    /// A client that posts to public addresses by https only, unless `may_be_private`.
    pub fn new(may_be_private: bool) -> Self {
        let make: Box<dyn FnOnce() -> Made + Send> =
            Box::new(move || build(may_be_private).map_err(|error| described(&error)));
        Self { http: Arc::new(LazyLock::new(make)), may_be_private }
    }

    /// Whether this client would post there, as far as can be told without looking the name up.
    pub fn check(&self, url: &Url) -> Result<(), Forbidden> {
        if self.may_be_private { Ok(()) } else { addresses::check(url) }
    }

    /// Posts a message, and says what became of it.
    pub async fn post(&self, target: &Target, id: &str, body: &str, now: OffsetDateTime) -> Attempted {
        let started = Instant::now();
        let outcome = match tokio::time::timeout(LIMIT, self.send(target, id, body, now)).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(format!("no answer within {} seconds", LIMIT.as_secs())),
        };
        let duration_ms = i32::try_from(started.elapsed().as_millis()).unwrap_or(i32::MAX);
        match outcome {
            Ok((status, retry_after)) => {
                Attempted { status: Some(status.as_u16()), error: None, duration_ms, retry_after }
            }
            Err(error) => Attempted { status: None, error: Some(error), duration_ms, retry_after: None },
        }
    }

    async fn send(
        &self,
        target: &Target,
        id: &str,
        body: &str,
        now: OffsetDateTime,
    ) -> Result<(StatusCode, Option<time::Duration>), String> {
        let url = Url::parse(&target.url).map_err(|error| described(&error))?;
        self.check(&url).map_err(|why| format!("the address {why}"))?;
        let http = (**self.http).as_ref().map_err(Clone::clone)?;
        let request = http.post(url).headers(headers(target, id, body, now)).body(body.to_owned());
        let mut answer = request.send().await.map_err(|error| described(&error.without_url()))?;
        let (status, retry_after) = (answer.status(), retry_after(answer.headers()));
        // To its end, so that the connection can be used again; of one without an end, a little.
        let mut read = 0;
        while let Some(chunk) = answer.chunk().await.map_err(|error| described(&error.without_url()))? {
            read += chunk.len();
            if read > ANSWER_BYTES_MAX {
                break;
            }
        }
        Ok((status, retry_after))
    }
}

fn build(may_be_private: bool) -> reqwest::Result<reqwest::Client> {
    // Somebody may have been first; it is the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .timeout(LIMIT)
        .pool_idle_timeout(Duration::from_secs(15))
        .user_agent(concat!("Goodword/", env!("CARGO_PKG_VERSION")));
    if may_be_private { builder.build() } else { builder.https_only(true).dns_resolver(PublicOnly).build() }
}

fn headers(target: &Target, id: &str, body: &str, now: OffsetDateTime) -> HeaderMap {
    let timestamp = now.unix_timestamp();
    let signatures: Vec<String> = target.secrets.iter().map(|secret| secret.sign(id, timestamp, body)).collect();
    let friendbuy = target.secrets.last().map(|secret| secret.sign_as_friendbuy(target.friendbuy_signature, body));
    let texts = [
        ("content-type", "application/json".to_owned()),
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", timestamp.to_string()),
        ("webhook-signature", signatures.join(" ")),
        ("x-friendbuy-signature", friendbuy.unwrap_or_default()),
    ];
    let header = |(name, text): (&'static str, String)| {
        Some((HeaderName::from_static(name), HeaderValue::from_str(&text).ok()?))
    };
    texts.into_iter().filter_map(header).collect()
}

/// The pause that an answer asks for in seconds, as far as we go along with it.
fn retry_after(headers: &HeaderMap) -> Option<time::Duration> {
    let seconds = headers.get("retry-after")?.to_str().ok()?.trim().parse::<u32>().ok()?;
    Some(time::Duration::seconds(i64::from(seconds)).min(RETRY_AFTER_MAX))
}

/// An error with all that caused it, cut to what is kept.
fn described(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text.chars().filter(|c| !c.is_control()).take(ERROR_CHARS_MAX).collect()
}
