//! What is measured, and how one measurement is made: a checkpoint, the run, and a look into the database whether what
//! was answered is what was stored.

use anyhow::{anyhow, bail};

use crate::batch;
use crate::claims::SMALL_BANKS;
use crate::database::{Database, Rows};
use crate::figures::Figures;
use crate::machine;
use crate::pgbench::{Pgbench, Script};
use crate::process::YardstickServer;
use crate::seed::{self, Sizes};
use crate::site::{Paused, Site};
use crate::stock::Stock;
use crate::sweep::Best;
use crate::wrk::{Counted, Load, Traffic, Wrk};

/// Whose answers are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The server under test.
    Goodword,
    /// The bare echo, or a bare redirect, with so many threads.
    Echo { threads: usize },
    /// One optimal statement for each request, on a pool of so many connections.
    OneStatement { pool: u32 },
}

/// What one measurement does.
#[derive(Clone, Debug)]
pub enum Work {
    Pgbench {
        script: Script,
        clients: usize,
    },
    Http {
        target: Target,
        traffic: Traffic,
        connections: usize,
        threads: usize,
    },
    /// Claims at 64 connections from `banks` banks of one size; one after the other, or all at once.
    Claims {
        size: i64,
        banks: usize,
        in_turn: bool,
    },
    /// Claims while another session holds a snapshot.
    Snapshot,
    /// NDJSON, with so many streams at once.
    Batch {
        streams: u64,
    },
}

/// A measurement with its name.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: String,
    pub work: Work,
}

/// Everything that measuring needs.
#[derive(Debug)]
pub struct Bench<'a> {
    pub site: &'a Site,
    pub database: Database,
    pub sizes: Sizes,
    pub seconds: u64,
    pub best: Best,
    pub stock: Stock,
    pub wrk: Wrk,
    pgbench: Pgbench,
    pub authorization: String,
    pub batches: u64,
    /// The highest rate of claims so far.
    pub claims_per_s: f64,
}

/// All scenarios, in the order of the first round.
pub fn all(bench: &Bench<'_>, quick: bool) -> Vec<Scenario> {
    let best = &bench.best;
    let pgbench =
        |name: &str, script, clients| Scenario { name: name.to_owned(), work: Work::Pgbench { script, clients } };
    let http = |name: &str, target, connections, threads| Scenario {
        name: name.to_owned(),
        work: Work::Http { target, traffic: Traffic::Purchases, connections, threads },
    };
    let redirects = |name: &str, target, threads| Scenario {
        name: name.to_owned(),
        work: Work::Http { target, traffic: Traffic::Redirects, connections: 64, threads },
    };
    let claims = |name: &str, size, banks, in_turn| Scenario {
        name: name.to_owned(),
        work: Work::Claims { size, banks, in_turn },
    };
    let ours = best.threads_ours;
    let one_statement = |pool| Target::OneStatement { pool };
    let mut all = vec![
        http("purchases-64", Target::Goodword, 64, ours),
        pgbench("p1-64", Script::Purchase, 64),
        http("one-statement-64", one_statement(best.pool_64), 64, best.threads_one_statement),
        pgbench("insert-64", Script::PlainInsert, 64),
        http("echo-64", Target::Echo { threads: 1 }, 64, best.threads_echo),
        http("purchases-1", Target::Goodword, 1, 1),
        // A client who is alone is served best by one connection: of several, each is used in its turn, and has grown cold.
        http("one-statement-1", one_statement(1), 1, 1),
        http("purchases-256", Target::Goodword, 256, ours),
        http("one-statement-256", one_statement(best.pool_256), 256, best.threads_one_statement),
        claims("claims-one-bank", bench.sizes.large, 1, true),
        pgbench("shuffle-key-8", Script::ShuffleKeyIssue, 8),
        pgbench("shuffle-key-alone-8", Script::ShuffleKeyClaim, 8),
        claims("claims-small-banks", bench.sizes.small, SMALL_BANKS, true),
        Scenario { name: "claims-snapshot".to_owned(), work: Work::Snapshot },
        claims("claims-eight-banks", bench.sizes.eighth, 8, false),
        http("purchases-16", Target::Goodword, 16, ours),
        Scenario {
            name: "mixed-64".to_owned(),
            work: Work::Http { target: Target::Goodword, traffic: Traffic::Mixed, connections: 64, threads: ours },
        },
        redirects("redirects-64", Target::Goodword, ours),
        redirects("bare-redirects-64", Target::Echo { threads: 1 }, best.threads_echo),
        http("generator-ceiling", Target::Echo { threads: machine::cores() }, 64, machine::cores()),
    ];
    if let Some(huge) = bench.sizes.huge {
        all.push(claims("claims-huge-bank", huge, 1, true));
    }
    for streams in [1, 4] {
        all.push(Scenario { name: format!("batch-{streams}"), work: Work::Batch { streams } });
    }
    let at_best = [
        ("p1-best", Script::Purchase, best.clients_purchase, 64),
        ("insert-best", Script::PlainInsert, best.clients_insert, 64),
        ("shuffle-key-best", Script::ShuffleKeyIssue, best.clients_shuffle_key, 8),
    ];
    // Where the best count is the one that the table asks for, it is measured already.
    all.extend(
        at_best.into_iter().filter(|best| best.2 != best.3 && !quick).map(|best| pgbench(best.0, best.1, best.2)),
    );
    all
}

impl<'a> Bench<'a> {
    /// Fills the database.
    pub async fn prepare(site: &'a Site, sizes: Sizes, seconds: u64, rounds: u32) -> anyhow::Result<Self> {
        eprintln!("loading codes");
        let authorization = seed::make_account(site).await?;
        let mut stock = Stock::default();
        if let Some(huge) = sizes.huge {
            // First, because a load into an empty table is what the goal is about.
            stock.load(site, huge).await?;
        }
        let held_from = stock.imports.iter().map(|import| import.codes).sum::<i64>();
        let bank = stock.load(site, sizes.large).await?;
        stock.note(bank, sizes.large);
        let database = Database::open(&site.data_dir()).await?;
        eprintln!("giving {} codes to advocates, and filling the yardstick's table", sizes.held);
        seed::make_shuffle_key_table(&database, sizes.large).await?;
        seed::hold_codes(&database, held_from, sizes.held).await?;
        let codes = site.path("held-codes");
        seed::write_codes(&codes, held_from + 1, sizes.held)?;
        let scripts = site.path("scripts");
        tokio::fs::create_dir(&scripts).await?;
        let pgbench = Pgbench::find(&database, &scripts, held_from, sizes.held).await?;
        let wrk = Wrk::new(&scripts, &codes, authorization.clone(), held_from + 1).await?;
        let best = Best::default();
        let mut bench = Self {
            site,
            database,
            sizes,
            seconds,
            best,
            stock,
            pgbench,
            wrk,
            authorization,
            batches: 0,
            claims_per_s: 0.0,
        };
        bench.make_history(rounds).await?;
        Ok(bench)
    }

    /// The codes that advocates hold, by number: the first and the last.
    pub fn held(&self) -> (i64, i64) {
        self.pgbench.held
    }

    /// Makes one measurement. Fails when any answer was not the one that is wanted.
    pub async fn perform(&mut self, scenario: &Scenario) -> anyhow::Result<Figures> {
        let mut figures = match &scenario.work {
            Work::Pgbench { script, clients } => self.pgbench(*script, *clients, self.seconds).await?,
            Work::Http { target, traffic, connections, threads } => {
                self.http(*target, *traffic, *connections, *threads, self.seconds).await?
            }
            Work::Claims { size, banks, in_turn } => self.claims(*size, *banks, *in_turn, self.seconds).await?,
            Work::Snapshot => self.snapshot().await?,
            Work::Batch { streams } => batch::run(self, *streams).await?,
        };
        self.database.check_alive().await?;
        figures.server_kb = self.site.server_pid().and_then(machine::memory_kb).map(|(now, _)| now);
        Ok(figures)
    }

    /// One run of pgbench.
    pub async fn pgbench(&mut self, script: Script, clients: usize, seconds: u64) -> anyhow::Result<Figures> {
        if matches!(script, Script::ShuffleKeyClaim | Script::ShuffleKeyIssue) {
            // Its dead rows would make it slower and slower.
            sqlx::raw_sql("vacuum yardstick.coupons").execute(&self.database.pool).await?;
        }
        let _paused = self.set_server_aside().await?;
        let rows = match script {
            Script::Purchase | Script::PlainInsert => Some(Rows::Purchases),
            Script::ShuffleKeyIssue => Some(Rows::ReferralCodes),
            Script::ShuffleKeyClaim => None,
        };
        let before = self.database.moment().await?;
        let (figures, done) = self.pgbench.run(&self.database, script, clients, seconds).await?;
        if let Some(rows) = rows {
            let (stored, with_advocate) = self.database.count_since(rows, &before).await?;
            check_stored(stored, done, 0)?;
            match script {
                Script::Purchase => check_half(with_advocate, stored)?,
                Script::ShuffleKeyIssue => check_stored(with_advocate, done, 0)?,
                Script::PlainInsert | Script::ShuffleKeyClaim => {}
            }
        }
        Ok(figures)
    }

    /// Orders, or mixed requests, over HTTP.
    pub async fn http(
        &mut self,
        target: Target,
        traffic: Traffic,
        connections: usize,
        threads: usize,
        seconds: u64,
    ) -> anyhow::Result<Figures> {
        let banks = if traffic == Traffic::Mixed {
            let claims = self.claims_expected(seconds) / 10;
            self.stock.with_room(self.site, self.sizes.large, 1, claims).await?.iter().map(|bank| bank.id).collect()
        } else {
            Vec::new()
        };
        let _paused = match target {
            Target::Goodword => self.database.settle().await.map(|()| None)?,
            Target::Echo { .. } | Target::OneStatement { .. } => Some(self.set_server_aside().await?),
        };
        let before = self.database.moment().await?;
        let yardstick = match target {
            Target::Goodword => None,
            Target::Echo { threads } => Some(["echo".to_owned(), threads.to_string()]),
            Target::OneStatement { pool } => Some(["one-statement".to_owned(), pool.to_string()]),
        };
        let yardstick = match yardstick {
            Some(arguments) => Some(YardstickServer::start(&arguments, &self.database.url()).await?),
            None => None,
        };
        let address = yardstick.as_ref().map_or_else(|| self.site.address(), |server| server.address.as_str());
        let load = Load { connections, threads, seconds, banks: &banks, ..Load::new(traffic, address) };
        let counted = self.wrk.run(&load).await;
        if let Some(yardstick) = yardstick {
            yardstick.stop().await?;
        }
        let counted = self.explained(counted)?;
        for bank in banks {
            self.stock.note(bank, counted.requests.cast_signed() / 10 + 1);
        }
        if traffic == Traffic::Purchases && !matches!(target, Target::Echo { .. }) {
            let (stored, attributed) = self.database.count_since(Rows::Purchases, &before).await?;
            check_stored(stored, counted.requests, connections)?;
            check_half(attributed, stored)?;
        }
        Ok(counted.figures())
    }

    /// Stops the server under test at a moment when it does nothing, as long as the result lives: a yardstick has the machine to itself.
    async fn set_server_aside(&self) -> anyhow::Result<Paused> {
        loop {
            self.database.settle().await?;
            let paused = self.site.pause();
            if self.database.count_busy().await? == 0 {
                return Ok(paused);
            }
        }
    }

    /// A failed run, with what the server says about it.
    pub fn explained(&self, counted: anyhow::Result<Counted>) -> anyhow::Result<Counted> {
        counted.map_err(|error| {
            let log = self.site.log();
            let refused = log.lines().rev().find(|line| line.contains("request refused"));
            let last = refused.or_else(|| log.lines().next_back()).unwrap_or_default();
            anyhow!("{error:#}; the server's log says: {last}")
        })
    }
}

/// What was answered must be what was stored, but for the requests on their way when the run ended.
pub fn check_stored(stored: u64, answered: u64, on_their_way: usize) -> anyhow::Result<()> {
    let most = answered + u64::try_from(on_their_way)?;
    if (answered..=most).contains(&stored) {
        return Ok(());
    }
    bail!("{answered} were answered, but {stored} rows were stored")
}

/// About half of the orders must be attributed.
fn check_half(attributed: u64, stored: u64) -> anyhow::Result<()> {
    let allowed = stored * 4 / 10..=stored * 6 / 10;
    if stored < 500 || allowed.contains(&attributed) {
        return Ok(());
    }
    bail!("of {stored} orders {attributed} were attributed, not half")
}
