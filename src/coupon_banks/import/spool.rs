//! Rows set aside while a file arrives, already in the random order in which they will be stored.
//!
//! Each code is digested under a secret that is drawn for this load and forgotten with it. The digest does two things at
//! once: equal codes meet, and the order of digests is a random permutation that nobody can foretell. Rows fall into
//! drawers by the first byte of their digest, so that a few drawers at a time can be sorted in memory.
//!
//! Memory is flat: full blocks of a drawer go to a temporary file that has no name and goes with its handle.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use sha2::{Digest, Sha256};

use super::super::upload::Row;

const DRAWERS: usize = 256;
/// A drawer that holds so much goes to the file.
const BLOCK_BYTES: usize = 32 * 1024;
/// Drawers are taken out together until they hold so many rows. Many enough for the look-ups and inserts of neighbouring
/// codes to meet on the same pages of an index, few enough for a few megabytes.
const BATCH_ROWS: usize = 200_000;

/// Digest and line, and the lengths of code, folded code and PIN.
const HEAD_BYTES: usize = 16 + 8 + 3 * 2;

/// Good rows of a file, set aside.
pub struct Spool {
    file: File,
    end: u64,
    secret: [u8; 32],
    drawers: Vec<Drawer>,
    rows: u64,
}

#[derive(Default)]
struct Drawer {
    rows: usize,
    /// Where its full blocks lie in the file.
    blocks: Vec<(u64, usize)>,
    /// What has not gone to the file yet.
    open: Vec<u8>,
}

impl Spool {
    /// An empty one.
    pub fn create() -> io::Result<Self> {
        let drawers = std::iter::repeat_with(Drawer::default).take(DRAWERS).collect();
        Ok(Self { file: tempfile::tempfile()?, end: 0, secret: rand::random(), drawers, rows: 0 })
    }

    /// Sets a row aside.
    pub fn push(&mut self, row: &Row) -> io::Result<()> {
        let (code, key) = (row.code.as_str(), row.code.key());
        let pin = row.pin.as_ref().map_or("", |pin| pin.expose());
        let digest = Sha256::new().chain_update(self.secret).chain_update(key.as_str()).finalize();
        let drawer = &mut self.drawers[usize::from(digest[0])];
        drawer.open.extend_from_slice(&digest[..16]);
        drawer.open.extend_from_slice(&row.line.to_le_bytes());
        let texts = [code, key.as_str(), pin];
        for text in texts {
            // Bounded by their types, far below what two bytes can say.
            let length = u16::try_from(text.len()).map_err(io::Error::other)?;
            drawer.open.extend_from_slice(&length.to_le_bytes());
        }
        for text in texts {
            drawer.open.extend_from_slice(text.as_bytes());
        }
        drawer.rows += 1;
        self.rows += 1;
        if drawer.open.len() >= BLOCK_BYTES {
            self.file.write_all_at(&drawer.open, self.end)?;
            drawer.blocks.push((self.end, drawer.open.len()));
            self.end += drawer.open.len() as u64;
            drawer.open.clear();
        }
        Ok(())
    }

    /// How many rows there are.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The parts in which it can be taken out, in the order of digests.
    pub fn batches(&self) -> Vec<Range<usize>> {
        let mut batches = Vec::new();
        let (mut start, mut rows) = (0, 0);
        for (at, drawer) in self.drawers.iter().enumerate() {
            rows += drawer.rows;
            if rows >= BATCH_ROWS || (at + 1 == DRAWERS && rows > 0) {
                batches.push(start..at + 1);
                (start, rows) = (at + 1, 0);
            }
        }
        batches
    }

    /// Takes a part out, in the order of digests, equal codes in the order of the file. Blocks.
    pub fn read(&self, drawers: &Range<usize>) -> io::Result<Batch> {
        let drawers = &self.drawers[drawers.clone()];
        let length = drawers.iter().map(|one| one.blocks.iter().map(|block| block.1).sum::<usize>() + one.open.len());
        let mut bytes = vec![0; length.sum()];
        let mut filled = 0;
        for drawer in drawers {
            for (offset, length) in &drawer.blocks {
                self.file.read_exact_at(&mut bytes[filled..filled + length], *offset)?;
                filled += length;
            }
            bytes[filled..filled + drawer.open.len()].copy_from_slice(&drawer.open);
            filled += drawer.open.len();
        }
        let rows = drawers.iter().map(|drawer| drawer.rows).sum();
        Batch::sorted(bytes, rows).ok_or_else(|| io::Error::other("the spooled rows are not as they were written"))
    }
}

/// Some rows, in the order of digests.
pub struct Batch {
    bytes: Vec<u8>,
    rows: Vec<Place>,
}

/// Where a row lies in the bytes of its batch.
struct Place {
    digest: u128,
    line: u64,
    at: usize,
    lengths: [u16; 3],
}

/// A row as it was set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpooledRow<'a> {
    pub line: u64,
    pub code: &'a str,
    pub key: &'a str,
    pub pin: Option<&'a str>,
}

impl Batch {
    fn sorted(bytes: Vec<u8>, count: usize) -> Option<Self> {
        let mut rows = Vec::with_capacity(count);
        let mut at = 0;
        while at < bytes.len() {
            let head = bytes.get(at..at + HEAD_BYTES)?;
            let (digest, rest) = head.split_first_chunk()?;
            let (line, rest) = rest.split_first_chunk()?;
            let (lengths, _) = rest.as_chunks::<2>();
            let lengths = [0, 1, 2].map(|n| lengths.get(n).map_or(0, |length| u16::from_le_bytes(*length)));
            at += HEAD_BYTES;
            rows.push(Place { digest: u128::from_be_bytes(*digest), line: u64::from_le_bytes(*line), at, lengths });
            at += lengths.iter().map(|length| usize::from(*length)).sum::<usize>();
        }
        rows.sort_unstable_by_key(|row| (row.digest, row.line));
        Some(Self { bytes, rows })
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The row at this place of the order.
    pub fn row(&self, index: usize) -> SpooledRow<'_> {
        let Place { line, mut at, lengths, .. } = self.rows[index];
        let [code, key, pin] = lengths.map(|length| {
            let from = at;
            at += usize::from(length);
            // What was text when it was written is text.
            str::from_utf8(&self.bytes[from..at]).unwrap_or_default()
        });
        SpooledRow { line, code, key, pin: (!pin.is_empty()).then_some(pin) }
    }

    /// Whether this code stands earlier in the file. 128 bits of a digest do not agree by chance.
    pub fn is_repeated(&self, index: usize) -> bool {
        index > 0 && self.rows[index - 1].digest == self.rows[index].digest
    }

    /// The places of the order, by folded code.
    pub fn by_key(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_unstable_by_key(|index| self.row(*index).key);
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::codes::CouponCode;

    fn row(line: u64, code: &str) -> Row {
        Row { line, code: CouponCode::try_from(code).unwrap(), pin: None }
    }

    fn spool(codes: impl Iterator<Item = String>) -> Spool {
        let mut spool = Spool::create().unwrap();
        for (line, code) in (1..).zip(codes) {
            spool.push(&row(line, &code)).unwrap();
        }
        spool
    }

    fn lines(spool: &Spool) -> Vec<u64> {
        let batches = spool.batches().into_iter().map(|drawers| spool.read(&drawers).unwrap());
        batches.flat_map(|batch| (0..batch.len()).map(|n| batch.row(n).line).collect::<Vec<_>>()).collect()
    }

    #[test]
    fn a_large_file_comes_out_whole_in_another_order_each_time_and_all_but_a_block_a_drawer_lies_on_disk() {
        let count = 450_000;
        let spools = [(); 2].map(|()| spool((0..count).map(|n| format!("CODE-{n}"))));
        let [one, other] = [0, 1].map(|n| lines(&spools[n]));
        assert_ne!(one, other);
        for (spool, mut lines) in spools.iter().zip([one, other]) {
            assert!(!lines.is_sorted());
            lines.sort_unstable();
            assert!(lines.into_iter().eq(1..=count));
            assert_eq!((spool.rows(), spool.batches().len()), (count, 3));
            let in_memory: usize = spool.drawers.iter().map(|drawer| drawer.open.capacity()).sum();
            assert!(in_memory <= DRAWERS * 2 * BLOCK_BYTES, "{in_memory} bytes");
            assert!(spool.end > 10 * 1024 * 1024);
        }
    }

    #[test]
    fn equal_codes_stand_side_by_side_in_the_order_of_the_file() {
        let spool = spool((0..3_000).map(|n| format!("{}{}", if n % 2 == 0 { "code" } else { "CODE" }, n % 1_000)));
        let batch = spool.read(&(0..DRAWERS)).unwrap();
        assert_eq!((batch.len(), spool.batches().len()), (3_000, 1));
        for first in (0..3_000).step_by(3) {
            assert_eq!([0, 1, 2].map(|n| batch.is_repeated(first + n)), [false, true, true]);
            let [one, two, three] = [0, 1, 2].map(|n| batch.row(first + n));
            assert!(one.key == two.key && two.key == three.key, "{one:?} {two:?} {three:?}");
            assert!(one.line < two.line && two.line < three.line);
        }
        assert!(batch.by_key().windows(2).all(|pair| batch.row(pair[0]).key <= batch.row(pair[1]).key));
    }

    #[test]
    fn a_row_comes_out_as_it_went_in() {
        let mut spool = Spool::create().unwrap();
        let pin = Some(crate::coupon_banks::upload::Pin::try_from("p 1").unwrap());
        spool.push(&Row { pin, ..row(7, "Één1") }).unwrap();
        let batch = spool.read(&(0..DRAWERS)).unwrap();
        assert_eq!(batch.row(0), SpooledRow { line: 7, code: "Één1", key: "Één1", pin: Some("p 1") });
    }

    #[test]
    fn nothing_is_in_no_batch() {
        assert_eq!(Spool::create().unwrap().batches(), Vec::<Range<usize>>::new());
    }
}
