//! Progress of a long import: a bar on a terminal, now and then a line elsewhere. All of it on standard error.

use std::io::{IsTerminal, Read};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::output::remark;

/// How much is read between two lines.
const LINE_BYTES: u64 = 8 * 1024 * 1024;
const TICK: Duration = Duration::from_millis(120);

/// Shows how far an import is.
#[derive(Clone)]
pub struct Progress(Arc<Shown>);

enum Shown {
    Bar(ProgressBar),
    Lines { bytes: Option<u64> },
}

impl Progress {
    /// Starts with nothing read of `bytes`, if their number is known.
    pub fn start(bytes: Option<u64>) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(Arc::new(Shown::Lines { bytes }));
        }
        let bar = bytes.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let template = match bytes {
            Some(_) => "{bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} to go",
            None => "{spinner} {bytes} read, {bytes_per_sec}",
        };
        bar.set_style(style(template));
        bar.enable_steady_tick(TICK);
        Self(Arc::new(Shown::Bar(bar)))
    }

    /// The same input, watched.
    pub fn watch<R: Read>(&self, input: R) -> Watched<R> {
        Watched { input, progress: self.clone(), read: 0, told: 0 }
    }

    /// Clears the bar away.
    pub fn finish(&self) {
        if let Shown::Bar(bar) = &*self.0 {
            bar.finish_and_clear();
        }
    }

    /// All is read: what remains is the database's work, of which nothing is heard until it is done.
    fn all_read(&self) {
        match &*self.0 {
            Shown::Bar(bar) => bar.set_style(style("{spinner} {bytes} read, storing the last of it ({elapsed})")),
            Shown::Lines { .. } => remark("all read; storing the last of it"),
        }
    }
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
    /// How much was read when that was last shown.
    told: u64,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.input.read(buffer)?;
        self.read += length as u64;
        match &*self.progress.0 {
            // A small file is stored before anybody could read about it.
            _ if length == 0 && self.told > 0 => {
                self.told = 0;
                self.progress.all_read();
            }
            Shown::Bar(bar) if length > 0 => {
                self.told = self.read;
                bar.set_position(self.read);
            }
            Shown::Lines { bytes } if self.read - self.told >= LINE_BYTES => {
                self.told = self.read;
                let of = bytes.map(|bytes| format!(" of {} MiB", bytes >> 20)).unwrap_or_default();
                remark(&format!("{} MiB{of} read", self.read >> 20));
            }
            _ => {}
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
}
