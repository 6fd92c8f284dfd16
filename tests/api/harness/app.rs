//! A whole service for one story: its own database, a real listener, a clock that stands until it is moved, and an
//! account with a campaign. A story ends through `finish`.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use axum_server::Handle;
use futures_util::future::join_all;
use goodword::accounts::{self, Alias, NewAccount, keys};
use goodword::conversions::evaluation::{self, Aside};
use goodword::serve::Timeouts;
use goodword::types::clock::Clock;
use goodword::types::date::Zone;
use goodword::types::ids::AccountId;
use goodword::types::money::Currency;
use goodword::types::text::Name;
use goodword::web::state::{App, Limits, VisitorLimits};
use goodword::webhooks::client::Client;
use goodword::webhooks::dispatch::Dispatcher;
use goodword::{db, sandboxes, serve, telemetry};
use secrecy::ExposeSecret;
use serde_json::json;
use sqlx::{ConnectOptions, PgPool};
use time::OffsetDateTime;
use time::macros::datetime;
use tokio::process::Command;
use tokio::task::JoinHandle;

use super::client::Shop;
use super::cluster::Database;
use super::{conservation, template};

/// The campaign that every account of a story has.
pub const CAMPAIGN: i64 = 53345;
/// When every story begins.
pub const BEGINNING: OffsetDateTime = datetime!(2026-08-01 12:00 UTC);
/// Where the service believes to be reached: links must not come from the request.
pub const PUBLIC_URL: &str = "https://refer.example.com";

const CONNECTIONS_MAX: u32 = 8;

/// A running service, and `acme`'s way to it.
pub struct TestApp {
    /// The account of most stories: alias `acme`, US dollars, in Berlin.
    shop: Shop,
    pub account: AccountId,
    /// For what no request can tell or do.
    pub pool: PgPool,
    pub clock: Clock,
    pub address: SocketAddr,
    /// What the service's handlers see.
    pub state: App,
    handle: Handle<SocketAddr>,
    server: Option<JoinHandle<anyhow::Result<()>>>,
    database: Option<Database>,
}

impl std::ops::Deref for TestApp {
    type Target = Shop;

    fn deref(&self) -> &Shop {
        &self.shop
    }
}

impl TestApp {
    /// Its visitors come through a proxy that is trusted, so that stories can say from where.
    pub async fn start() -> Self {
        Self::with_limits(limits()).await
    }

    /// A service that posts webhooks to receivers on this machine.
    pub async fn with_webhooks() -> Self {
        Self::with_limits(Limits { webhooks_may_be_private: true, ..Limits::default() }).await
    }

    /// A service with other limits, such as little patience.
    pub async fn with_limits(limits: Limits) -> Self {
        let database = Database::create(Some(template::name().await)).await;
        let pool = db::open_pool(db::with_session_limits(database.options.clone()), CONNECTIONS_MAX);
        let clock = Clock::manual(BEGINNING);
        let metrics = telemetry::metrics().expect("metrics");
        let state = App::new(pool.clone(), clock.clone(), PUBLIC_URL, limits, metrics);
        let listener = serve::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let timeouts = Timeouts {
            first_head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            shutdown: Duration::from_secs(10),
        };
        let handle = Handle::new();
        let server = tokio::spawn({
            let (handle, state) = (handle.clone(), state.clone());
            async move { serve::serve(&state, listener, timeouts, handle).await }
        });
        let (account, shop) = open_account(&pool, address, "acme").await;
        Self { shop, account, pool, clock, address, state, handle, server: Some(server), database: Some(database) }
    }

    /// Another account of the same service, with a campaign of the same id.
    pub async fn other_account(&self) -> Shop {
        open_account(&self.pool, self.address, "rival").await.1
    }

    /// A way into the sandbox of `acme`, which is made if there is none, with a new test key.
    pub async fn sandbox(&self) -> (AccountId, Shop) {
        let mut conn = self.pool.acquire().await.expect("the database answers");
        let live = accounts::store::list(&mut conn, Some("acme")).await.expect("a list").remove(0);
        let made = sandboxes::find_or_create(&self.pool, live, self.clock.now()).await;
        let (sandbox, _) = made.expect("the sandbox is made");
        let name = Name::try_from("tests").expect("a name");
        let made = accounts::create_key(&mut conn, &sandbox, &name, self.clock.now()).await.expect("a key");
        (sandbox.id, self.calling_as(Some((&made.access_key, made.secret_key.expose_secret()))))
    }

    /// Somebody without credentials.
    pub fn anonymous(&self) -> Shop {
        self.shop.calling_as(None)
    }

    /// The program itself, on the story's database. It ends with its handle.
    pub fn program(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_goodword"));
        command
            .args(words)
            .env("DATABASE_URL", self.pool.connect_options().to_url_lossy().as_str())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// One number out of the database, for what no request tells.
    pub async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.expect(sql)
    }

    /// Evaluates all conversions that are due, as the service does by itself, and gives how many they were.
    pub async fn evaluate(&self) -> usize {
        let (mut count, mut aside) = (0, Aside::default());
        loop {
            let evaluated =
                evaluation::tick(&self.pool, &mut aside, self.clock.now()).await.expect("the database answers");
            count += evaluated;
            if evaluated == 0 {
                return count;
            }
        }
    }

    /// Places events and posts what is due until nothing is, as the service does by itself. Gives how many messages were posted.
    pub async fn deliver(&self) -> usize {
        let dispatcher = self.dispatcher();
        let mut count = 0;
        loop {
            while dispatcher.place().await.expect("the database answers") > 0 {}
            let taken = dispatcher.take(&[]).await.expect("the database answers");
            if taken.is_empty() {
                return count;
            }
            count += taken.iter().map(Vec::len).sum::<usize>();
            for outcome in join_all(taken.into_iter().map(|batch| dispatcher.deliver(batch))).await {
                outcome.expect("the database answers");
            }
        }
    }

    /// Somebody who sends this service's events out.
    pub fn dispatcher(&self) -> Dispatcher {
        Dispatcher::new(&self.state, Client::new(self.state.limits.webhooks_may_be_private))
    }

    /// Lets days pass.
    pub fn pass_days(&self, days: i64) {
        self.clock.advance(time::Duration::days(days));
    }

    /// Sets the rules of the campaign of every story.
    pub async fn rules(&self, rules: serde_json::Value) {
        let changed = self.shop.patch(&format!("/v1/campaigns/{CAMPAIGN}"), json!({ "rules": rules })).await;
        changed.expect(200);
    }

    /// Ends the story: what must hold of any story's data holds, and the database goes.
    pub async fn finish(mut self) {
        let mut faults = conservation::faults(&self.pool).await;
        faults.extend(conservation::disagreements(&self).await);
        self.stop().await;
        assert!(faults.is_empty(), "the story left what must not be:\n{}", faults.join("\n"));
    }

    /// Ends a story that broke its data on purpose.
    pub async fn abandon(mut self) {
        self.stop().await;
    }

    async fn stop(&mut self) {
        self.handle.shutdown();
        if let Some(server) = self.server.take() {
            server.await.expect("the server does not panic").expect("the server ends well");
        }
        self.pool.close().await;
        if let Some(database) = self.database.take() {
            database.drop().await;
        }
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        assert!(self.database.is_none() || std::thread::panicking(), "a story ends with app.finish().await");
    }
}

/// The limits of most stories.
pub fn limits() -> Limits {
    let trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
    Limits { visitors: VisitorLimits { trusted_proxies, ..VisitorLimits::default() }, ..Limits::default() }
}

async fn open_account(pool: &PgPool, address: SocketAddr, alias: &str) -> (AccountId, Shop) {
    let credentials = keys::generate();
    let new = NewAccount {
        name: format!("{alias} shop"),
        alias: Alias::try_from(alias).expect(alias),
        currency: Currency::try_from("USD").expect("a currency"),
        zone: Zone::named("Europe/Berlin").expect("a zone"),
    };
    let mut conn = pool.acquire().await.expect("the database answers");
    let account = accounts::store::insert(&mut conn, &new, BEGINNING).await.expect("an account");
    accounts::store::insert_alias(&mut conn, account, &new.alias).await.expect("an alias that is free");
    let digest = keys::digest(&credentials.secret_key);
    accounts::store::insert_key(&mut conn, account, &credentials.access_key, &digest, "tests", BEGINNING)
        .await
        .expect("a key");
    drop(conn);
    let secret = credentials.secret_key.expose_secret().to_owned();
    let shop = Shop::new(address, Some((credentials.access_key, secret)));
    let campaign =
        json!({ "id": CAMPAIGN, "name": "Spring referrals", "destination_url": "https://shop.example.com/welcome" });
    shop.post("/v1/campaigns", campaign).await.expect(201);
    (account, shop)
}
