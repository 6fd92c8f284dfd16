//! `goodword referral-codes`: codes for many advocates at once, and those that advocates have from elsewhere.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek};
use std::ops::ControlFlow;
use std::path::Path;

use clap::{Args, Subcommand};

use super::bulk::{self, FileArgs};
use super::campaigns::ID_MAX;
use super::coupons::open;
use super::database::{Database, with};
use super::exit::Failure;
use super::output;
use super::rows::{self, Column, Default, Layout};
use crate::config::DatabaseArgs;
use crate::coupon_banks::import::{self, Load, LoadError};
use crate::coupon_banks::upload::{FileFault, Format};
use crate::referral_codes::http::{BulkIssuer, read, read_held};
use crate::types::clock::Clock;
use crate::types::codes::CouponCode;
use crate::types::ids::{AccountId, CouponBankId};
use crate::web::fields::Fields;
use crate::web::json::Node;

/// The fields that a file may have columns for.
const COLUMNS: [Column; 7] = [
    ("campaign.id", &["campaign_id", "campaign", "widget_id"]),
    ("customer.id", &["customer_id", "id"]),
    ("customer.email", &["customer_email", "email", "e_mail"]),
    ("customer.first_name", &["customer_first_name", "first_name"]),
    ("customer.last_name", &["customer_last_name", "last_name"]),
    ("coupon_code", &["coupon"]),
    ("coupon_bank_id", &["coupon_bank", "bank_id", "bank"]),
];

/// The same, with the codes that they have.
const COLUMNS_OF_HOLDERS: [Column; 7] = [
    ("campaign.id", &["campaign_id", "campaign", "widget_id"]),
    ("customer.id", &["customer_id", "id"]),
    ("customer.email", &["customer_email", "email", "e_mail"]),
    ("customer.first_name", &["customer_first_name", "first_name"]),
    ("customer.last_name", &["customer_last_name", "last_name"]),
    ("referral_code", &["code"]),
    ("coupon_code", &["coupon"]),
];

/// What can be done with referral codes.
#[derive(Debug, Subcommand)]
pub enum ReferralCodesCommand {
    /// Give each customer of a file a referral code, and a coupon if a bank is named. Safe to run again.
    Create(CreateArgs),
    /// Take over advocates with the referral codes and coupons that they have from elsewhere. Safe to run again.
    Import(ImportArgs),
}

/// What new codes need.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// The campaign of rows that name none.
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(i64).range(1..=ID_MAX))]
    campaign: Option<i64>,
    /// The bank that rows which name neither a bank nor a coupon get a coupon from.
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(i64).range(1..=ID_MAX))]
    bank: Option<i64>,
    #[command(flatten)]
    file: FileArgs,
}

/// What codes from elsewhere need.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The campaign of rows that name none.
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(i64).range(1..=ID_MAX))]
    campaign: Option<i64>,
    /// Load coupons that are in none of the account's banks into this one first.
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(i64).range(1..=ID_MAX))]
    bank: Option<i64>,
    #[command(flatten)]
    file: FileArgs,
}

/// `goodword referral-codes`
pub async fn run(args: &DatabaseArgs, command: ReferralCodesCommand) -> Result<(), Failure> {
    match command {
        ReferralCodesCommand::Create(wanted) => with(args, async |database| create(database, wanted).await).await,
        ReferralCodesCommand::Import(wanted) => with(args, async |database| import(database, wanted).await).await,
    }
}

fn of_all(field: &'static str, unless: &'static [&'static str], id: Option<i64>) -> Option<Default> {
    id.map(|id| Default { field, unless, value: Node::Number(id.to_string().into()) })
}

async fn create(database: &Database, CreateArgs { campaign, bank, file }: CreateArgs) -> Result<(), Failure> {
    let account = file.account.find(&database.pool).await?;
    let campaign = of_all("campaign", &[], campaign);
    let bank = of_all("coupon_bank_id", &["coupon_bank", "coupon_code"], bank);
    let layout = Layout {
        columns: &COLUMNS,
        required: &[&["customer.id", "customer.email"]],
        defaults: campaign.into_iter().chain(bank).collect(),
    };
    let mut issuer = BulkIssuer::new(&database.pool, Clock::System, account.clone());
    bulk::import(&file, layout, move |fields: &Fields<'_>| read(fields, &account), &mut issuer, "created").await
}

async fn import(database: &Database, ImportArgs { campaign, bank, file }: ImportArgs) -> Result<(), Failure> {
    let account = file.account.find(&database.pool).await?;
    let layout = || Layout {
        columns: &COLUMNS_OF_HOLDERS,
        required: &[&["customer.id", "customer.email"], &["referral_code", "coupon_code"]],
        defaults: of_all("campaign", &[], campaign).into_iter().collect(),
    };
    if let Some(bank) = bank {
        load_coupons(database, account.id, CouponBankId(bank), layout(), file.path()).await?;
    }
    let mut issuer = BulkIssuer::new(&database.pool, Clock::System, account.clone());
    bulk::import(&file, layout(), move |fields: &Fields<'_>| read_held(fields, &account), &mut issuer, "taken over")
        .await
}

/// Loads the coupons that the rows of a file name. What cannot be loaded is told when its row is refused.
async fn load_coupons(
    database: &Database,
    account_id: AccountId,
    bank_id: CouponBankId,
    layout: Layout,
    file: &Path,
) -> Result<(), Failure> {
    if file == Path::new("-") {
        return Err(Failure::refused("--bank reads the file twice, which standard input cannot be; name a file"));
    }
    let (input, _bytes) = open(file)?;
    let spooled =
        tokio::task::spawn_blocking(move || spool_coupons(input, &layout)).await.map_err(anyhow::Error::from)?;
    let load = Load { account_id, bank_id, format: Format::Text, strict: false, now: Clock::System.now() };
    let spooled = spooled.map_err(|fault| Failure::refused(format!("{}: {fault}.", file.display())))?;
    match import::load(&database.pool, load, spooled).await {
        Ok(report) => output::remark(&format!("Loaded {} coupons into bank {bank_id}.", report.loaded)),
        Err(LoadError::File(FileFault::EmptyFile)) => {}
        Err(LoadError::BankNotFound) => {
            return Err(Failure::refused(format!("the account has no coupon bank {bank_id}; see: goodword bank list")));
        }
        Err(LoadError::Database(fault)) => return Err(fault.into()),
        Err(other) => return Err(Failure::refused(other.to_string())),
    }
    Ok(())
}

/// Writes the coupons of a file to a temporary one, as a bank is loaded from.
fn spool_coupons(input: Box<dyn Read + Send>, layout: &Layout) -> Result<File, rows::FileFault> {
    let mut spooled = csv::Writer::from_writer(BufWriter::new(tempfile::tempfile()?));
    let as_io = |error: csv::Error| io::Error::other(error);
    spooled.write_record(["coupon_code"]).map_err(as_io)?;
    let read = |fields: &Fields<'_>| Some(fields.parse::<CouponCode>("coupon_code"));
    let mut failed = Ok(());
    rows::read(input, layout, &read, &mut |row| {
        if let Ok(Some(code)) = row.row {
            failed = spooled.write_record([code.as_str()]).map_err(as_io);
        }
        if failed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    failed?;
    let mut file =
        spooled.into_inner().map_err(|error| error.into_error())?.into_inner().map_err(|error| error.into_error())?;
    file.rewind()?;
    Ok(file)
}
