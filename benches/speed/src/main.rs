//! `cargo speed`: measures Goodword against yardsticks on the same machine, and says what of it we hold ourselves to.
//!
//! Everything runs in a scratch directory: the shipped program with its private PostgreSQL, and the yardsticks on that
//! very cluster. Nothing is left running, whatever happens. Figures of different machines, or of different runs, are
//! never compared: only ratios within one run count.

mod batch;
mod chart;
mod claims;
mod database;
mod figures;
mod goals;
mod machine;
mod pgbench;
mod process;
mod report;
mod scenarios;
mod seed;
mod site;
mod stock;
mod sweep;
mod wrk;
mod yardsticks;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::figures::Results;
use crate::scenarios::Bench;
use crate::seed::Sizes;
use crate::site::Site;

/// Measures Goodword's speed against yardsticks, and prints one table of ratios.
#[derive(Debug, Parser)]
#[command(name = "cargo speed")]
struct Args {
    /// A smoke test: everything once, small and short, and nothing is judged.
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// With a bank of ten million codes.
    #[arg(long)]
    full: bool,
    /// How often everything is measured [default: 3, with --quick 1]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: Option<u32>,
    /// Seconds that one measurement takes [default: 5, with --quick 1]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: Option<u64>,
    /// Measure only what has one of these in its name, such as purchases-64,p1
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    only: Vec<String>,
    /// Write the raw figures to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Draw the ratios into this file.
    #[arg(long)]
    svg: Option<PathBuf>,
    /// Measure this program instead of building it.
    #[arg(long)]
    goodword: Option<PathBuf>,
    /// Where the scratch directory is made: on a real disk that the user `postgres` can enter [default: the system's]
    #[arg(long)]
    scratch: Option<PathBuf>,
    #[command(subcommand)]
    yardstick: Option<Yardstick>,
}

/// Yardsticks that are servers run as processes of this program.
#[derive(Debug, Subcommand)]
enum Yardstick {
    /// Parses JSON and replies.
    #[command(hide = true)]
    Echo { threads: usize },
    /// One optimal statement for each request.
    #[command(hide = true)]
    OneStatement { pool: u32 },
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> anyhow::Result<()> {
    let threads = match &args.yardstick {
        Some(Yardstick::Echo { threads }) => *threads,
        _ => machine::cores(),
    };
    let runtime = if threads == 1 {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?
    } else {
        tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?
    };
    runtime.block_on(async {
        match args.yardstick {
            Some(Yardstick::Echo { .. }) => yardsticks::serve_echo().await,
            Some(Yardstick::OneStatement { pool }) => yardsticks::serve_one_statement(pool).await,
            None => measure(args).await,
        }
    })
}

/// Measures until done, broken or told to stop, and takes everything down in each case.
async fn measure(args: Args) -> anyhow::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let program = match &args.goodword {
        Some(program) => program.canonicalize().with_context(|| program.display().to_string())?,
        None => site::build().await?,
    };
    let mut site = Site::new(&program, args.scratch.as_deref())?;
    let measured = tokio::select! {
        measured = start_and_measure(&mut site, &args) => measured,
        _ = interrupt.recv() => Err(anyhow::anyhow!("interrupted")),
        _ = terminate.recv() => Err(anyhow::anyhow!("told to stop")),
    };
    let taken_down = site.take_down().await;
    let report = measured?;
    taken_down?;
    report.publish(args.json.as_deref(), args.svg.as_deref())
}

async fn start_and_measure(site: &mut Site, args: &Args) -> anyhow::Result<report::Report> {
    site.start().await?;
    let measured = tokio::select! {
        biased;
        lost = site.server_lost() => return Err(lost),
        measured = run_rounds(site, args) => measured,
    };
    match measured {
        // A yardstick may be the first to notice that the server is going away.
        Err(error) => match tokio::time::timeout(Duration::from_secs(2), site.server_lost()).await {
            Ok(lost) => Err(lost.context(format!("{error:#}"))),
            Err(_still_there) => Err(error),
        },
        measured => measured,
    }
}

async fn run_rounds(site: &Site, args: &Args) -> anyhow::Result<report::Report> {
    let sizes = Sizes::chosen(args.quick, args.full);
    let rounds = args.rounds.unwrap_or(if args.quick { 1 } else { 3 });
    let seconds = args.seconds.unwrap_or(if args.quick { 1 } else { 5 });
    let mut bench = Bench::prepare(site, sizes, seconds, rounds).await?;
    let wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|part| name.contains(part.as_str()));
    bench.sweep(&wanted).await?;
    let all = scenarios::all(&bench, args.quick).into_iter().filter(|scenario| wanted(&scenario.name));
    let mut all: Vec<_> = all.collect();
    if all.is_empty() {
        bail!("nothing that is measured has {} in its name", args.only.join(" or "));
    }
    let mut results = Results::default();
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        for scenario in &all {
            let figures = bench.perform(scenario).await.with_context(|| scenario.name.clone())?;
            eprintln!("  {:<28} {figures}", scenario.name);
            results.add(&scenario.name, figures);
        }
        // Whoever came last comes first: a machine that gets slower or faster favours nobody.
        all.reverse();
    }
    report::Report::make(&mut bench, results, args.quick, rounds).await
}
