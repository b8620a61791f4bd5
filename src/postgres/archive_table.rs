//! What is learned from the data of one entry of an archive: rows, bytes and a digest.

use sha2::{Digest, Sha256};

/// What ends the data of a table in COPY's text format, as `pg_dump` writes it.
const END_OF_ROWS: &[u8; 5] = b"\\.\n\n\n";

/// The data of one table in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableDigest {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Rows.
    pub rows: u64,
    /// Bytes of the rows in COPY's text format.
    pub bytes: u64,
    /// SHA-256 of these bytes, in hex.
    pub sha256: String,
}

/// All large objects of an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LargeObjectsDigest {
    /// How many.
    pub count: u64,
    pub bytes: u64,
}

/// Reads the data of one table as it comes, in pieces of any size. The last bytes are held back:
/// they may be the end mark.
#[derive(Debug, Default)]
pub(super) struct RowCounter {
    rows: u64,
    bytes: u64,
    digest: Sha256,
    tail: Vec<u8>,
}

impl RowCounter {
    pub(super) fn push(&mut self, data: &[u8]) {
        if data.len() >= END_OF_ROWS.len() {
            let (front, back) = data.split_at(data.len() - END_OF_ROWS.len());
            let tail = std::mem::take(&mut self.tail);
            self.settle(&tail);
            self.settle(front);
            self.tail = tail;
            self.tail.clear();
            self.tail.extend_from_slice(back);
        } else {
            self.tail.extend_from_slice(data);
            if let Some(surplus) = self.tail.len().checked_sub(END_OF_ROWS.len()) {
                let front: Vec<u8> = self.tail.drain(..surplus).collect();
                self.settle(&front);
            }
        }
    }

    fn settle(&mut self, data: &[u8]) {
        // In COPY's text format a line end inside a value is written as `\n`, so each line is a
        // row.
        self.rows += memchr::memchr_iter(b'\n', data).count() as u64;
        self.bytes += data.len() as u64;
        self.digest.update(data);
    }

    /// Rows so far, for progress.
    pub(super) const fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows, bytes and digest, if the data ended as it must.
    pub(super) fn finish(self) -> Option<(u64, u64, String)> {
        (self.tail == END_OF_ROWS)
            .then(|| (self.rows, self.bytes, hex::encode(self.digest.finalize())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_the_same_however_the_data_is_cut() {
        let data = b"1\tone\n2\ttwo\\nlines\n3\t\\.\n\\.\n\n\n";
        let mut expected = None;
        for size in 1..=data.len() {
            let mut counter = RowCounter::default();
            data.chunks(size).for_each(|piece| counter.push(piece));
            let found = counter.finish();
            assert_eq!(
                found.as_ref().map(|(rows, bytes, _)| (*rows, *bytes)),
                Some((3, 24)),
                "pieces of {size}"
            );
            assert_eq!(&found, expected.get_or_insert(found.clone()));
        }
    }

    #[test]
    fn data_without_its_end_mark_is_refused() {
        let mut counter = RowCounter::default();
        counter.push(b"1\n2\n");
        assert_eq!(counter.finish(), None);
    }

    #[test]
    fn an_empty_table_has_no_rows() {
        let mut counter = RowCounter::default();
        counter.push(END_OF_ROWS);
        assert_eq!(
            counter.finish().map(|(rows, bytes, _)| (rows, bytes)),
            Some((0, 0))
        );
    }
}
