//! Progress of a long import: a bar on a terminal, now and then a line elsewhere. All of it on standard error.

use std::io::{IsTerminal, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressStyle};

use super::output::remark;
use crate::coupon_banks::import::{Stage, Watch};

/// How much is read between two lines.
const LINE_BYTES: u64 = 8 * 1024 * 1024;
/// How many parts of the rows are told in lines.
const LINES: u64 = 20;
/// Fewer rows are stored before anybody could read about it.
const ROWS_TOLD_MIN: u64 = 500_000;
const TICK: Duration = Duration::from_millis(120);

/// Shows how far an import is.
#[derive(Clone)]
pub struct Progress(Arc<Shown>);

enum Shown {
    Bar { bar: ProgressBar, phase: Mutex<Phase> },
    Lines { bytes: Option<u64>, phase: Mutex<Phase> },
}

/// What is going on since when, and how much of it was done when that was last told.
struct Phase {
    name: &'static str,
    since: Instant,
    told: u64,
}

impl Phase {
    fn new(name: &'static str) -> Self {
        Self { name, since: Instant::now(), told: 0 }
    }

    /// How many a second so far, and how long the rest takes at this pace.
    fn pace(&self, done: u64, of: Option<u64>) -> (f64, Option<Duration>) {
        let rate = done as f64 / self.since.elapsed().as_secs_f64().max(0.001);
        let left = of.map(|of| Duration::from_secs((of.saturating_sub(done) as f64 / rate.max(0.001)) as u64));
        (rate, left)
    }
}

impl Progress {
    /// Starts with nothing read of `bytes`, if their number is known.
    pub fn start(bytes: Option<u64>) -> Self {
        let phase = Mutex::new(Phase::new("read"));
        if !std::io::stderr().is_terminal() {
            return Self(Arc::new(Shown::Lines { bytes, phase }));
        }
        let bar = bytes.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        bar.set_style(style(match bytes {
            Some(_) => "{bar:30} read {bytes} of {total_bytes}, {bytes_per_sec}, {eta} to go",
            None => "{spinner} read {bytes}, {bytes_per_sec}",
        }));
        bar.enable_steady_tick(TICK);
        Self(Arc::new(Shown::Bar { bar, phase }))
    }

    /// The same input, watched.
    pub fn watch<R: Read>(&self, input: R) -> Watched<R> {
        Watched { input, progress: self.clone(), read: 0 }
    }

    /// Shows what becomes of the rows once they are read.
    pub fn stages(&self) -> Watch {
        let progress = self.clone();
        Arc::new(move |stage| match stage {
            Stage::Waiting => progress.tell_phase("waiting for other loads of the account"),
            Stage::Checking { rows, of } => progress.tell_rows("checked", rows, of),
            Stage::Storing { rows, of } => progress.tell_rows("stored", rows, of),
            Stage::Committing => progress.tell_phase("committing"),
        })
    }

    /// Clears the bar away.
    pub fn finish(&self) {
        if let Shown::Bar { bar, .. } = &*self.0 {
            bar.finish_and_clear();
        }
    }

    fn tell_read(&self, read: u64) {
        match &*self.0 {
            Shown::Bar { bar, .. } => bar.set_position(read),
            Shown::Lines { bytes, phase } => {
                let mut phase = phase.lock().unwrap_or_else(PoisonError::into_inner);
                if read - phase.told < LINE_BYTES {
                    return;
                }
                phase.told = read;
                let (rate, left) = phase.pace(read, *bytes);
                let of = bytes.map(|bytes| format!(" of {} MiB", bytes >> 20)).unwrap_or_default();
                remark(&format!("read {} MiB{of}, {:.0} MiB/s{}", read >> 20, rate / f64::from(1 << 20), to_go(left)));
            }
        }
    }

    /// Something of which nobody knows how long it takes.
    fn tell_phase(&self, name: &'static str) {
        if let Shown::Bar { bar, phase } = &*self.0 {
            *phase.lock().unwrap_or_else(PoisonError::into_inner) = Phase::new(name);
            bar.set_style(style("{spinner} {msg} ({elapsed} in all)"));
            bar.set_message(name);
        }
    }

    fn tell_rows(&self, name: &'static str, rows: u64, of: u64) {
        let (Shown::Bar { phase, .. } | Shown::Lines { phase, .. }) = &*self.0;
        let mut phase = phase.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = phase.name != name;
        if is_new {
            *phase = Phase::new(name);
        }
        match &*self.0 {
            Shown::Bar { bar, .. } => {
                if is_new {
                    bar.set_style(style("{bar:30} {msg} {human_pos} of {human_len}, {per_sec}, {eta} to go"));
                    bar.set_message(name);
                    bar.set_length(of);
                    bar.reset();
                }
                bar.set_position(rows);
            }
            Shown::Lines { .. } if of >= ROWS_TOLD_MIN && (rows - phase.told) * LINES >= of => {
                phase.told = rows;
                let (rate, left) = phase.pace(rows, Some(of));
                let (rows, of, rate) = (HumanCount(rows), HumanCount(of), HumanCount(rate as u64));
                remark(&format!("{name} {rows} of {of} coupons, {rate}/s{}", to_go(left)));
            }
            Shown::Lines { .. } => {}
        }
    }
}

fn to_go(left: Option<Duration>) -> String {
    left.map(|left| format!(", {} to go", HumanDuration(left))).unwrap_or_default()
}

/// A template that cannot be used, which a test would find, leaves the plain bar.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// A reader that tells how far it is.
pub struct Watched<R> {
    input: R,
    progress: Progress,
    read: u64,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.input.read(buffer)?;
        self.read += length as u64;
        if length > 0 {
            self.progress.tell_read(self.read);
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_watched_is_read_unchanged() {
        let mut out = Vec::new();
        let progress = Progress::start(Some(3));
        progress.watch(&b"abc"[..]).read_to_end(&mut out).expect("read");
        progress.finish();
        assert_eq!(out, b"abc");
    }

    #[test]
    fn the_time_left_follows_from_what_is_done() {
        let phase = Phase { since: Instant::now() - Duration::from_secs(10), ..Phase::new("stored") };
        let (rate, left) = phase.pace(1_000, Some(4_000));
        assert!((95.0..=100.0).contains(&rate), "{rate}");
        assert!(left.is_some_and(|left| (29..=32).contains(&left.as_secs())), "{left:?}");
        assert_eq!(phase.pace(0, None).1, None);
    }
}
