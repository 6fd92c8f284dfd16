//! `goodword account` and `goodword key`: merchants and their credentials.

mod sites;

use clap::{Args, Subcommand};
use secrecy::ExposeSecret;
use serde::Serialize;
use sqlx::PgPool;

use self::sites::SiteArgs;
use super::database::{Database, with};
use super::exit::Failure;
use super::output::{self, Line, OutputArgs, moment};
use crate::accounts::sites::SiteSettings;
use crate::accounts::{self, Account, Alias, ApiKey, CreateError, NewAccount, store};
use crate::config::DatabaseArgs;
use crate::db::{self, Fault};
use crate::types::clock::Clock;
use crate::types::date::Zone;
use crate::types::money::Currency;
use crate::types::text::Name;

/// Which account is meant.
#[derive(Debug, Args)]
pub struct AccountChoice {
    /// The account's alias. May be left out when there is one account only.
    #[arg(long, value_name = "ALIAS")]
    account: Option<String>,
}

impl AccountChoice {
    /// Finds the account.
    pub async fn find(&self, pool: &PgPool) -> Result<Account, Failure> {
        let mut found = store::list(&mut *pool.acquire().await?, self.account.as_deref()).await?;
        match (found.pop(), &self.account) {
            (Some(account), _) if found.is_empty() => Ok(account),
            (Some(_), _) => Err(Failure::refused(
                "there are several accounts; choose one with --account (see: goodword account list)",
            )),
            (None, Some(alias)) => {
                Err(Failure::refused(format!("no account has the alias {alias:?}; see: goodword account list")))
            }
            (None, None) => Err(Failure::refused(
                "there is no account yet; make one: goodword account create --name NAME --alias ALIAS",
            )),
        }
    }
}

/// What can be done with accounts.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Create an account.
    Create(NewAccountArgs),
    /// List all accounts.
    List(OutputArgs),
    /// Say what an account's shop pages call themselves and where they come from.
    Set(SiteArgs),
}

/// What a new account needs.
#[derive(Debug, Args)]
pub struct NewAccountArgs {
    /// The merchant's name.
    #[arg(long)]
    name: String,
    /// The first part of the paths of its links: lower-case letters, digits and hyphens.
    #[arg(long)]
    alias: String,
    /// What an order's amount is in when the order does not say.
    #[arg(long, default_value = "USD")]
    currency: String,
    /// What a date without an offset is meant in.
    #[arg(long, default_value = "UTC")]
    time_zone: String,
    #[command(flatten)]
    output: OutputArgs,
}

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Create a key. Its secret is shown once.
    Create {
        #[command(flatten)]
        account: AccountChoice,
        /// What it is for, for your own memory.
        #[arg(long, default_value = "")]
        name: String,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Revoke a key. Requests with it are refused from then on.
    Revoke {
        /// The public half of the pair.
        access_key: String,
    },
    /// List an account's keys, revoked ones too.
    List {
        #[command(flatten)]
        account: AccountChoice,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// An account as it is printed.
#[derive(Serialize)]
struct AccountLine {
    id: i64,
    alias: String,
    name: String,
    currency: &'static str,
    time_zone: String,
    site_key: Option<String>,
    origins: Vec<String>,
    fallback_url: Option<String>,
    signing: bool,
    #[serde(with = "time::serde::rfc3339")]
    created_at: time::OffsetDateTime,
}

impl AccountLine {
    fn new(account: Account, sites: &[SiteSettings]) -> Self {
        let site = sites.iter().find(|site| site.account_id == account.id);
        Self {
            site_key: site.and_then(|site| site.site_key.as_ref()).map(|key| key.as_str().to_owned()),
            origins: site.map(|site| site.origins.clone()).unwrap_or_default(),
            fallback_url: site.and_then(|site| site.fallback_url.clone()),
            signing: site.is_some_and(|site| site.is_signing),
            id: account.id.0,
            alias: account.alias.as_str().to_owned(),
            currency: account.currency.code(),
            time_zone: account.zone.name().to_owned(),
            created_at: account.created_at,
            name: account.name,
        }
    }
}

impl Line for AccountLine {
    const HEADS: &'static [&'static str] =
        &["ID", "ALIAS", "NAME", "CURRENCY", "TIME ZONE", "SITE KEY", "ORIGINS", "CREATED"];

    fn cells(&self) -> Vec<String> {
        let Self { id, alias, name, currency, time_zone, .. } = self;
        let site = [self.site_key.clone().unwrap_or_default(), self.origins.join(" "), moment(self.created_at)];
        let account = [id.to_string(), alias.clone(), name.clone(), (*currency).to_owned(), time_zone.clone()];
        account.into_iter().chain(site).collect()
    }
}

impl Line for ApiKey {
    const HEADS: &'static [&'static str] = &["ACCESS KEY", "NAME", "CREATED", "REVOKED"];

    fn cells(&self) -> Vec<String> {
        let revoked = self.revoked_at.map(moment).unwrap_or_default();
        vec![self.access_key.clone(), self.name.clone(), moment(self.created_at), revoked]
    }
}

/// A pair as it is printed, the only time.
#[derive(Serialize)]
struct PairLine {
    account: String,
    access_key: String,
    secret_key: String,
}

impl Line for PairLine {
    const HEADS: &'static [&'static str] = &["ACCOUNT", "ACCESS KEY", "SECRET KEY"];

    fn cells(&self) -> Vec<String> {
        vec![self.account.clone(), self.access_key.clone(), self.secret_key.clone()]
    }
}

/// `goodword account`
pub async fn run_account(args: &DatabaseArgs, command: AccountCommand) -> Result<(), Failure> {
    match command {
        AccountCommand::Create(new) => {
            let (wanted, output) = (read(&new)?, new.output);
            with(args, async |database| create(database, wanted, output).await).await
        }
        AccountCommand::List(output) => {
            with(args, async |database| output::list(output, &lines(database, None).await?)).await
        }
        AccountCommand::Set(args_of_site) => sites::set(args, args_of_site).await,
    }
}

/// All accounts as they are printed, or the one with this alias.
async fn lines(database: &Database, alias: Option<&str>) -> Result<Vec<AccountLine>, Failure> {
    let mut conn = database.pool.acquire().await?;
    let (found, sites) = (store::list(&mut conn, alias).await?, store::list_sites(&mut conn).await?);
    Ok(found.into_iter().map(|account| AccountLine::new(account, &sites)).collect())
}

fn read(new: &NewAccountArgs) -> Result<NewAccount, Failure> {
    let unusable = |what: &str, why: &dyn std::fmt::Display| Failure::refused(format!("{what} {why}"));
    let currency = Currency::try_from(new.currency.as_str());
    Ok(NewAccount {
        name: title(&new.name)?.as_str().to_owned(),
        alias: Alias::try_from(new.alias.as_str()).map_err(|why| Failure::refused(why.to_string()))?,
        currency: currency.map_err(|why| unusable("--currency", &why))?,
        zone: Zone::named(&new.time_zone)
            .ok_or_else(|| unusable("--time-zone", &"is not known; it needs a name such as Europe/Berlin"))?,
    })
}

/// Reads a name that must not be blank.
pub fn title(text: &str) -> Result<Name, Failure> {
    let name = Name::try_from(text).map_err(|why| Failure::refused(format!("--name {why}")))?;
    if name.is_blank() { Err(Failure::refused("--name must not be empty; give it a name")) } else { Ok(name) }
}

async fn create(database: &Database, new: NewAccount, output: OutputArgs) -> Result<(), Failure> {
    let now = Clock::System.now();
    let created = db::transact(&database.pool, move |conn| Box::pin(accounts::create(conn, new, now))).await;
    let account = created.map_err(|error| match error {
        CreateError::AliasTaken => Failure::refused(error.to_string()),
        CreateError::Database(fault) => fault.into(),
    })?;
    if !output.json {
        output::remark(&format!("Created. Its credentials: goodword key create --account {}", account.alias.as_str()));
    }
    let lines = lines(database, Some(account.alias.as_str())).await?;
    lines.first().map_or(Ok(()), |line| output::one(output, line))
}

/// `goodword key`
pub async fn run_key(args: &DatabaseArgs, command: KeyCommand) -> Result<(), Failure> {
    match command {
        KeyCommand::Create { account, name, output } => {
            let name = Name::try_from(name.as_str()).map_err(|why| Failure::refused(format!("--name {why}")))?;
            with(args, async |database| {
                let account = account.find(&database.pool).await?;
                create_key(database, account, name, output).await
            })
            .await
        }
        KeyCommand::Revoke { access_key } => with(args, async |database| revoke(database, access_key).await).await,
        KeyCommand::List { account, output } => {
            with(args, async |database| {
                let account = account.find(&database.pool).await?;
                output::list(output, &store::list_keys(&mut *database.pool.acquire().await?, account.id).await?)
            })
            .await
        }
    }
}

async fn create_key(database: &Database, account: Account, name: Name, output: OutputArgs) -> Result<(), Failure> {
    let (id, now) = (account.id, Clock::System.now());
    let made = db::transact(&database.pool, move |conn| {
        Box::pin(async move { accounts::create_key(conn, id, &name, now).await })
    })
    .await?;
    if !output.json {
        output::remark("Keep the secret key now: it is not stored and cannot be shown again.");
    }
    let line = PairLine {
        account: account.alias.as_str().to_owned(),
        access_key: made.access_key,
        secret_key: made.secret_key.expose_secret().to_owned(),
    };
    output::one(output, &line)
}

async fn revoke(database: &Database, access_key: String) -> Result<(), Failure> {
    let (key, now) = (access_key.clone(), Clock::System.now());
    let revoked: Result<bool, Fault> = db::transact(&database.pool, move |conn| {
        Box::pin(async move { Ok(store::revoke_key(conn, &key, now).await?) })
    })
    .await;
    if revoked? {
        output::print(&format!("Revoked {access_key}."))
    } else {
        Err(Failure::refused("there is no such access key; see: goodword key list"))
    }
}
