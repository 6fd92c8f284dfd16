//! What we hold ourselves to: ratios within one run, each with a *must* and a *stretch*.

use serde::Serialize;

use crate::figures::{Figures, Results, Spread};
use crate::stock::Import;

/// Codes of the load that the goal is about.
const IMPORT_CODES: i64 = 10_000_000;

/// How a figure stands to its goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Missed,
    Must,
    Stretch,
    NotMeasured,
}

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Ratio {
    pub what: String,
    /// The same, short.
    pub label: &'static str,
    /// Ratio of the medians of all rounds; smallest and largest ratio within one round.
    pub value: Option<Spread>,
    /// The same against the yardstick at its best setting.
    pub against_best: Option<f64>,
    pub unit: &'static str,
    pub lower_is_better: bool,
    pub must: f64,
    pub stretch: f64,
    pub verdict: Verdict,
    pub remark: String,
}

type Take = fn(&Figures) -> Option<f64>;

const RATE: Take = |run| Some(run.rate);
const P50: Take = |run| run.p50_ms;
const P99: Take = |run| run.p99_ms;

/// A goal as it is written down.
struct Goal {
    /// In full, and short.
    names: (&'static str, &'static str),
    ours: &'static str,
    yardstick: &'static str,
    /// The yardstick at its best setting, where that is another scenario.
    best: Option<&'static str>,
    take: Take,
    lower_is_better: bool,
    /// *Must* and *stretch*.
    goals: (f64, f64),
}

const GOALS: [Goal; 7] = [
    Goal {
        names: (
            "POST /v1/purchases at 64 connections / P1 by pgbench at 64 clients",
            "orders/s, 64 connections / one SQL statement each",
        ),
        ours: "purchases-64",
        yardstick: "p1-64",
        best: Some("p1-best"),
        take: RATE,
        lower_is_better: false,
        goals: (2.0, 4.0),
    },
    Goal {
        names: (
            "same at 256 connections / one optimal statement per request through axum + sqlx at 256",
            "orders/s, 256 connections / one-statement server",
        ),
        ours: "purchases-256",
        yardstick: "one-statement-256",
        best: None,
        take: RATE,
        lower_is_better: false,
        goals: (3.0, 6.0),
    },
    Goal {
        names: ("same at 64 / plain single-row insert by pgbench at 64", "orders/s, 64 connections / plain SQL insert"),
        ours: "purchases-64",
        yardstick: "insert-64",
        best: Some("insert-best"),
        take: RATE,
        lower_is_better: false,
        goals: (1.0, 1.5),
    },
    Goal {
        names: ("same at 64 / bare axum echo, one thread", "orders/s, 64 connections / bare echo server"),
        ours: "purchases-64",
        yardstick: "echo-64",
        best: None,
        take: RATE,
        lower_is_better: false,
        goals: (0.2, 0.35),
    },
    Goal {
        names: (
            "p99 at 64 / p99 of the one-statement handler at 64",
            "p99 time, 64 connections / one-statement server",
        ),
        ours: "purchases-64",
        yardstick: "one-statement-64",
        best: None,
        take: P99,
        lower_is_better: true,
        goals: (0.8, 0.3),
    },
    Goal {
        names: ("p50 with one connection / one-statement handler", "p50 time, 1 connection / one-statement server"),
        ours: "purchases-1",
        yardstick: "one-statement-1",
        best: None,
        take: P50,
        lower_is_better: true,
        goals: (1.1, 0.9),
    },
    Goal {
        names: (
            "POST /v1/referral_codes from one bank at 64 / shuffle-key skip locked by pgbench at 8",
            "codes/s from one bank / skip-locked SQL queue",
        ),
        ours: "claims-one-bank",
        yardstick: "shuffle-key-8",
        best: Some("shuffle-key-best"),
        take: RATE,
        lower_is_better: false,
        goals: (3.0, 6.0),
    },
];

/// Every line of the table, in its order.
pub fn judge(results: &Results, imports: &[Import]) -> Vec<Ratio> {
    let mut lines: Vec<Ratio> = GOALS.iter().map(|goal| line(goal, results)).collect();
    if let Some(claims) = lines.last_mut() {
        claims.remark = coupon_alone(results);
    }
    lines.insert(4, batch(results));
    lines.insert(7, cost_per_claim(results));
    lines.push(under_snapshot(results));
    lines.push(import(imports));
    lines
}

fn line(goal: &Goal, results: &Results) -> Ratio {
    let ours = results.of(goal.ours, goal.take);
    let value = ratio(&ours, &results.of(goal.yardstick, goal.take));
    let best = goal.best.map(|best| results.of(best, goal.take));
    let against_best = best.and_then(|best| ratio(&ours, &best)).map(|spread| spread.median);
    Ratio {
        against_best: against_best.or(value.map(|value| value.median)).filter(|_| goal.best.is_some()),
        ..judged(goal.names, value, goal.lower_is_better, goal.goals)
    }
}

fn batch(results: &Results) -> Ratio {
    let p1 = results.of("p1-64", RATE);
    let of = |scenario| ratio(&results.of(scenario, RATE), &p1);
    let (streams, value) = match (of("batch-1"), of("batch-4")) {
        (Some(one), Some(four)) if four.median > one.median => (4, Some(four)),
        (one, four) => (if one.is_some() { 1 } else { 4 }, one.or(four)),
    };
    let best = results.of(&format!("batch-{streams}"), RATE);
    let against_best = ratio(&best, &results.of("p1-best", RATE)).or(value).map(|best| best.median);
    let missing =
        results.all().find(|(name, _)| name.starts_with("batch")).and_then(|(_, runs)| runs.first()?.missing.clone());
    let streams_said = value.map(|_| format!("streams at once: {streams}"));
    let remark = missing.or(streams_said).unwrap_or_default();
    Ratio {
        against_best,
        remark,
        ..judged(
            ("NDJSON batch, rows/s / P1 at 64", "orders/s by NDJSON / one SQL statement each"),
            value,
            false,
            (4.0, 8.0),
        )
    }
}

/// The yardstick of claims stores what ours store. How ours stand to one that stores no advocate and no referral code.
fn coupon_alone(results: &Results) -> String {
    ratio(&results.of("claims-one-bank", RATE), &results.of("shuffle-key-alone-8", RATE))
        .map(|value| format!("{:.2} against one that only marks the coupon", value.median))
        .unwrap_or_default()
}

fn cost_per_claim(results: &Results) -> Ratio {
    let small = results.of("claims-small-banks", RATE);
    let huge = results.of("claims-huge-bank", RATE);
    let (large, remark) = if huge.is_empty() {
        (results.of("claims-one-bank", RATE), "the large bank of this run in place of 1e7 (--full has that)")
    } else {
        (huge, "")
    };
    let value = ratio(&small, &large);
    Ratio {
        remark: remark.to_owned(),
        ..judged(
            ("cost per claim, N=1e7 / N=1e4", "cost of a code, large bank / bank of 10 000"),
            value,
            true,
            (1.2, 1.05),
        )
    }
}

fn under_snapshot(results: &Results) -> Ratio {
    let last = results.of("claims-snapshot", |run| run.parts.last().copied());
    let value = ratio(&last, &results.of("claims-snapshot", |run| run.parts.first().copied()));
    judged(
        ("claims/s, last / first quarter with a snapshot held open", "codes/s at the end / start of a long report"),
        value,
        false,
        (0.8, 0.95),
    )
}

#[expect(clippy::cast_precision_loss, reason = "numbers of codes are far below 2^52")]
fn import(imports: &[Import]) -> Ratio {
    // What an empty table takes: that is what the goal is about.
    let first = imports.first().map(|import| {
        let scaled = import.seconds * IMPORT_CODES as f64 / import.codes as f64;
        (import, Spread { median: scaled, min: scaled, max: scaled })
    });
    let remark = match first {
        Some((import, _)) if import.codes != IMPORT_CODES => {
            format!("{} codes in {:.1} s, scaled (--full loads 1e7)", import.codes, import.seconds)
        }
        _ => String::new(),
    };
    let value = first.map(|(_, value)| value);
    Ratio {
        unit: " s",
        remark,
        ..judged(("import of 1e7 codes", "import of ten million codes"), value, true, (90.0, 45.0))
    }
}

/// The ratio of the medians, with the smallest and largest of any round.
fn ratio(ours: &[f64], yardstick: &[f64]) -> Option<Spread> {
    let median = Spread::of(ours)?.median / Spread::of(yardstick)?.median;
    let rounds: Vec<f64> = ours.iter().zip(yardstick).map(|(ours, yardstick)| ours / yardstick).collect();
    let spread = Spread::of(&rounds)?;
    Some(Spread { median, min: spread.min.min(median), max: spread.max.max(median) })
}

fn judged(
    (what, label): (&str, &'static str),
    value: Option<Spread>,
    lower_is_better: bool,
    (must, stretch): (f64, f64),
) -> Ratio {
    let reaches = |goal: f64| {
        value.is_some_and(|value| if lower_is_better { value.median <= goal } else { value.median >= goal })
    };
    let verdict = match value {
        None => Verdict::NotMeasured,
        Some(_) if reaches(stretch) => Verdict::Stretch,
        Some(_) if reaches(must) => Verdict::Must,
        Some(_) => Verdict::Missed,
    };
    let (what, remark) = (what.to_owned(), String::new());
    Ratio { what, label, value, against_best: None, unit: "", lower_is_better, must, stretch, verdict, remark }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(figures: &[(&str, f64)]) -> Results {
        let mut results = Results::default();
        for (scenario, rate) in figures {
            results.add(scenario, Figures { rate: *rate, ..Figures::default() });
        }
        results
    }

    #[test]
    fn more_is_better_for_rates_and_less_for_times_and_costs() {
        let spread = |median| Some(Spread { median, min: median, max: median });
        for (value, verdict) in [(1.9, Verdict::Missed), (2.0, Verdict::Must), (4.0, Verdict::Stretch)] {
            assert_eq!(judged(("x", "x"), spread(value), false, (2.0, 4.0)).verdict, verdict, "{value}");
        }
        for (value, verdict) in [(1.3, Verdict::Missed), (1.2, Verdict::Must), (1.0, Verdict::Stretch)] {
            assert_eq!(judged(("x", "x"), spread(value), true, (1.2, 1.05)).verdict, verdict, "{value}");
        }
        assert_eq!(judged(("x", "x"), None, true, (1.2, 1.05)).verdict, Verdict::NotMeasured);
    }

    #[test]
    fn the_ratio_is_of_medians_and_its_spread_of_rounds() {
        let spread = ratio(&[10.0, 30.0, 20.0], &[10.0, 10.0, 5.0]).unwrap();
        assert_eq!((spread.median, spread.min, spread.max), (2.0, 1.0, 4.0));
    }

    #[test]
    fn a_larger_bank_that_is_slower_costs_more() {
        let lines = judge(&results(&[("claims-small-banks", 300.0), ("claims-one-bank", 200.0)]), &[]);
        let cost = lines.iter().find(|line| line.what.starts_with("cost per claim")).unwrap();
        assert!((cost.value.unwrap().median - 1.5).abs() < 1e-9);
        assert_eq!(cost.verdict, Verdict::Missed);
        assert_eq!(lines.len(), 11);
    }

    #[test]
    fn a_load_of_fewer_codes_says_so() {
        let line = import(&[Import { codes: 1_000_000, onto: 0, seconds: 4.0 }]);
        assert!((line.value.unwrap().median - 40.0).abs() < 1e-9);
        assert!(line.remark.contains("scaled"), "{}", line.remark);
    }
}
