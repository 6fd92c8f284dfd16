//! What spreadsheets write, as UTF-8: without the byte order mark, and out of UTF-16. UTF-8 itself is not looked at.

use std::io::{self, Cursor, Read};

use encoding_rs::{Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};

const PIECE_BYTES: usize = 64 * 1024;

/// The text of a file in UTF-8. What is read of it first is as long as can be, so that it shows how the file is written.
pub fn text(mut input: impl Read + 'static) -> io::Result<Box<dyn Read>> {
    let mut head = Vec::new();
    input.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut head)?;
    let (encoding, mark_bytes) = detect(&head);
    let rest = Cursor::new(head.split_off(mark_bytes.min(head.len()))).chain(input);
    if encoding == UTF_8 {
        return Ok(Box::new(rest));
    }
    let decoder = encoding.new_decoder_without_bom_handling();
    Ok(Box::new(Decoded { input: rest, decoder, text: String::new(), taken: 0, ended: false }))
}

/// The encoding, and how long its byte order mark is. No table begins with a zero.
fn detect(head: &[u8]) -> (&'static Encoding, usize) {
    match (Encoding::for_bom(head), head) {
        (Some(marked), _) => marked,
        (None, [0, _, ..]) => (UTF_16BE, 0),
        (None, [_, 0, ..]) => (UTF_16LE, 0),
        _ => (UTF_8, 0),
    }
}

/// A reader of decoded text. What cannot be decoded becomes U+FFFD, which no rule takes for a letter.
struct Decoded<R> {
    input: R,
    decoder: Decoder,
    text: String,
    taken: usize,
    ended: bool,
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.text.len() && !self.ended {
            let mut bytes = Vec::new();
            self.input.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut bytes)?;
            self.ended = bytes.len() < PIECE_BYTES;
            self.taken = 0;
            self.text.clear();
            self.text.reserve(self.decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(0));
            let _ = self.decoder.decode_to_string(&bytes, &mut self.text, self.ended);
        }
        let length = (&self.text.as_bytes()[self.taken..]).read(buffer)?;
        self.taken += length;
        Ok(length)
    }
}
