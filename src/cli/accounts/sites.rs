//! `goodword account set`: the shop's pages, which call from browsers.

use clap::Args;
use secrecy::ExposeSecret;

use crate::accounts::sites::{self, ChangeError, Origin, SiteChange, SiteKey};
use crate::accounts::{keys, store};
use crate::cli::database::{Database, with};
use crate::cli::exit::Failure;
use crate::cli::output::{self, OutputArgs};
use crate::config::DatabaseArgs;
use crate::db;
use crate::types::url::WebUrl;

/// What is to be changed of an account's site.
#[derive(Debug, Args)]
pub struct SiteArgs {
    /// The account's alias.
    alias: String,
    /// What its pages name it by: what they carry already, or any text without a slash.
    #[arg(long, value_name = "TEXT")]
    site_key: Option<String>,
    /// Where its pages come from, scheme and host without a path. Repeat it for each; they take the place of those before.
    #[arg(long, value_name = "ORIGIN")]
    origin: Vec<String>,
    /// Where links lead whose code is unknown, blocked or used up, unless their campaign says otherwise.
    #[arg(long, value_name = "URL")]
    fallback_url: Option<String>,
    /// Make a secret with which the shop's server signs orders that its pages report. It is shown now and never again, and
    /// takes the place of the one before.
    #[arg(long)]
    new_signing_secret: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// `goodword account set`
pub async fn set(args: &DatabaseArgs, wanted: SiteArgs) -> Result<(), Failure> {
    let change = read(&wanted)?;
    with(args, async |database| put(database, &wanted, change).await).await
}

fn read(wanted: &SiteArgs) -> Result<SiteChange, Failure> {
    let unusable = |what: &str, why: &dyn std::fmt::Display| Failure::refused(format!("{what} {why}"));
    let site_key = wanted.site_key.as_deref().map(SiteKey::try_from).transpose();
    let origins: Result<Vec<Origin>, _> = wanted.origin.iter().map(|text| Origin::try_from(text.as_str())).collect();
    let origins = origins.map_err(|why| unusable("--origin", &why))?;
    if origins.len() > sites::ORIGINS_MAX {
        return Err(Failure::refused(format!("--origin can be given {} times at most", sites::ORIGINS_MAX)));
    }
    let fallback_url = wanted.fallback_url.as_deref().map(WebUrl::try_from).transpose();
    Ok(SiteChange {
        site_key: site_key.map_err(|why| unusable("--site-key", &why))?,
        origins: Some(origins).filter(|origins| !origins.is_empty()),
        fallback_url: fallback_url.map_err(|why| unusable("--fallback-url", &why))?,
        signing_secret: wanted.new_signing_secret.then(keys::generate_signing_secret),
    })
}

async fn put(database: &Database, wanted: &SiteArgs, change: SiteChange) -> Result<(), Failure> {
    let found = store::list(&mut *database.pool.acquire().await?, Some(&wanted.alias)).await?;
    let Some(account) = found.first().map(|account| account.id) else {
        let alias = &wanted.alias;
        return Err(Failure::refused(format!("no account has the alias {alias:?}; see: goodword account list")));
    };
    let secret = change.signing_secret.clone();
    let changed =
        db::transact(&database.pool, move |conn| Box::pin(async move { sites::change(conn, account, &change).await }));
    changed.await.map_err(|error| match error {
        ChangeError::SiteKeyTaken => Failure::refused(error.to_string()),
        ChangeError::Database(fault) => fault.into(),
    })?;
    if let Some(secret) = secret {
        output::remark(&format!("The signing secret, which cannot be shown again: {}", secret.expose_secret()));
    }
    let lines = super::lines(database, Some(&wanted.alias)).await?;
    lines.first().map_or(Ok(()), |line| output::one(wanted.output, line))
}
