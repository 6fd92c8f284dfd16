//! `goodword coupons import`: a merchant's file into a bank, with progress, and a report that says what was refused.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::accounts::AccountChoice;
use super::campaigns::ID_MAX;
use super::database::{Database, with};
use super::exit::{Exit, Failure};
use super::output::{self, OutputArgs};
use super::progress::Progress;
use crate::config::DatabaseArgs;
use crate::coupon_banks::Counts;
use crate::coupon_banks::http::{BankName, LoadOut};
use crate::coupon_banks::import::{self, Load, LoadError};
use crate::coupon_banks::upload::Format;
use crate::types::clock::Clock;
use crate::types::ids::CouponBankId;

/// Refused rows that a person is shown. A program gets all that the report lists.
const REFUSALS_SHOWN_MAX: usize = 20;

/// What can be done with coupons.
#[derive(Debug, Subcommand)]
pub enum CouponsCommand {
    /// Load a file of codes into a bank.
    Import(ImportArgs),
}

/// What an import needs.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The bank's id.
    #[arg(value_parser = clap::value_parser!(i64).range(1..=ID_MAX))]
    bank: i64,
    /// CSV or TXT with the code in column 1 and its PIN, if any, in column 2; or .json; `-` reads standard input.
    file: PathBuf,
    /// Load nothing when a row is refused.
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    account: AccountChoice,
    #[command(flatten)]
    output: OutputArgs,
}

/// `goodword coupons`
pub async fn run(args: &DatabaseArgs, command: CouponsCommand) -> Result<(), Failure> {
    let CouponsCommand::Import(wanted) = command;
    with(args, async |database| import(database, &wanted).await).await
}

async fn import(database: &Database, wanted: &ImportArgs) -> Result<(), Failure> {
    let account = wanted.account.find(&database.pool).await?.id;
    let (input, bytes) = open(&wanted.file)?;
    let load = Load {
        account_id: account,
        bank_id: CouponBankId(wanted.bank),
        format: format(&wanted.file),
        strict: wanted.strict,
        now: Clock::System.now(),
    };
    let progress = Progress::start(bytes);
    let loaded = import::load_watched(&database.pool, load, progress.watch(input), progress.stages()).await;
    progress.finish();
    let (report, nothing_was_loaded) = match loaded {
        Ok(report) => (report, false),
        Err(LoadError::RefusedRows(report)) => (*report, true),
        Err(error) => return Err(explain(error, wanted)),
    };
    let refused = report.refused;
    let line = LoadOut::from(report);
    if wanted.output.json {
        output::json(&line)?
    } else {
        output::print(&text_of(&line))?
    }
    match (refused, nothing_was_loaded) {
        (0, _) => Ok(()),
        (_, false) => Err(Failure::told(Exit::Refused)),
        (_, true) => Err(Failure::refused(format!(
            "{refused} rows are refused, so nothing was loaded; mend them, or import without --strict"
        ))),
    }
}

/// The file, and how many bytes it has if that can be known.
pub fn open(path: &Path) -> Result<(Box<dyn Read + Send>, Option<u64>), Failure> {
    if path == Path::new("-") {
        return Ok((Box::new(std::io::stdin()), None));
    }
    let unreadable = |error| Failure::refused(format!("cannot read {}: {error}; check the path", path.display()));
    let file = File::open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    if about.is_dir() {
        return Err(Failure::refused(format!("{} is a directory; name a file", path.display())));
    }
    let bytes = about.is_file().then_some(about.len());
    Ok((Box::new(file), bytes))
}

fn format(path: &Path) -> Format {
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    if is_json { Format::Json } else { Format::Text }
}

fn explain(error: LoadError, wanted: &ImportArgs) -> Failure {
    let file = wanted.file.display();
    match error {
        LoadError::Database(fault) => fault.into(),
        LoadError::BankNotFound => {
            Failure::refused(format!("the account has no coupon bank {}; see: goodword bank list", wanted.bank))
        }
        LoadError::File(fault) => Failure::refused(format!("{file}: {fault} Nothing was loaded.")),
        other => Failure::refused(format!("{file}: {other}; nothing was loaded")),
    }
}

/// What an import came to, as a person reads it.
fn text_of(line: &LoadOut) -> String {
    let BankName { id, name } = &line.coupon_bank;
    let Counts { total, available, .. } = line.counts;
    let mut text = format!(
        "Loaded {}, refused {}. Bank {id} ({name}) holds {total} coupons, {available} unused.\n",
        line.loaded, line.refused
    );
    for warning in &line.warnings {
        text.push_str(&format!("\nWarning: {warning}\n"));
    }
    if line.refused > 0 {
        let reasons = line.refused_by_reason.iter().map(|(reason, rows)| vec![reason.clone(), rows.to_string()]);
        text.push_str(&format!("\n{}\n", output::table(&["REFUSED FOR", "ROWS"], reasons)));
        let shown = line
            .refusals
            .iter()
            .take(REFUSALS_SHOWN_MAX)
            .map(|row| vec![row.line.to_string(), row.code.clone().unwrap_or_default(), row.message.clone()]);
        text.push_str(&format!("\n{}\n", output::table(&["LINE", "CODE", "WHY"], shown)));
    }
    let hidden = line.refused - i64::try_from(line.refusals.len().min(REFUSALS_SHOWN_MAX)).unwrap_or(0);
    if hidden > 0 {
        text.push_str(&format!("and {hidden} more; --json lists up to a thousand\n"));
    }
    text
}
