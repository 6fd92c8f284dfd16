//! `goodword campaign`: the terms under which referring is rewarded.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::accounts::{AccountChoice, title};
use super::database::{Database, with};
use super::exit::Failure;
use super::output::{self, Line, OutputArgs, moment};
use crate::campaigns::rules::Rules;
use crate::campaigns::{self, Campaign, NewCampaign};
use crate::config::DatabaseArgs;
use crate::db;
use crate::types::clock::Clock;
use crate::types::ids::{AccountId, CampaignId};
use crate::types::page::{LIMIT_MAX, Span};
use crate::types::url::WebUrl;

/// The largest id: every JSON reader keeps it exact.
pub const ID_MAX: i64 = 9_007_199_254_740_991;

/// What can be done with campaigns.
#[derive(Debug, Subcommand)]
pub enum CampaignCommand {
    /// Create a campaign.
    Create(NewCampaignArgs),
    /// List an account's campaigns.
    List {
        #[command(flatten)]
        account: AccountChoice,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// What a new campaign needs.
#[derive(Debug, Args)]
pub struct NewCampaignArgs {
    #[command(flatten)]
    account: AccountChoice,
    /// Its name.
    #[arg(long)]
    name: String,
    /// Where its trackable links lead.
    #[arg(long)]
    destination_url: String,
    /// The id that your code knows already; left out, a free one is taken.
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..=ID_MAX))]
    id: Option<i64>,
    #[command(flatten)]
    output: OutputArgs,
}

/// A campaign as it is printed.
#[derive(Serialize)]
struct CampaignLine {
    id: i64,
    name: String,
    destination_url: String,
    archived: bool,
    #[serde(with = "time::serde::rfc3339")]
    created_at: time::OffsetDateTime,
}

impl From<Campaign> for CampaignLine {
    fn from(campaign: Campaign) -> Self {
        Self {
            id: campaign.id.0,
            name: campaign.name,
            destination_url: campaign.destination_url,
            archived: campaign.archived,
            created_at: campaign.created_at,
        }
    }
}

impl Line for CampaignLine {
    const HEADS: &'static [&'static str] = &["ID", "NAME", "DESTINATION", "ARCHIVED", "CREATED"];

    fn cells(&self) -> Vec<String> {
        let archived = if self.archived { "yes" } else { "no" };
        let id = self.id.to_string();
        vec![id, self.name.clone(), self.destination_url.clone(), archived.to_owned(), moment(self.created_at)]
    }
}

/// `goodword campaign`
pub async fn run(args: &DatabaseArgs, command: CampaignCommand) -> Result<(), Failure> {
    match command {
        CampaignCommand::Create(new) => {
            let wanted = read(&new)?;
            with(args, async |database| {
                let account = new.account.find(&database.pool).await?.id;
                create(database, account, wanted, new.output).await
            })
            .await
        }
        CampaignCommand::List { account, output } => {
            with(args, async |database| {
                let account = account.find(&database.pool).await?.id;
                output::list(output, &list(database, account).await?)
            })
            .await
        }
    }
}

fn read(new: &NewCampaignArgs) -> Result<NewCampaign, Failure> {
    let destination_url = WebUrl::try_from(new.destination_url.as_str());
    Ok(NewCampaign {
        id: new.id.map(CampaignId),
        name: title(&new.name)?,
        destination_url: destination_url.map_err(|why| Failure::refused(format!("--destination-url {why}")))?,
        archived: false,
        rules: Rules::default(),
    })
}

async fn create(database: &Database, account: AccountId, new: NewCampaign, output: OutputArgs) -> Result<(), Failure> {
    let now = Clock::System.now();
    let created =
        db::transact(&database.pool, move |conn| Box::pin(campaigns::create(conn, account, new, now))).await?;
    let taken = || Failure::refused("there is a campaign with this id already; leave --id out to get a free one");
    output::one(output, &CampaignLine::from(created.ok_or_else(taken)?.campaign))
}

async fn list(database: &Database, account: AccountId) -> Result<Vec<CampaignLine>, Failure> {
    let mut conn = database.pool.acquire().await?;
    let mut lines = Vec::new();
    let mut span = Span::first(LIMIT_MAX);
    loop {
        let page = campaigns::list(&mut conn, account, &span).await?;
        let Some((last, _)) = page.rows.last() else { return Ok(lines) };
        span.after = *last;
        lines.extend(page.rows.into_iter().map(|(_, terms)| CampaignLine::from(terms.campaign)));
    }
}
