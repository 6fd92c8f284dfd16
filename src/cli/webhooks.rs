//! `goodword webhook`: where events are posted, and sending them again.

use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand};
use serde::Serialize;
use time::OffsetDateTime;
use url::Url;

use super::accounts::AccountChoice;
use super::database::{Database, with};
use super::exit::Failure;
use super::output::{self, Line, OutputArgs, moment};
use super::webhook_listen::{self, ListenArgs};
use crate::accounts::Account;
use crate::config::DatabaseArgs;
use crate::db::{self, Fault};
use crate::events::{self, EventId};
use crate::types::clock::Clock;
use crate::types::date::parse_stretch;
use crate::types::ids::{AccountId, WebhookEndpointId};
use crate::types::text::Name;
use crate::types::url::WebUrl;
use crate::webhooks::client::Client;
use crate::webhooks::replay::{self, Replayed};
use crate::webhooks::signature::Algorithm;
use crate::webhooks::{self, ENDPOINTS_MAX, Endpoint, NewEndpoint, OVERLAP_HOURS, OVERLAP_HOURS_MAX, store};

/// What can be done with webhooks.
#[derive(Debug, Subcommand)]
pub enum WebhookCommand {
    /// Have events posted to an address. The secret is printed now and never again.
    Add(AddArgs),
    /// List an account's endpoints.
    List {
        #[command(flatten)]
        account: AccountChoice,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Delete an endpoint. What waits for it is cancelled.
    Remove {
        /// Its id.
        id: i64,
        #[command(flatten)]
        account: AccountChoice,
    },
    /// Give an endpoint another secret, and print it.
    RotateSecret {
        /// Its id.
        id: i64,
        /// How many hours the secret before counts too.
        #[arg(long, default_value_t = OVERLAP_HOURS, value_parser = clap::value_parser!(i64).range(0..=OVERLAP_HOURS_MAX))]
        overlap_hours: i64,
        #[command(flatten)]
        account: AccountChoice,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Send events again: one, or those of a part of the feed. The servers that run do it.
    Replay(ReplayArgs),
    /// Receive webhooks, print them and check their signatures: for trying things out.
    Listen(ListenArgs),
}

/// What a new endpoint needs.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// Where events are posted.
    url: String,
    /// Only these types, with commas between them [default: all]
    #[arg(long, value_delimiter = ',')]
    types: Vec<String>,
    /// What it is for.
    #[arg(long)]
    description: Option<String>,
    /// What X-FRIENDBUY-SIGNATURE is made with.
    #[arg(long, default_value = "sha1", value_parser = ["sha1", "sha256"])]
    friendbuy_signature: String,
    /// Take an address that is private or goes without TLS. The servers must be told too.
    #[arg(long, env = "GOODWORD_WEBHOOK_ALLOW_PRIVATE_ADDRESSES", value_parser = BoolishValueParser::new())]
    allow_private_addresses: bool,
    #[command(flatten)]
    account: AccountChoice,
    #[command(flatten)]
    output: OutputArgs,
}

/// Which events are sent again.
#[derive(Debug, Args)]
#[group(id = "which", required = true, multiple = true)]
struct Which {
    /// One event, by its id.
    #[arg(long)]
    event: Option<String>,
    /// Those behind this place of the feed.
    #[arg(long)]
    after: Option<i64>,
    /// Those up to this place.
    #[arg(long)]
    until: Option<i64>,
    /// Those of this day or moment and later.
    #[arg(long)]
    from: Option<String>,
    /// Those of this day or moment and earlier.
    #[arg(long)]
    to: Option<String>,
}

/// Which events are sent again, and to whom.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    #[command(flatten)]
    which: Which,
    /// Only these types, with commas between them [default: all]
    #[arg(long, value_delimiter = ',')]
    types: Vec<String>,
    /// To this endpoint only.
    #[arg(long)]
    endpoint: Option<i64>,
    #[command(flatten)]
    account: AccountChoice,
}

/// An endpoint as it is printed.
#[derive(Serialize)]
struct EndpointLine {
    id: i64,
    url: String,
    event_types: Option<Vec<String>>,
    active: bool,
    disabled_reason: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl From<Endpoint> for EndpointLine {
    fn from(endpoint: Endpoint) -> Self {
        Self {
            id: endpoint.id.0,
            url: endpoint.url,
            event_types: endpoint.event_types,
            active: endpoint.active,
            disabled_reason: endpoint.disabled_reason,
            created_at: endpoint.created_at,
        }
    }
}

impl Line for EndpointLine {
    const HEADS: &'static [&'static str] = &["ID", "URL", "EVENTS", "ACTIVE", "CREATED"];

    fn cells(&self) -> Vec<String> {
        let types = self.event_types.as_ref().map_or_else(|| "all".to_owned(), |types| types.join(","));
        let active = match (&self.disabled_reason, self.active) {
            (Some(reason), _) => reason.clone(),
            (None, true) => "yes".to_owned(),
            (None, false) => "no".to_owned(),
        };
        vec![self.id.to_string(), self.url.clone(), types, active, moment(self.created_at)]
    }
}

/// An endpoint with the secret that was just made.
#[derive(Serialize)]
struct SecretLine {
    id: i64,
    url: String,
    secret: String,
}

impl From<Endpoint> for SecretLine {
    fn from(endpoint: Endpoint) -> Self {
        Self { id: endpoint.id.0, secret: endpoint.secret.reveal().to_owned(), url: endpoint.url }
    }
}

impl Line for SecretLine {
    const HEADS: &'static [&'static str] = &["ID", "URL", "SECRET"];

    fn cells(&self) -> Vec<String> {
        vec![self.id.to_string(), self.url.clone(), self.secret.clone()]
    }
}

/// `goodword webhook`
pub async fn run(args: &DatabaseArgs, command: WebhookCommand) -> Result<(), Failure> {
    match command {
        WebhookCommand::Listen(listen) => webhook_listen::run(listen).await,
        WebhookCommand::Add(add) => {
            let new = read_new(&add)?;
            with(args, async |database| {
                let account = add.account.find(&database.pool).await?.id;
                create(database, account, new, add.output).await
            })
            .await
        }
        WebhookCommand::List { account, output } => {
            with(args, async |database| {
                let account = account.find(&database.pool).await?.id;
                let found = store::list(&mut *database.pool.acquire().await?, account, None).await?;
                output::list(output, &found.into_iter().map(EndpointLine::from).collect::<Vec<_>>())
            })
            .await
        }
        WebhookCommand::Remove { id, account } => {
            with(args, async |database| {
                let account = account.find(&database.pool).await?.id;
                remove(database, account, WebhookEndpointId(id)).await
            })
            .await
        }
        WebhookCommand::RotateSecret { id, overlap_hours, account, output } => {
            with(args, async |database| {
                let account = account.find(&database.pool).await?.id;
                rotate(database, account, WebhookEndpointId(id), overlap_hours, output).await
            })
            .await
        }
        WebhookCommand::Replay(replay) => {
            with(args, async |database| {
                let account = replay.account.find(&database.pool).await?;
                let wanted = read_wanted(&replay, &account)?;
                send_again(database, account.id, wanted).await
            })
            .await
        }
    }
}

fn no_endpoint() -> Failure {
    Failure::refused("there is no such endpoint; see: goodword webhook list")
}

fn read_types(texts: &[String]) -> Result<Option<Vec<&'static str>>, Failure> {
    let known = events::event_types();
    let one = |text: &String| {
        let found = known.iter().copied().find(|name| name == text);
        found.ok_or_else(|| Failure::refused(format!("--types knows {}, not {text:?}", known.join(", "))))
    };
    let types = texts.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    Ok(Some(types).filter(|types| !types.is_empty()))
}

fn read_new(add: &AddArgs) -> Result<NewEndpoint, Failure> {
    let url = WebUrl::try_from(add.url.as_str()).map_err(|why| Failure::refused(format!("the address {why}")))?;
    let client = Client::new(add.allow_private_addresses);
    if let Ok(parsed) = Url::parse(url.as_str()) {
        client.check(&parsed).map_err(|why| {
            Failure::refused(format!("the address {why}; --allow-private-addresses takes it all the same"))
        })?;
    }
    let description = add.description.as_deref().map(Name::try_from).transpose();
    Ok(NewEndpoint {
        url,
        description: description.map_err(|why| Failure::refused(format!("--description {why}")))?,
        event_types: read_types(&add.types)?,
        friendbuy_signature: Algorithm::named(&add.friendbuy_signature).unwrap_or_default(),
    })
}

async fn create(database: &Database, account: AccountId, new: NewEndpoint, output: OutputArgs) -> Result<(), Failure> {
    let now = Clock::System.now();
    let created = db::transact(&database.pool, move |conn| {
        Box::pin(async move { Ok::<_, Fault>(webhooks::create(conn, account, &new, now).await?) })
    });
    let too_many = || Failure::refused(format!("an account has at most {ENDPOINTS_MAX} endpoints"));
    output::one(output, &SecretLine::from(created.await?.ok_or_else(too_many)?))
}

async fn remove(database: &Database, account: AccountId, id: WebhookEndpointId) -> Result<(), Failure> {
    let now = Clock::System.now();
    let removed = db::transact(&database.pool, move |conn| {
        Box::pin(async move { Ok::<_, Fault>(webhooks::retire(conn, account, id, now).await?) })
    });
    if removed.await? { output::print(&format!("endpoint {id} is gone")) } else { Err(no_endpoint()) }
}

async fn rotate(
    database: &Database,
    account: AccountId,
    id: WebhookEndpointId,
    overlap_hours: i64,
    output: OutputArgs,
) -> Result<(), Failure> {
    let now = Clock::System.now();
    let rotated = db::transact(&database.pool, move |conn| {
        Box::pin(async move { Ok::<_, Fault>(webhooks::rotate_secret(conn, account, id, overlap_hours, now).await?) })
    });
    output::one(output, &SecretLine::from(rotated.await?.ok_or_else(no_endpoint)?))
}

fn read_wanted(args: &ReplayArgs, account: &Account) -> Result<replay::Wanted, Failure> {
    let which = &args.which;
    let stretch = |flag: &str, text: &Option<String>| {
        let read = |text: &String| parse_stretch(text, &account.zone);
        text.as_ref().map(read).transpose().map_err(|why| Failure::refused(format!("{flag} {why}")))
    };
    let event = which.event.as_deref().map(|text| {
        EventId::parse(text).ok_or_else(|| Failure::refused("--event is no event's id; one looks like evt_1024_1"))
    });
    Ok(replay::Wanted {
        event: event.transpose()?,
        after: which.after,
        until: which.until,
        from: stretch("--from", &which.from)?.map(|from| from.from),
        before: stretch("--to", &which.to)?.map(|to| to.until),
        endpoint_id: args.endpoint.map(WebhookEndpointId),
        event_types: read_types(&args.types)?,
    })
}

async fn send_again(database: &Database, account: AccountId, wanted: replay::Wanted) -> Result<(), Failure> {
    let now = Clock::System.now();
    let replayed: Result<Replayed, Fault> = db::transact(&database.pool, move |conn| {
        Box::pin(async move { Ok(replay::replay(conn, account, &wanted, now).await?) })
    })
    .await;
    match replayed? {
        Replayed::Deliveries(deliveries) => output::print(&format!("{deliveries} deliveries are on their way")),
        Replayed::TooMany(events) => Err(Failure::refused(format!(
            "these are {events} events; send at most {} again at once, part by part",
            replay::EVENTS_MAX
        ))),
    }
}
