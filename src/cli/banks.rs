//! `goodword bank`: stocks of coupons.

use clap::Subcommand;
use serde::Serialize;

use super::accounts::{AccountChoice, title};
use super::campaigns::ID_MAX;
use super::database::{Database, with};
use super::exit::Failure;
use super::output::{self, Line, OutputArgs, moment};
use crate::config::DatabaseArgs;
use crate::coupon_banks::stock::{LowStock, Stock};
use crate::coupon_banks::{self, Counts, NewCouponBank, StockedBank};
use crate::db;
use crate::types::clock::Clock;
use crate::types::ids::{AccountId, CouponBankId};
use crate::types::page::{LIMIT_MAX, Span};

/// What can be done with banks.
#[derive(Debug, Subcommand)]
pub enum BankCommand {
    /// Create an empty bank.
    Create {
        #[command(flatten)]
        account: AccountChoice,
        /// Its name.
        #[arg(long)]
        name: String,
        /// The id that your code knows already; left out, a free one is taken.
        #[arg(long, value_parser = clap::value_parser!(i64).range(1..=ID_MAX))]
        id: Option<i64>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// List an account's banks with what they hold, how long it lasts, and why it is little.
    List {
        #[command(flatten)]
        account: AccountChoice,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// A bank as it is printed.
#[derive(Serialize)]
struct BankLine {
    id: i64,
    name: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: time::OffsetDateTime,
    counts: Counts,
    stock: Stock,
}

impl BankLine {
    fn new(StockedBank { bank, counts, stock }: StockedBank) -> Self {
        Self { id: bank.id.0, name: bank.name, created_at: bank.created_at, counts, stock }
    }
}

impl Line for BankLine {
    const HEADS: &'static [&'static str] =
        &["ID", "NAME", "TOTAL", "ISSUED", "RETIRED", "AVAILABLE", "A DAY", "DAYS LEFT", "LOW", "CREATED"];

    fn cells(&self) -> Vec<String> {
        let Counts { total, issued, retired, available } = self.counts;
        let mut cells = vec![self.id.to_string(), self.name.clone()];
        cells.extend([total, issued, retired, available].map(|count| count.to_string()));
        cells.push(self.stock.issued_per_day.to_string());
        cells.push(self.stock.days_left.map_or_else(String::new, |days| days.to_string()));
        cells.push(self.stock.reasons.iter().map(|reason| reason.as_str()).collect::<Vec<_>>().join(","));
        cells.push(moment(self.created_at));
        cells
    }
}

/// `goodword bank`
pub async fn run(args: &DatabaseArgs, command: BankCommand) -> Result<(), Failure> {
    match command {
        BankCommand::Create { account, name, id, output } => {
            let new = NewCouponBank { id: id.map(CouponBankId), name: title(&name)?, low_stock: LowStock::default() };
            with(args, async |database| {
                let account = account.find(&database.pool).await?.id;
                create(database, account, new, output).await
            })
            .await
        }
        BankCommand::List { account, output } => {
            with(args, async |database| {
                let account = account.find(&database.pool).await?.id;
                output::list(output, &list(database, account).await?)
            })
            .await
        }
    }
}

async fn create(
    database: &Database,
    account: AccountId,
    new: NewCouponBank,
    output: OutputArgs,
) -> Result<(), Failure> {
    let now = Clock::System.now();
    let created =
        db::transact(&database.pool, move |conn| Box::pin(coupon_banks::create(conn, account, new, now))).await?;
    let taken = || Failure::refused("there is a coupon bank with this id already; leave --id out to get a free one");
    output::one(output, &BankLine::new(StockedBank::empty(created.ok_or_else(taken)?, now)))
}

async fn list(database: &Database, account: AccountId) -> Result<Vec<BankLine>, Failure> {
    let now = Clock::System.now();
    let mut conn = database.pool.acquire().await?;
    let mut lines = Vec::new();
    let mut span = Span::first(LIMIT_MAX);
    loop {
        let page = coupon_banks::list(&mut conn, account, &span).await?;
        let Some((last, _)) = page.rows.last() else { return Ok(lines) };
        span.after = *last;
        let banks = page.rows.into_iter().map(|(_, bank)| bank).collect();
        let stocked = coupon_banks::take_stock(&mut conn, account, banks, now).await?;
        lines.extend(stocked.into_iter().map(BankLine::new));
    }
}
