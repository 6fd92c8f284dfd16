//! Bytes to text: finds the encoding, decodes strictly, makes every line end a line feed.
//!
//! UTF-8, unless a byte order mark says UTF-16 or zero bytes stand where UTF-16 has them in ASCII text. Anything else
//! is refused with the numbers of its first bad lines: to find them it reads on, without giving out text any more.
//!
//! Holds one chunk at a time. Never replaces what it cannot decode.

use std::io::{self, BufRead, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::{BAD_LINES_MAX, FileFault, LINE_BYTES_MAX};

/// As long as the longest line, so that the first chunk shows how the file is written.
const CHUNK_BYTES: usize = LINE_BYTES_MAX;
/// How much of a file without byte order mark is searched for zero bytes.
const SAMPLE_BYTES: usize = 1024;

/// A reader of the decoded text, in chunks. Errs with [`FileFault::Undecodable`].
pub(super) struct Text<R> {
    input: R,
    bytes: Vec<u8>,
    decoding: Decoding,
    taken: usize,
    begun: bool,
    ended: bool,
}

impl<R: Read> Text<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, bytes: Vec::new(), decoding: Decoding::new(UTF_8), taken: 0, begun: false, ended: false }
    }

    /// The name of the encoding; UTF-8 as long as nothing was read.
    pub(super) fn encoding(&self) -> &'static str {
        self.decoding.decoder.encoding().name()
    }

    fn next_chunk(&mut self) -> io::Result<()> {
        self.decode_next()?;
        if self.decoding.bad_lines.is_empty() {
            return Ok(());
        }
        while self.decoding.bad_lines.len() < BAD_LINES_MAX && !self.ended {
            self.decode_next()?;
        }
        self.decoding.text.clear();
        Err(FileFault::Undecodable { lines: self.decoding.bad_lines.clone() }.into())
    }

    fn decode_next(&mut self) -> io::Result<()> {
        self.bytes.clear();
        // However small the single reads are, only the last chunk is short.
        let read = self.input.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut self.bytes)?;
        self.ended = read < CHUNK_BYTES;
        self.taken = 0;
        if self.begun {
            self.decoding.feed(&self.bytes, self.ended);
            return Ok(());
        }
        self.begun = true;
        let (encoding, mark_bytes) = detect(&self.bytes);
        self.decoding = Decoding::new(encoding);
        self.decoding.feed(&self.bytes[mark_bytes..], self.ended);
        // A second mark, from joining files, would hide in the first code.
        self.taken = self.decoding.text.len() - self.decoding.text.trim_start_matches('\u{feff}').len();
        Ok(())
    }
}

impl<R: Read> BufRead for Text<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.taken == self.decoding.text.len() && !self.ended {
            self.next_chunk()?;
        }
        Ok(&self.decoding.text.as_bytes()[self.taken..])
    }

    fn consume(&mut self, bytes: usize) {
        self.taken += bytes;
    }
}

/// `BufRead` asks for it.
impl<R: Read> Read for Text<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?.read(buffer)?;
        self.consume(bytes);
        Ok(bytes)
    }
}

/// The encoding, and how long its byte order mark is.
fn detect(bytes: &[u8]) -> (&'static Encoding, usize) {
    if let Some(marked) = Encoding::for_bom(bytes) {
        return marked;
    }
    let sample = &bytes[..bytes.len().min(SAMPLE_BYTES)];
    let (pairs, _) = sample.as_chunks::<2>();
    let little = pairs.iter().filter(|pair| pair[0] != 0 && pair[1] == 0).count();
    let big = pairs.iter().filter(|pair| pair[0] == 0 && pair[1] != 0).count();
    // A stray zero byte in a code must not turn the whole file into another encoding.
    let most = |count: usize| pairs.len() > 1 && count * 4 >= pairs.len() * 3;
    match (little, big) {
        (little, 0) if most(little) => (UTF_16LE, 0),
        (0, big) if most(big) => (UTF_16BE, 0),
        _ => (UTF_8, 0),
    }
}

/// The decoder, what it last put out, and where in the file it stands.
struct Decoding {
    decoder: Decoder,
    fragment: String,
    text: String,
    line: u64,
    after_cr: bool,
    bad_lines: Vec<u64>,
}

impl Decoding {
    fn new(encoding: &'static Encoding) -> Self {
        Self {
            decoder: encoding.new_decoder_without_bom_handling(),
            fragment: String::new(),
            text: String::new(),
            line: 1,
            after_cr: false,
            bad_lines: Vec::new(),
        }
    }

    fn feed(&mut self, mut bytes: &[u8], last: bool) {
        self.text.clear();
        loop {
            // Never `None`: a chunk is far below the size at which it would overflow.
            let room = self.decoder.max_utf8_buffer_length_without_replacement(bytes.len());
            self.fragment.clear();
            self.fragment.reserve(room.unwrap_or(CHUNK_BYTES));
            let (result, read) = self.decoder.decode_to_string_without_replacement(bytes, &mut self.fragment, last);
            bytes = &bytes[read..];
            self.keep_fragment();
            match result {
                DecoderResult::InputEmpty => break,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => self.note_bad_line(),
            }
        }
    }

    /// Takes CR LF and lone CR for a line feed, also where a chunk ends between the two.
    fn keep_fragment(&mut self) {
        let before = self.text.len();
        let mut rest = self.fragment.as_str();
        if self.after_cr && !rest.is_empty() {
            rest = rest.strip_prefix('\n').unwrap_or(rest);
            self.after_cr = false;
        }
        while let Some((line, next)) = rest.split_once('\r') {
            self.text.push_str(line);
            self.text.push('\n');
            self.after_cr = next.is_empty();
            rest = next.strip_prefix('\n').unwrap_or(next);
        }
        self.text.push_str(rest);
        let line_feeds = self.text.as_bytes()[before..].iter().filter(|byte| **byte == b'\n').count();
        self.line += line_feeds as u64;
    }

    fn note_bad_line(&mut self) {
        if self.bad_lines.len() < BAD_LINES_MAX && self.bad_lines.last() != Some(&self.line) {
            self.bad_lines.push(self.line);
        }
    }
}
