//! The table for people, and the raw figures for programs.

use std::path::Path;

use anyhow::Context;
use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;
use serde::Serialize;

use crate::chart;
use crate::database::Setting;
use crate::figures::{Figures, Results, Spread};
use crate::goals::{self, Ratio, Verdict};
use crate::machine::{self, Machine};
use crate::scenarios::Bench;
use crate::stock::Import;
use crate::sweep::Best;

/// Everything that a run came to.
#[derive(Debug, Serialize)]
pub struct Report {
    pub version: String,
    pub measured_at: String,
    /// A smoke test: nothing of it is worth quoting.
    pub quick: bool,
    pub rounds: u32,
    pub seconds: u64,
    pub machine: Machine,
    settings: Vec<Setting>,
    best_settings: Best,
    pub ratios: Vec<Ratio>,
    imports: Vec<Import>,
    server_kb_max: Option<u64>,
    scenarios: Vec<ScenarioFigures>,
}

#[derive(Debug, Serialize)]
struct ScenarioFigures {
    name: String,
    rate: Option<Spread>,
    p50_ms: Option<Spread>,
    p99_ms: Option<Spread>,
    runs: Vec<Figures>,
}

impl Report {
    /// Gathers what there is, while the server still runs.
    pub async fn make(bench: &mut Bench<'_>, results: Results, quick: bool, rounds: u32) -> anyhow::Result<Self> {
        let version = bench.site.goodword(&["--version"]).await?.trim().to_owned();
        let ratios = goals::judge(&results, &bench.stock.imports);
        let scenarios = results.all().map(|(name, runs)| ScenarioFigures {
            name: name.clone(),
            rate: Spread::of(&results.of(name, |run| Some(run.rate))),
            p50_ms: Spread::of(&results.of(name, |run| run.p50_ms)),
            p99_ms: Spread::of(&results.of(name, |run| run.p99_ms)),
            runs: runs.clone(),
        });
        Ok(Self {
            version,
            measured_at: bench.database.now().await?,
            quick,
            rounds,
            seconds: bench.seconds,
            machine: Machine::look(&bench.site.path(""))?,
            settings: bench.database.settings().await?,
            best_settings: bench.best.clone(),
            ratios,
            imports: bench.stock.imports.clone(),
            server_kb_max: bench.site.server_pid().and_then(machine::memory_kb).map(|(_, most)| most),
            scenarios: scenarios.collect(),
        })
    }

    /// Prints the table, and writes the files that are wanted.
    pub fn publish(&self, json: Option<&Path>, svg: Option<&Path>) -> anyhow::Result<()> {
        println!("{}", self.figures_table());
        println!("\n{}", self.ratios_table());
        println!("\n{}", self.small_print());
        if let Some(path) = json {
            let text = serde_json::to_string_pretty(self)? + "\n";
            std::fs::write(path, text).with_context(|| path.display().to_string())?;
        }
        if let Some(path) = svg {
            std::fs::write(path, chart::draw(self)).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }

    /// A setting of the database, or nothing.
    pub fn setting(&self, name: &str) -> &str {
        self.settings.iter().find(|setting| setting.name == name).map_or("", |setting| setting.value.as_str())
    }

    fn figures_table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN).set_header(["measured", "per second", "min - max", "p50 ms", "p99 ms"]);
        for scenario in &self.scenarios {
            let number = |spread: Option<Spread>, digits: usize| {
                spread.map(|spread| format!("{:.digits$}", spread.median)).unwrap_or_default()
            };
            let missing = scenario.runs.iter().find_map(|run| run.missing.clone());
            table.add_row([
                scenario.name.clone(),
                missing.unwrap_or_else(|| number(scenario.rate, 0)),
                scenario.rate.map(|rate| format!("{:.0} - {:.0}", rate.min, rate.max)).unwrap_or_default(),
                number(scenario.p50_ms, 2),
                number(scenario.p99_ms, 2),
            ]);
        }
        table
    }

    fn ratios_table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN);
        table.set_header(["", "measured", "min - max", "to its best", "must", "stretch", "met"]);
        for ratio in &self.ratios {
            let unit = ratio.unit;
            let sign = if ratio.lower_is_better { "<= " } else { "" };
            let what =
                if ratio.remark.is_empty() { ratio.what.clone() } else { format!("{} ({})", ratio.what, ratio.remark) };
            table.add_row([
                what,
                ratio.value.map_or_else(|| "-".to_owned(), |value| format!("{:.2}{unit}", value.median)),
                ratio.value.map(|value| format!("{:.2} - {:.2}", value.min, value.max)).unwrap_or_default(),
                ratio.against_best.map(|best| format!("{best:.2}")).unwrap_or_default(),
                format!("{sign}{}{unit}", ratio.must),
                format!("{sign}{}{unit}", ratio.stretch),
                self.met(ratio).to_owned(),
            ]);
        }
        table
    }

    /// A smoke test judges nothing.
    fn met(&self, ratio: &Ratio) -> &'static str {
        match ratio.verdict {
            Verdict::NotMeasured => "not measured",
            _ if self.quick => "not judged",
            Verdict::Missed => "no",
            Verdict::Must => "must",
            Verdict::Stretch => "stretch",
        }
    }

    /// How links stand to a bare redirect. Nothing is held against it: the database must not slow it, that is all.
    fn redirects(&self) -> String {
        let find = |name: &str| self.scenarios.iter().find(|scenario| scenario.name == name);
        let rates = find("redirects-64").and_then(|ours| Some((ours.rate?, find("bare-redirects-64")?.rate?)));
        rates.map_or_else(String::new, |(ours, bare)| {
            format!("\nLinks are followed at {:.2} of the rate of a bare redirect.", ours.median / bare.median)
        })
    }

    fn small_print(&self) -> String {
        let Machine { cores, processor, sync_us, file_system, .. } = &self.machine;
        let Best { clients_purchase, clients_insert, clients_shuffle_key, pool_64, pool_256, .. } = &self.best_settings;
        let memory = self.server_kb_max.map(|most| format!("{} MB", most / 1024)).unwrap_or_default();
        let imports: Vec<String> = self
            .imports
            .iter()
            .take(2)
            .map(|import| format!("{} onto {} in {:.1} s", import.codes, import.onto, import.seconds))
            .collect();
        format!(
            "{} rounds of {} s. \"To its best\": against the yardstick at its best client count (P1 {clients_purchase}, \
            insert {clients_insert}, shuffle key {clients_shuffle_key}). Pools of the one-statement handler: 1 at \
            one connection, {pool_64} at 64, {pool_256} at 256.\nThe server used at most {memory}. Imports: {}.\n\
            {cores} cores of {processor}, {file_system}, {sync_us} us to bring a write to the disk.{}",
            self.rounds,
            self.seconds,
            imports.join(", "),
            self.redirects(),
        )
    }
}
