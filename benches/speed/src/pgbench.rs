//! Yardsticks run by pgbench, with the programs that belong to the running server.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::database::Database;
use crate::figures::Figures;
use crate::machine;
use crate::process::{command, output};
use crate::seed::{ACCOUNT_ID, CAMPAIGN_ID};

/// A purchase with a code, in one statement.
pub const WITH_CODE: &str = include_str!("../sql/purchase_with_code.sql");
/// A purchase without one.
pub const WITHOUT_CODE: &str = include_str!("../sql/purchase_without_code.sql");
const PLAIN_INSERT: &str = include_str!("../sql/plain_insert.sql");
const SHUFFLE_KEY_CLAIM: &str = include_str!("../sql/shuffle_key_claim.sql");
const SHUFFLE_KEY_ISSUE: &str = include_str!("../sql/shuffle_key_issue.sql");

/// What pgbench can be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// P1: one optimal statement for each purchase, half of them attributed.
    Purchase,
    /// A row, and nothing else.
    PlainInsert,
    /// A coupon by the shuffle key, skipping locked ones, and nothing else.
    ShuffleKeyClaim,
    /// The same, stored with its advocate and referral code, as ours are.
    ShuffleKeyIssue,
}

/// A statement with parameters by number, as drivers want it.
#[derive(Debug)]
pub struct Statement {
    pub sql: String,
    /// Names, from `$1` on.
    pub parameters: Vec<String>,
}

impl Statement {
    /// Reads `:name` parameters. `::type` is left alone.
    pub fn numbered(text: &str) -> Self {
        let (mut sql, mut parameters) = (String::new(), Vec::<String>::new());
        let text: String = text.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
        let mut rest = text.trim().trim_end_matches(';');
        while let Some(at) = rest.find(':') {
            let (before, after) = rest.split_at(at);
            sql.push_str(before);
            if let Some(cast) = after.strip_prefix("::") {
                sql.push_str("::");
                rest = cast;
                continue;
            }
            let word = after[1..].find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(after.len() - 1);
            let name = &after[1..=word];
            let known = parameters.iter().position(|parameter| parameter == name);
            let index = known.unwrap_or_else(|| {
                parameters.push(name.to_owned());
                parameters.len() - 1
            });
            sql.push_str(&format!("${}", index + 1));
            rest = &after[word + 1..];
        }
        sql.push_str(rest);
        Self { sql, parameters }
    }
}

/// pgbench on the server under test.
#[derive(Debug)]
pub struct Pgbench {
    program: PathBuf,
    scripts: PathBuf,
    /// The codes that advocates hold, by number: the first and the last.
    pub held: (i64, i64),
    runs: u64,
}

impl Pgbench {
    /// Finds the program beside the running server's; `scripts` is a directory for what it is told to do. Orders come
    /// with the `held` codes after the first `after`.
    pub async fn find(database: &Database, scripts: &Path, after: i64, held: i64) -> anyhow::Result<Self> {
        let dir = database.programs().await?;
        let program = dir.join("pgbench");
        if !program.is_file() {
            bail!("there is no pgbench in {}; it comes with PostgreSQL's server package", dir.display());
        }
        Ok(Self { program, scripts: scripts.to_owned(), held: (after + 1, after + held), runs: 0 })
    }

    /// Runs a script for some seconds with that many clients, of which none may fail. Also gives how often.
    pub async fn run(
        &mut self,
        database: &Database,
        script: Script,
        clients: usize,
        seconds: u64,
    ) -> anyhow::Result<(Figures, u64)> {
        self.runs += 1;
        let mut run = command(&self.program);
        run.args(["--no-vacuum", "--protocol=prepared"]);
        run.arg(format!("--client={clients}")).arg(format!("--jobs={}", clients.min(machine::cores())));
        // pgbench's time includes that for connecting, which its rate leaves out.
        let connecting = u64::try_from(clients.div_ceil(32))?;
        run.arg(format!("--time={}", seconds + connecting));
        let (first, last) = self.held;
        let run_number = self.runs.cast_signed();
        for (name, value) in [("account", ACCOUNT_ID), ("n", 0), ("first", first), ("last", last), ("run", run_number)]
        {
            run.arg(format!("--define={name}={value}"));
        }
        for (name, text) in self.texts(script) {
            let path = self.scripts.join(name);
            tokio::fs::write(&path, text).await?;
            run.arg("--file").arg(path);
        }
        run.envs(database.environment());
        let said = output(&mut run).await?;
        read(&said).with_context(|| format!("pgbench said {said:?}"))
    }

    /// Several scripts are taken by lot, with equal chances.
    fn texts(&self, script: Script) -> Vec<(&'static str, String)> {
        // Unique, and each client's ids grow, as those of real shops do. The code is computed as in `seed::code`.
        let order = "\\set n :n + 1\n\\set order_id (:run * 1000 + :client_id) * 10000000 + :n\n";
        let values = |sql: &str| {
            sql.replace(":order_id::text", "('p-' || :order_id)")
                .replace(":amount::numeric", "49.90::numeric")
                .replace(":email::text", "('p-' || :order_id || '@example.com')")
                .replace(":code::text", "('GW' || :code)")
        };
        let holder = "\\set n :n + 1\n\\set holder (:run * 1000 + :client_id) * 10000000 + :n\n";
        let code = "\\set code hash_fnv1a(random(:first, :last), 0) & 4503599627370495\n";
        match script {
            Script::Purchase => vec![
                ("with_code.sql", format!("{order}{code}{}", values(WITH_CODE))),
                ("without_code.sql", format!("{order}{}", values(WITHOUT_CODE))),
            ],
            Script::PlainInsert => vec![("plain_insert.sql", format!("{order}{}", values(PLAIN_INSERT)))],
            Script::ShuffleKeyClaim => vec![("shuffle_key_claim.sql", format!("{holder}{SHUFFLE_KEY_CLAIM}"))],
            Script::ShuffleKeyIssue => {
                let issue = SHUFFLE_KEY_ISSUE
                    .replace(":advocate::text", "('y-' || :holder)")
                    .replace(":email::text", "('y-' || :holder || '@example.net')")
                    .replace(":campaign::bigint", &CAMPAIGN_ID.to_string());
                vec![("shuffle_key_issue.sql", format!("{holder}{issue}"))]
            }
        }
    }
}

fn read(said: &str) -> anyhow::Result<(Figures, u64)> {
    let number = |line: &str, after: &str| -> Option<f64> {
        line.strip_prefix(after)?.trim().split([' ', '/']).next()?.parse().ok()
    };
    let find = |after: &str| said.lines().find_map(|line| number(line.trim(), after));
    if find("number of failed transactions:").is_some_and(|failed| failed > 0.0) {
        bail!("transactions failed");
    }
    let rate = find("tps =").context("no rate")?;
    if rate <= 0.0 {
        bail!("nothing was done");
    }
    let done = "number of transactions actually processed:";
    let done = said.lines().find_map(|line| line.strip_prefix(done)?.trim().parse().ok()).context("no count")?;
    Ok((Figures { rate, ..Figures::default() }, done))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered_once_and_casts_stay() {
        let statement = Statement::numbered("-- why: so\nselect :a_b::text, :c, :a_b::int from x;\n");
        assert_eq!(statement.sql, "select $1::text, $2, $1::int from x");
        assert_eq!(statement.parameters, ["a_b", "c"]);
    }

    #[test]
    fn the_rate_is_read_and_failures_are_not_passed_over() {
        let good = "number of transactions actually processed: 5\nnumber of failed transactions: 0 (0.000%)\ntps = 5619.25 (without initial connection time)\n";
        assert!((read(good).unwrap().0.rate - 5619.25).abs() < 1e-9);
        assert!(read(&good.replace(": 0 (", ": 7 (")).is_err());
        assert!(read("pgbench: error").is_err());
    }
}
