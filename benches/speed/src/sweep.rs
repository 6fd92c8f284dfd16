//! Looks for the client counts and pool sizes at which each yardstick is at its best, and for the threads that the load
//! generator needs. A yardstick that is held down would be a lie about ourselves.

use serde::Serialize;

use crate::machine;
use crate::pgbench::Script;
use crate::scenarios::{Bench, Target};
use crate::wrk::Traffic;

const CLIENTS: [usize; 5] = [4, 8, 16, 32, 64];
/// The private PostgreSQL takes a hundred connections, of which the server has some.
const POOLS: [u32; 4] = [8, 16, 32, 64];
/// Seconds that one setting is tried.
const TRY_SECONDS: u64 = 2;

/// What was found to be best.
#[derive(Clone, Debug, Serialize)]
pub struct Best {
    pub clients_purchase: usize,
    pub clients_insert: usize,
    pub clients_shuffle_key: usize,
    pub pool_64: u32,
    pub pool_256: u32,
    pub threads_ours: usize,
    pub threads_one_statement: usize,
    pub threads_echo: usize,
    /// Every trial: what, setting, rate.
    pub trials: Vec<(String, u64, f64)>,
}

impl Default for Best {
    fn default() -> Self {
        let threads = machine::cores();
        Self {
            clients_purchase: 64,
            clients_insert: 64,
            clients_shuffle_key: 8,
            pool_64: 16,
            pool_256: 16,
            threads_ours: threads,
            threads_one_statement: threads,
            threads_echo: threads,
            trials: Vec::new(),
        }
    }
}

impl Bench<'_> {
    /// Tries the settings of whatever is wanted.
    pub async fn sweep(&mut self, wanted: &impl Fn(&str) -> bool) -> anyhow::Result<()> {
        eprintln!("looking for the best settings of the yardsticks");
        let seconds = TRY_SECONDS.min(self.seconds);
        if self.seconds == 1 {
            return Ok(()); // Too short to tell.
        }
        for (script, name) in
            [(Script::Purchase, "p1"), (Script::PlainInsert, "insert"), (Script::ShuffleKeyIssue, "shuffle-key")]
        {
            if !wanted(&format!("{name}-best")) {
                continue;
            }
            let mut tried = Vec::new();
            for clients in CLIENTS {
                tried.push((clients, self.pgbench(script, clients, seconds).await?.rate));
            }
            let clients = self.chosen(name, &tried);
            match script {
                Script::Purchase => self.best.clients_purchase = clients,
                Script::PlainInsert => self.best.clients_insert = clients,
                Script::ShuffleKeyIssue | Script::ShuffleKeyClaim => self.best.clients_shuffle_key = clients,
            }
        }
        for connections in [64, 256] {
            if wanted(&format!("one-statement-{connections}")) {
                let mut tried = Vec::new();
                for pool in POOLS {
                    let target = Target::OneStatement { pool };
                    let threads = self.best.threads_one_statement;
                    tried
                        .push((pool, self.http(target, Traffic::Purchases, connections, threads, seconds).await?.rate));
                }
                let pool = self.chosen(&format!("one-statement-{connections} pool"), &tried);
                if connections == 64 { self.best.pool_64 = pool } else { self.best.pool_256 = pool }
            }
        }
        self.sweep_threads(wanted, seconds).await
    }

    async fn sweep_threads(&mut self, wanted: &impl Fn(&str) -> bool, seconds: u64) -> anyhow::Result<()> {
        let pool = self.best.pool_64;
        let targets = [
            ("purchases-64", Target::Goodword),
            ("one-statement-64", Target::OneStatement { pool }),
            ("echo-64", Target::Echo { threads: 1 }),
        ];
        for (name, target) in targets {
            if !wanted(name) || machine::cores() == 1 {
                continue;
            }
            let mut tried = Vec::new();
            for threads in [1, machine::cores()] {
                tried.push((threads, self.http(target, Traffic::Purchases, 64, threads, seconds).await?.rate));
            }
            let threads = self.chosen(&format!("{name} threads of wrk"), &tried);
            match target {
                Target::Goodword => self.best.threads_ours = threads,
                Target::OneStatement { .. } => self.best.threads_one_statement = threads,
                Target::Echo { .. } => self.best.threads_echo = threads,
            }
        }
        Ok(())
    }

    /// The setting with the highest rate.
    fn chosen<T: Copy + TryInto<u64>>(&mut self, name: &str, tried: &[(T, f64)]) -> T {
        for (setting, rate) in tried {
            let setting = (*setting).try_into().unwrap_or_default();
            eprintln!("  {name:<28} {setting:>4}  {rate:>9.0}/s");
            self.best.trials.push((name.to_owned(), setting, *rate));
        }
        let best = tried.iter().max_by(|left, right| left.1.total_cmp(&right.1));
        best.map_or(tried[0].0, |(setting, _)| *setting)
    }
}
