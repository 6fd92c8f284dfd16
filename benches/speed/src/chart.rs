//! The ratios as a picture for the README: one bar a line, as long as what was reached is of the *must*.

use std::fmt::Write;

use crate::goals::{Ratio, Verdict};
use crate::report::Report;

const WIDTH: f64 = 920.0;
/// Where bars begin, and how long one is that reaches the must exactly.
const BARS_X: f64 = 372.0;
const MUST_LENGTH: f64 = 130.0;
/// Longest bar, in musts. A longer one is cut and says so.
const MUSTS_MAX: f64 = 2.9;
const FIRST_ROW_Y: f64 = 96.0;
const ROW_HEIGHT: f64 = 34.0;
const BAR_HEIGHT: f64 = 16.0;

/// Both forms bring their own background, so either can be read on any page.
const STYLE: &str = "
    .ground { fill: #ffffff; stroke: #d0d7de } .text { fill: #1f2328 } .faint { fill: #59636e }
    .stretch { fill: #1a7f37 } .must { fill: #0969da } .missed { fill: #bc4c00 } .mark { stroke: #1f2328 } .line { stroke: #d0d7de }
    @media (prefers-color-scheme: dark) {
      .ground { fill: #0d1117; stroke: #3d444d } .text { fill: #f0f6fc } .faint { fill: #9198a1 }
      .stretch { fill: #3fb950 } .must { fill: #4493f8 } .missed { fill: #f0883e } .mark { stroke: #f0f6fc } .line { stroke: #3d444d }
    }
    text { font: 13px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif }
    .title { font-size: 16px; font-weight: 600 } .small { font-size: 11px }
";

/// Draws the ratios as SVG.
pub fn draw(report: &Report) -> String {
    let rows: Vec<String> = report.ratios.iter().enumerate().map(|(index, ratio)| row(index, ratio)).collect();
    let bottom = row_y(report.ratios.len());
    let height = bottom + 44.0;
    let must_x = BARS_X + MUST_LENGTH;
    let names = "<title id=\"title\">Goodword's speed against yardsticks on the same machine</title>";
    let summary: Vec<String> =
        report.ratios.iter().map(|ratio| format!("{}: {}.", ratio.label, spoken(ratio))).collect();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
        role=\"img\" aria-labelledby=\"title description\">\n{names}\n<desc id=\"description\">{}</desc>\n<style>{STYLE}</style>\n\
        <rect class=\"ground\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n\
        <text class=\"text title\" x=\"20\" y=\"32\">Speed against yardsticks on the same machine, in one run</text>\n\
        <text class=\"faint\" x=\"20\" y=\"54\">A bar is as long as what was reached is of what must be. Longer is better \
        everywhere; the upright mark is what we stretch for.</text>\n\
        <text class=\"faint small\" x=\"{must_x}\" y=\"82\" text-anchor=\"middle\">must</text>\n\
        {}{}<line class=\"line\" x1=\"{must_x}\" x2=\"{must_x}\" y1=\"88\" y2=\"{}\" stroke-width=\"2\"/>\n\
        <text class=\"faint small\" x=\"20\" y=\"{}\">{}</text>\n</svg>\n",
        escaped(&summary.join(" ")),
        WIDTH - 1.0,
        height - 1.0,
        legend(),
        rows.concat(),
        bottom - 6.0,
        bottom + 22.0,
        escaped(&footer(report)),
    )
}

/// What the colours mean.
fn legend() -> String {
    let kinds = [("stretch", "stretch reached"), ("must", "must reached"), ("missed", "missed")];
    let entries = kinds.iter().zip([586.0, 716.0, 830.0]).map(|((class, means), x)| {
        format!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"22\" width=\"11\" height=\"11\" rx=\"2\"/>\
            <text class=\"faint\" x=\"{}\" y=\"32\">{means}</text>\n",
            x + 17.0
        )
    });
    entries.collect()
}

fn row(index: usize, ratio: &Ratio) -> String {
    let y = row_y(index);
    let (bar_y, text_y) = (y + (ROW_HEIGHT - BAR_HEIGHT) / 2.0 - 3.0, y + ROW_HEIGHT / 2.0 + 1.5);
    let mut row = format!("<g><title>{}: {}</title>\n", escaped(ratio.label), escaped(&spoken(ratio)));
    let label = escaped(ratio.label);
    // Writing to a string cannot fail.
    let _ =
        writeln!(row, "<text class=\"text\" x=\"{}\" y=\"{text_y}\" text-anchor=\"end\">{label}</text>", BARS_X - 12.0);
    if let Some(value) = ratio.value {
        let (length, class) = (length(ratio, value.median), class(ratio.verdict));
        let _ = writeln!(
            row,
            "<rect class=\"{class}\" x=\"{BARS_X}\" y=\"{bar_y}\" width=\"{length:.1}\" height=\"{BAR_HEIGHT}\" rx=\"2\"/>"
        );
        if length >= MUST_LENGTH * MUSTS_MAX {
            // An open end: the bar would be longer.
            let (x, half) = (BARS_X + length, BAR_HEIGHT / 2.0);
            let points = format!("{x:.1},{bar_y} {:.1},{} {x:.1},{}", x + 8.0, bar_y + half, bar_y + BAR_HEIGHT);
            let _ = writeln!(row, "<polygon class=\"{class}\" points=\"{points}\"/>");
        }
    }
    let mark = BARS_X + length(ratio, ratio.stretch);
    let _ = writeln!(
        row,
        "<line class=\"mark\" x1=\"{mark:.1}\" x2=\"{mark:.1}\" y1=\"{}\" y2=\"{}\" stroke-width=\"2\"/>",
        bar_y - 3.0,
        bar_y + BAR_HEIGHT + 3.0
    );
    let value = ratio.value.map_or_else(|| "not measured".to_owned(), |value| number(value.median, ratio.unit));
    let sign = if ratio.lower_is_better { "≤ " } else { "≥ " };
    let goals = format!("must {sign}{}, stretch {}", ratio.must, ratio.stretch);
    let right = BARS_X + MUST_LENGTH * MUSTS_MAX + 18.0;
    let _ = writeln!(row, "<text class=\"text\" x=\"{right:.0}\" y=\"{}\">{value}</text>", text_y - 6.0);
    let _ = writeln!(row, "<text class=\"faint small\" x=\"{right:.0}\" y=\"{}\">{goals}</text>\n</g>", text_y + 8.0);
    row
}

#[expect(clippy::cast_precision_loss, reason = "a dozen rows")]
fn row_y(index: usize) -> f64 {
    FIRST_ROW_Y + ROW_HEIGHT * index as f64
}

/// How long a bar is. Of what should be small the inverse is drawn, so that longer is always better.
fn length(ratio: &Ratio, value: f64) -> f64 {
    let musts = if ratio.lower_is_better { ratio.must / value } else { value / ratio.must };
    MUST_LENGTH * musts.clamp(0.0, MUSTS_MAX)
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Stretch => "stretch",
        Verdict::Must => "must",
        Verdict::Missed | Verdict::NotMeasured => "missed",
    }
}

fn spoken(ratio: &Ratio) -> String {
    let goals = format!("must {}, stretch {}", ratio.must, ratio.stretch);
    match ratio.value {
        Some(value) => {
            let (min, max) = (number(value.min, ""), number(value.max, ""));
            format!("{} (from {min} to {max}; {goals})", number(value.median, ratio.unit))
        }
        None => format!("not measured ({goals})"),
    }
}

fn number(value: f64, unit: &str) -> String {
    if value >= 20.0 { format!("{value:.0}{unit}") } else { format!("{value:.2}{unit}") }
}

fn footer(report: &Report) -> String {
    let machine = &report.machine;
    let kind = if report.quick { "Smoke test, nothing to quote. " } else { "" };
    format!(
        "{kind}{} on {} cores of {}, PostgreSQL {}; medians of {} rounds of {} s, {}",
        report.version,
        machine.cores,
        machine.processor,
        report.setting("server_version").split(' ').next().unwrap_or_default(),
        report.rounds,
        report.seconds,
        report.measured_at.split('T').next().unwrap_or_default(),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Results;
    use crate::goals;

    #[test]
    fn what_should_be_small_has_a_long_bar_when_it_is_small() {
        let ratios = goals::judge(&Results::default(), &[]);
        let p99 = ratios.iter().find(|ratio| ratio.lower_is_better).unwrap();
        assert!((length(p99, p99.must) - MUST_LENGTH).abs() < 1e-9);
        assert!(length(p99, p99.must / 2.0) > length(p99, p99.must));
        assert!(length(p99, p99.must / 100.0) <= MUST_LENGTH * MUSTS_MAX);
    }

    #[test]
    fn text_cannot_break_out() {
        assert_eq!(escaped("a < b & \"c\""), "a &lt; b &amp; &quot;c&quot;");
    }
}
