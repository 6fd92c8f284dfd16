//! The command line: its words, and which of them does what. Each area has a file; what they share is in `database`,
//! `exit` and `output`.
//!
//! `serve` and `demo` own the private PostgreSQL. All other commands attach to it, or start it for as long as they last.

mod accounts;
mod banks;
mod bulk;
mod campaigns;
mod coupons;
mod database;
mod demo;
mod demo_data;
mod demo_shop;
mod doctor;
mod exit;
mod output;
mod postgres;
mod progress;
mod purchases;
mod referral_codes;
mod rows;
mod sandboxes;
mod serve;
mod webhook_listen;
mod webhooks;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::config::{DatabaseArgs, LogArgs, LogFormat, ServeArgs};
use crate::telemetry;
use exit::Failure;

/// The settings that every command takes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Settings of every command")]
pub struct Settings {
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Goodword tells who referred an order, from the coupon code or referral code that came with it.
#[derive(Debug, Parser)]
#[command(name = "goodword", version, after_help = exit::HELP, max_term_width = 110)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
enum Command {
    /// Try it: serve with made-up data and print calls that are ready to paste.
    Demo(ServeArgs),
    /// Serve the API.
    Serve {
        #[command(flatten)]
        serve: ServeArgs,
        /// Refuse to start when the database lacks migrations, instead of applying them.
        #[arg(long, env = "GOODWORD_NO_MIGRATE", value_parser = clap::builder::BoolishValueParser::new())]
        no_migrate: bool,
    },
    /// Look at the database and the clock, and say what to do.
    Doctor(doctor::DoctorArgs),
    /// Apply the migrations that the database lacks.
    Migrate,
    /// Merchants.
    #[command(subcommand)]
    Account(accounts::AccountCommand),
    /// Credentials of the API.
    #[command(subcommand)]
    Key(accounts::KeyCommand),
    /// The terms under which referring is rewarded.
    #[command(subcommand)]
    Campaign(campaigns::CampaignCommand),
    /// Stocks of coupons.
    #[command(subcommand)]
    Bank(banks::BankCommand),
    /// The codes in the banks.
    #[command(subcommand)]
    Coupons(coupons::CouponsCommand),
    /// Referral codes of many advocates at once.
    #[command(subcommand)]
    ReferralCodes(referral_codes::ReferralCodesCommand),
    /// Orders of the past, or of tills.
    #[command(subcommand)]
    Purchases(purchases::PurchasesCommand),
    /// Where events are posted.
    #[command(subcommand)]
    Webhook(webhooks::WebhookCommand),
    /// Print the contract of the API.
    Openapi,
    /// Run the private PostgreSQL alone, for tests.
    #[command(hide = true)]
    Postgres(postgres::PostgresArgs),
}

impl Command {
    /// What is logged when `RUST_LOG` says nothing. Only a server tells its story; others speak through their output.
    fn log_filter(&self) -> &'static str {
        if matches!(self, Self::Serve { .. }) { "info" } else { "warn" }
    }
}

/// How long the end waits for threads that may be busy.
const LEAVE_LIMIT: Duration = Duration::from_millis(100);

/// Parses the command line, runs it, and gives the exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    telemetry::start_logging(cli.settings.log.log_format == LogFormat::Json, cli.command.log_filter());
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = match builder
        .enable_all()
        .on_thread_park(telemetry::write_kept)
        .on_thread_stop(telemetry::write_kept)
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return Failure::new(exit::Exit::Failure, format!("cannot start: {error}")).report(),
    };
    let outcome = runtime.block_on(run(&cli.settings, cli.command));
    // The others write their last lines. A thread that waits for a terminal's input would hold us for ever.
    runtime.shutdown_timeout(LEAVE_LIMIT);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

async fn run(settings: &Settings, command: Command) -> Result<(), Failure> {
    let database = &settings.database;
    match command {
        Command::Demo(serve) => demo::run(database, &serve).await,
        Command::Serve { serve, no_migrate } => serve::run(database, &serve, no_migrate).await,
        Command::Doctor(args) => doctor::run(database, &args).await,
        Command::Migrate => database::migrate(database).await,
        Command::Account(command) => accounts::run_account(database, command).await,
        Command::Key(command) => accounts::run_key(database, command).await,
        Command::Campaign(command) => campaigns::run(database, command).await,
        Command::Bank(command) => banks::run(database, command).await,
        Command::Coupons(command) => coupons::run(database, command).await,
        Command::ReferralCodes(command) => referral_codes::run(database, command).await,
        Command::Purchases(command) => purchases::run(database, command).await,
        Command::Webhook(command) => webhooks::run(database, command).await,
        Command::Openapi => output::print(crate::OPENAPI),
        Command::Postgres(args) => postgres::run(database, &args).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
