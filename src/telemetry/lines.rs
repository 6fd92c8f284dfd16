//! How lines reach standard error. A thread that serves requests keeps its lines until it has nothing else to do, and writes them in
//! one piece then: no answer waits for its line, and under load many lines are one write. Warnings and errors are written at once.

use std::cell::RefCell;
use std::io::{self, Write};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Most bytes that a thread keeps: one that always has work writes all the same. So much goes into a pipe in one piece, even where
/// several processes share it.
const KEPT_MAX: usize = 4096;

thread_local! {
    /// What the thread keeps. Nothing where nobody would write it later.
    static KEPT: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Writes what this thread has kept. It is called whenever the thread has nothing else to do, so from now on it may keep lines.
pub fn write_kept() {
    KEPT.with_borrow_mut(|kept| write_all(kept.get_or_insert_default()));
}

/// Empties `lines`, also when they cannot be written: whoever would read of that would read it there.
fn write_all(lines: &mut Vec<u8>) {
    if !lines.is_empty() {
        let _ = io::stderr().write_all(lines);
        lines.clear();
    }
}

/// Where the log's lines go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lines;

impl MakeWriter<'_> for Lines {
    type Writer = Line;

    fn make_writer(&self) -> Line {
        Line { is_urgent: true }
    }

    fn make_writer_for(&self, of: &Metadata<'_>) -> Line {
        Line { is_urgent: *of.level() <= Level::WARN }
    }
}

/// A line on its way.
pub(super) struct Line {
    is_urgent: bool,
}

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        KEPT.with_borrow_mut(|kept| {
            let Some(lines) = kept else { return io::stderr().write_all(line) };
            if lines.len() + line.len() > KEPT_MAX {
                write_all(lines);
            }
            lines.extend_from_slice(line);
            if self.is_urgent {
                write_all(lines);
            }
            Ok(())
        })?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Option<Vec<u8>> {
        KEPT.with_borrow(Clone::clone)
    }

    #[test]
    fn a_thread_keeps_lines_once_it_is_known_to_write_them_later_and_no_warnings_nor_more_than_a_few() {
        let (line, warning) = (|| Line { is_urgent: false }, || Line { is_urgent: true });
        line().write_all(b"before\n").expect("written");
        assert_eq!(kept(), None);
        write_kept();
        line().write_all(b"one\n").expect("kept");
        line().write_all(b"two\n").expect("kept");
        assert_eq!(kept().as_deref(), Some(&b"one\ntwo\n"[..]));
        warning().write_all(b"three\n").expect("written");
        assert_eq!(kept(), Some(Vec::new()), "those before it went with it");
        line().write_all(b"four\n").expect("kept");
        write_kept();
        assert_eq!(kept(), Some(Vec::new()));
        for _ in 0..KEPT_MAX {
            line().write_all(b"x\n").expect("kept");
        }
        assert!(kept().is_some_and(|lines| lines.len() <= KEPT_MAX));
    }
}
