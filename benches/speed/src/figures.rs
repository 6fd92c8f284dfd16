//! Measured figures: of one run, and of all rounds.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// What one run of a scenario came to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
    /// Transactions, requests or rows a second.
    pub rate: f64,
    /// Median and 99th percentile of the answers' times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_ms: Option<f64>,
    /// Rates of the parts of a run that has parts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<f64>,
    /// Memory of the server after the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_kb: Option<u64>,
    /// Why there are no figures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(missing) = &self.missing {
            return f.write_str(missing);
        }
        write!(f, "{:>9.0}/s", self.rate)?;
        if let (Some(p50), Some(p99)) = (self.p50_ms, self.p99_ms) {
            write!(f, "  p50 {p50:>7.2} ms  p99 {p99:>7.2} ms")?;
        }
        if !self.parts.is_empty() {
            let parts: Vec<String> = self.parts.iter().map(|part| format!("{part:.0}")).collect();
            write!(f, "  ({})", parts.join(", "))?;
        }
        Ok(())
    }
}

/// Figures of all rounds, by scenario.
#[derive(Clone, Debug, Default)]
pub struct Results(BTreeMap<String, Vec<Figures>>);

impl Results {
    /// Adds a run.
    pub fn add(&mut self, scenario: &str, figures: Figures) {
        self.0.entry(scenario.to_owned()).or_default().push(figures);
    }

    /// One figure of each run of a scenario; none when it was not measured, or lacks that figure in a run.
    pub fn of(&self, scenario: &str, take: fn(&Figures) -> Option<f64>) -> Vec<f64> {
        let runs = self.0.get(scenario).map_or(&[][..], Vec::as_slice);
        let taken: Vec<f64> = runs.iter().filter(|run| run.missing.is_none()).filter_map(take).collect();
        if taken.len() == runs.len() { taken } else { Vec::new() }
    }

    /// Every scenario with its runs.
    pub fn all(&self) -> impl Iterator<Item = (&String, &Vec<Figures>)> {
        self.0.iter()
    }
}

/// A median with its smallest and largest.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// `None` of no values.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median =
            if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) };
        Some(Self { median, min, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        let spread = Spread::of(&[4.0, 1.0, 3.0, 10.0]).unwrap();
        assert_eq!((spread.median, spread.min, spread.max), (3.5, 1.0, 10.0));
        assert!(Spread::of(&[]).is_none());
    }

    #[test]
    fn a_scenario_that_is_missing_in_one_round_has_no_figures() {
        let mut results = Results::default();
        results.add("batch", Figures { rate: 5.0, ..Figures::default() });
        assert_eq!(results.of("batch", |run| Some(run.rate)), [5.0]);
        results.add("batch", Figures { missing: Some("not there".to_owned()), ..Figures::default() });
        assert!(results.of("batch", |run| Some(run.rate)).is_empty());
    }
}
