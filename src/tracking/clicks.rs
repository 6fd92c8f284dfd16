//! Clicks on their way into the database, through a lane of their own. A click is never waited for: where the lane is full, or the
//! database away, it is dropped and counted, and the friend is led on all the same.

use std::net::IpAddr;
use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderName, Method, header};
use futures_util::FutureExt;
use hmac::{Hmac, KeyInit, Mac};
use isbot::Bots;
use sha2::Sha256;
use sqlx::PgPool;
use time::OffsetDateTime;

use super::store;
use crate::db::{Abort, Alone, Fault, Session};
use crate::lane::{Cut, Lane, Layout, Place, Work};
use crate::telemetry::Counters;
use crate::types::clock::Clock;
use crate::types::ids::{AccountId, CampaignId, ReferralCodeId};
use crate::types::text::UserAgent;
use crate::web::state::App;

/// Most clicks of one statement.
const BATCH_MAX: usize = 512;

static CLICKS: Counters = Counters::new("goodword_clicks_total", "outcome");

/// A click that is to be kept.
#[derive(Clone, Debug)]
pub struct Click {
    pub account_id: AccountId,
    pub referral_code_id: ReferralCodeId,
    pub campaign_id: CampaignId,
    pub clicked_at: OffsetDateTime,
    pub is_bot: bool,
    pub user_agent: Option<UserAgent>,
    /// Tells whether two clicks came from one address, and not from which.
    pub address_digest: [u8; 16],
}

/// What an address is kept as.
pub fn digest(address: IpAddr, secret: &[u8; 32]) -> [u8; 16] {
    let mut short = [0; 16];
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) {
        mac.update(address.to_canonical().to_string().as_bytes());
        short.copy_from_slice(&mac.finalize().into_bytes()[..16]);
    }
    short
}

/// Whether a link is only looked at: by a program that says what it is, or by a browser ahead of its user.
pub fn is_bot(method: &Method, headers: &HeaderMap) -> bool {
    static BOTS: LazyLock<Bots> = LazyLock::new(Bots::default);
    let purposes = [
        HeaderName::from_static("sec-purpose"),
        HeaderName::from_static("purpose"),
        HeaderName::from_static("x-purpose"),
        HeaderName::from_static("x-moz"),
    ];
    let is_ahead = purposes.iter().filter_map(|name| headers.get(name)?.to_str().ok()).any(|purpose| {
        let purpose = purpose.to_ascii_lowercase();
        purpose.contains("prefetch") || purpose.contains("preview") || purpose.contains("prerender")
    });
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    *method == Method::HEAD || is_ahead || agent.trim().is_empty() || BOTS.is_bot(agent)
}

/// A way to have clicks kept.
#[derive(Clone)]
pub struct ClickLane(Lane<ClickRecorder>);

impl ClickLane {
    /// Starts the lane.
    pub fn start(app: &App) -> Self {
        let layout = Layout {
            name: "clicks",
            writers: 1,
            queue_max: app.limits.lanes.queue_max,
            batch_max: BATCH_MAX,
            place: Place::AmongTasks,
            spares_writers: false,
        };
        Self(Lane::start(layout, |_| 0, || ClickRecorder::on(&app.pool, app.clock.clone())))
    }

    /// Has a click kept, if there is room. Waits for nothing.
    pub fn push(&self, click: Click) {
        CLICKS.count(if click.is_bot { "bot" } else { "click" });
        // Polled once it is in the queue, or there is no room. Nobody waits for the answer.
        if let Some(Err(_refused)) = self.0.submit(click).now_or_never() {
            CLICKS.count("dropped");
        }
    }

    /// Takes no more, and returns when all that were taken are kept.
    pub async fn drain(&self) {
        self.0.drain().await;
    }
}

/// Counts a click on a link that leads nowhere: `unknown`, `blocked` and the like.
pub fn count_in_vain(outcome: &'static str) {
    CLICKS.count(outcome);
}

/// Keeps batches on a connection of its own.
pub struct ClickRecorder {
    session: Session,
    clock: Clock,
}

impl ClickRecorder {
    fn on(pool: &PgPool, clock: Clock) -> Self {
        Self { session: Session::new((*pool.connect_options()).clone()), clock }
    }
}

impl Work for ClickRecorder {
    type Row = Click;
    type Answer = ();
    type Fault = Fault;

    /// A batch whose answer was lost with its connection may be kept twice: a click has no name of its own, and is no money.
    async fn run(&mut self, mut rows: &[Click]) -> Result<Vec<()>, Fault> {
        let now = self.clock.now();
        let kept = self.session.alone(|alone, rows, _| Box::pin(keep(alone, rows)), &mut rows, now).await;
        if let Err(fault) = &kept {
            tracing::debug!(error.cause = %fault, "clicks are not kept");
            rows.iter().for_each(|_| CLICKS.count("dropped"));
        }
        kept
    }

    fn cut(_fault: &Fault) -> Cut {
        Cut::Nowhere
    }

    async fn close(self) {
        self.session.close().await;
    }
}

async fn keep(alone: &mut Alone, rows: &[Click]) -> Result<Vec<()>, Abort> {
    store::insert_clicks(alone.storing(), rows).await?;
    alone.answered(true);
    Ok(vec![(); rows.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_and_browsers_ahead_of_their_users_are_told_from_friends() {
        let friend = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";
        let agents = [
            (friend, false),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", false),
            (
                "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36",
                false,
            ),
            ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", true),
            ("WhatsApp/2.23.20.0 A", true),
            ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", true),
            ("Twitterbot/1.0", true),
            ("TelegramBot (like TwitterBot)", true),
            ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", true),
            ("curl/8.5.0", true),
            ("", true),
        ];
        for (agent, wanted) in agents {
            let mut headers = HeaderMap::new();
            headers.insert(header::USER_AGENT, agent.parse().expect(agent));
            assert_eq!(is_bot(&Method::GET, &headers), wanted, "{agent}");
            assert!(is_bot(&Method::HEAD, &headers));
            headers.insert("sec-purpose", "prefetch;prerender".parse().expect("a header"));
            assert!(is_bot(&Method::GET, &headers));
        }
    }

    #[test]
    fn an_address_is_kept_as_what_only_the_key_can_tell() {
        let address = |text: &str| text.parse::<IpAddr>().expect(text);
        let one = digest(address("203.0.113.7"), &[1; 32]);
        assert_eq!(one, digest(address("::ffff:203.0.113.7"), &[1; 32]));
        assert_ne!(one, digest(address("203.0.113.8"), &[1; 32]));
        assert_ne!(one, digest(address("203.0.113.7"), &[2; 32]));
    }
}
