//! The load generator, wrk, with scripts of ours.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::figures::Figures;
use crate::process::{command, output};

const COMMON: &str = include_str!("../lua/common.lua");

/// What wrk can be asked to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// Orders, half of them attributed.
    Purchases,
    /// New advocates who take a code of a bank.
    Claims,
    /// Orders, claims and look-ups.
    Mixed,
    /// Clicks on links.
    Redirects,
}

impl Traffic {
    fn script(self) -> (&'static str, &'static str) {
        match self {
            Self::Purchases => ("purchases.lua", include_str!("../lua/purchases.lua")),
            Self::Claims => ("claims.lua", include_str!("../lua/claims.lua")),
            Self::Mixed => ("mixed.lua", include_str!("../lua/mixed.lua")),
            Self::Redirects => ("redirects.lua", include_str!("../lua/redirects.lua")),
        }
    }
}

/// One run.
#[derive(Clone, Debug)]
pub struct Load<'a> {
    pub traffic: Traffic,
    /// `host:port`
    pub address: &'a str,
    pub connections: usize,
    pub threads: usize,
    pub seconds: u64,
    /// The banks that claims are for.
    pub banks: &'a [i64],
    /// Claims for one bank before the next is taken; 0 goes round all banks.
    pub per_bank: u64,
    /// Claims after which the run ends early: no bank may run dry.
    pub claims_max: u64,
}

impl<'a> Load<'a> {
    /// Nothing but where and what.
    pub fn new(traffic: Traffic, address: &'a str) -> Self {
        Self { traffic, address, connections: 1, threads: 1, seconds: 1, banks: &[], per_bank: 0, claims_max: 0 }
    }
}

/// What wrk counted.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Counted {
    pub requests: u64,
    duration_us: u64,
    /// Answers that are errors.
    refused: u64,
    /// Connections that failed, and answers that never came.
    broken: u64,
    p50_us: u64,
    p99_us: u64,
}

impl Counted {
    /// Rate and times.
    #[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
    pub fn figures(&self) -> Figures {
        Figures {
            rate: self.requests as f64 * 1e6 / self.duration_us as f64,
            p50_ms: Some(self.p50_us as f64 / 1e3),
            p99_ms: Some(self.p99_us as f64 / 1e3),
            ..Figures::default()
        }
    }
}

/// wrk with its scripts and credentials.
#[derive(Debug)]
pub struct Wrk {
    scripts: PathBuf,
    codes: PathBuf,
    authorization: String,
    /// The number of the first advocate who has a link.
    held_first: i64,
    tag: String,
    runs: u64,
}

impl Wrk {
    /// `authorization` is the header's value; `codes` a file with codes of advocates, of whom the first has the number `held_first`.
    pub async fn new(scripts: &Path, codes: &Path, authorization: String, held_first: i64) -> anyhow::Result<Self> {
        for traffic in [Traffic::Purchases, Traffic::Claims, Traffic::Mixed, Traffic::Redirects] {
            let (name, text) = traffic.script();
            tokio::fs::write(scripts.join(name), format!("{COMMON}\n{text}")).await?;
        }
        let tag = format!("{:06x}", rand::random::<u32>() >> 8);
        Ok(Self { scripts: scripts.to_owned(), codes: codes.to_owned(), authorization, held_first, tag, runs: 0 })
    }

    /// Sends requests. Fails when any answer was an error or missing: the figures would be of refusals.
    pub async fn run(&mut self, load: &Load<'_>) -> anyhow::Result<Counted> {
        self.runs += 1;
        let threads = load.threads.min(load.connections);
        let mut run = command("wrk");
        run.arg(format!("-t{threads}")).arg(format!("-c{}", load.connections)).arg(format!("-d{}s", load.seconds));
        run.args(["--timeout", "15s", "-s"]).arg(self.scripts.join(load.traffic.script().0));
        run.arg(format!("http://{}", load.address));
        let banks: Vec<String> = load.banks.iter().map(ToString::to_string).collect();
        let threads = u64::try_from(threads)?;
        let (per_bank, claims_max) = (load.per_bank / threads, load.claims_max / threads);
        run.env("TAG", format!("{}-{}", self.tag, self.runs)).env("HOST", load.address);
        run.env("AUTHORIZATION", &self.authorization).env("CODES", &self.codes);
        run.env("BANKS", banks.join(",")).env("PER_BANK", per_bank.to_string());
        run.env("CLAIMS_MAX", claims_max.to_string()).env("HELD_FIRST", self.held_first.to_string());
        let said = output(&mut run).await?;
        let counted = said.lines().find_map(|line| line.strip_prefix("FIGURES "));
        let counted: Counted = serde_json::from_str(counted.with_context(|| format!("wrk said {said:?}"))?)?;
        if counted.refused > 0 || counted.broken > 0 || counted.requests == 0 {
            let Counted { requests, refused, broken, .. } = counted;
            bail!("of {requests} answers {refused} were refusals, and {broken} never came");
        }
        Ok(counted)
    }
}
