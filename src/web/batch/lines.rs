//! Cuts bytes into lines as they arrive. Holds no more than one unfinished line, and of one that is too long nothing.
//!
//! A line ends with a line feed; a carriage return before it is white space to whoever reads the line. Lines of white
//! space are counted and left out.

use bytes::{Buf, Bytes, BytesMut};

/// What stands in a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    Text(&'a [u8]),
    /// It has more bytes than a line may have.
    TooLong,
}

/// Cuts one run of bytes into lines.
#[derive(Debug)]
pub struct Lines {
    bytes_max: usize,
    /// How many lines have ended so far.
    ended: u64,
    /// The beginning of a line whose end has not arrived.
    begun: BytesMut,
    /// Whether the line that has begun is too long already.
    too_long: bool,
}

impl Lines {
    /// A cutter of lines of at most `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, ended: 0, begun: BytesMut::new(), too_long: false }
    }

    /// The number of the line that has not ended yet, from 1.
    pub fn next_number(&self) -> u64 {
        self.ended + 1
    }

    /// Takes the next piece, and hands over each line that ends in it with its number.
    pub fn take(&mut self, mut piece: Bytes, mut each: impl FnMut(u64, Line<'_>)) {
        while let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
            let rest = &piece[..end];
            if self.begun.is_empty() && !self.too_long && rest.len() <= self.bytes_max {
                self.ended += 1;
                hand_over(self.ended, rest, &mut each);
            } else {
                self.begin(rest);
                self.end(&mut each);
            }
            piece.advance(end + 1);
        }
        self.begin(&piece);
    }

    /// The bytes have ended: what stands after the last line feed is a line too.
    pub fn finish(&mut self, mut each: impl FnMut(u64, Line<'_>)) {
        if self.too_long || !self.begun.is_empty() {
            self.end(&mut each);
        }
    }

    fn begin(&mut self, part: &[u8]) {
        if self.too_long || self.begun.len() + part.len() > self.bytes_max {
            self.too_long = true;
            self.begun = BytesMut::new();
        } else {
            self.begun.extend_from_slice(part);
        }
    }

    fn end(&mut self, each: &mut impl FnMut(u64, Line<'_>)) {
        self.ended += 1;
        if std::mem::take(&mut self.too_long) {
            each(self.ended, Line::TooLong);
        } else {
            hand_over(self.ended, &self.begun, each);
            self.begun.clear();
        }
    }
}

fn hand_over(number: u64, text: &[u8], each: &mut impl FnMut(u64, Line<'_>)) {
    if !text.trim_ascii().is_empty() {
        each(number, Line::Text(text));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The lines of `text`, arriving in pieces of `size` bytes; `None` for one that is too long.
    fn cut(text: &[u8], size: usize, bytes_max: usize) -> Vec<(u64, Option<Vec<u8>>)> {
        let mut lines = Lines::new(bytes_max);
        let mut found = Vec::new();
        let mut note = |number, line: Line<'_>| {
            found.push((
                number,
                match line {
                    Line::Text(text) => Some(text.to_owned()),
                    Line::TooLong => None,
                },
            ));
        };
        for piece in text.chunks(size) {
            lines.take(Bytes::copy_from_slice(piece), &mut note);
            assert!(lines.begun.len() <= bytes_max, "more is held than a line may have");
        }
        lines.finish(&mut note);
        found
    }

    fn text(number: u64, text: &str) -> (u64, Option<Vec<u8>>) {
        (number, Some(text.into()))
    }

    #[test]
    fn lines_are_numbered_blank_ones_too_and_the_last_needs_no_end() {
        for size in 1..12 {
            let found = cut(b"a\r\n\n  \t\r\nbc\n\nd", size, 8);
            assert_eq!(found, [text(1, "a\r"), text(4, "bc"), text(6, "d")], "pieces of {size}");
        }
        assert_eq!(cut(b"", 1, 8), []);
        assert_eq!(cut(b"\n\n", 1, 8), []);
        assert_eq!(cut(b"a\n", 1, 8), [text(1, "a")]);
    }

    #[test]
    fn a_line_that_is_too_long_is_told_once_and_the_next_is_read() {
        for size in 1..30 {
            let found = cut(b"1234\n12345\nab\n1234567890", size, 4);
            assert_eq!(found, [text(1, "1234"), (2, None), text(3, "ab"), (4, None)], "pieces of {size}");
        }
    }

    proptest! {
        #[test]
        fn however_it_arrives_the_lines_are_the_same(text in "[ab\n]{0,60}", size in 1_usize..20) {
            let whole: Vec<_> = text
                .split('\n')
                .enumerate()
                .filter(|(_, line)| !line.is_empty())
                .map(|(index, line)| (index as u64 + 1, (line.len() <= 5).then(|| line.as_bytes().to_owned())))
                .collect();
            prop_assert_eq!(cut(text.as_bytes(), size, 5), whole);
        }
    }
}
