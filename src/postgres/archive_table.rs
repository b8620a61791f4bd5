//! What is learned from the data of one entry of an archive: rows, bytes and a digest.

use super::any_order::{AnyOrderDigest, DigestKey, RowSum};
use super::column_order::ColumnOrder;

/// What ends the data of a table in COPY's text format, as `pg_dump` writes it.
pub const END_OF_ROWS: &[u8; 5] = b"\\.\n\n\n";
/// So many bytes are counted and digested at once: `pg_dump` writes each row by itself, and a narrow
/// one costs less than looking at it alone.
const SETTLED_AT_ONCE: usize = 64 << 10;

/// The data of one table in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableDigest {
    /// Its object id; none if the archive does not say it.
    pub oid: Option<i64>,
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Rows.
    pub rows: u64,
    /// Where its data begins, in bytes from the beginning of the archive.
    pub offset: u64,
    /// Bytes of the rows in COPY's text format.
    pub bytes: u64,
    /// BLAKE3 of these bytes, in hex.
    pub blake3: String,
    /// A digest that does not depend on the order of the rows, if it was asked for.
    pub any_order: Option<AnyOrderDigest>,
}

/// One large object of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LargeObjectDigest {
    /// Its object id.
    pub oid: u32,
    pub bytes: u64,
    /// BLAKE3 of its bytes, in hex.
    pub blake3: String,
}

/// The most large objects that are listed one by one.
pub const LISTED_LARGE_OBJECTS: usize = 10_000;

/// All large objects of an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LargeObjectsDigest {
    /// How many.
    pub count: u64,
    pub bytes: u64,
    /// The first ones, in the order in which they came.
    pub listed: Vec<LargeObjectDigest>,
    /// BLAKE3 over the object id (4 bytes, least first), the size (8 bytes, least first) and the
    /// digest (32 bytes) of every one, in the order of their coming, in hex; empty if there is none.
    pub blake3: String,
    /// The same in whatever order they come, if it was asked for.
    pub any_order: Option<AnyOrderDigest>,
}

/// Reads the data of one table as it comes, in pieces of any size. The last bytes are held back:
/// they may be the end mark.
#[derive(Debug, Default)]
pub(super) struct RowCounter {
    rows: u64,
    bytes: u64,
    digest: Box<blake3::Hasher>,
    any_order: Option<RowSum>,
    columns: Option<ColumnOrder>,
    held: Vec<u8>,
}

/// Rows, bytes and digests of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) blake3: String,
    pub(super) any_order: Option<AnyOrderDigest>,
}

impl RowCounter {
    /// With a key it digests the rows in any order, too.
    pub(super) fn new(key: Option<DigestKey>) -> Self {
        Self {
            any_order: key.map(RowSum::new),
            ..Self::default()
        }
    }

    /// Digests each row, in any order, with its columns in this order.
    pub(super) fn in_columns(mut self, columns: Option<ColumnOrder>) -> Self {
        self.columns = columns;
        self
    }

    pub(super) fn push(&mut self, data: &[u8]) {
        if self.held.len() + data.len() < SETTLED_AT_ONCE {
            self.held.extend_from_slice(data);
            return;
        }
        let Some(front) = data.len().checked_sub(END_OF_ROWS.len()) else {
            self.held.extend_from_slice(data);
            let held = std::mem::take(&mut self.held);
            let (settled, kept) = held.split_at(held.len() - END_OF_ROWS.len());
            self.settle(settled);
            self.held.extend_from_slice(kept);
            return;
        };
        let mut held = std::mem::take(&mut self.held);
        self.settle(&held);
        self.settle(&data[..front]);
        held.clear();
        held.extend_from_slice(&data[front..]);
        self.held = held;
    }

    fn settle(&mut self, data: &[u8]) {
        // In COPY's text format a line end inside a value is written as `\n`, so each line is a
        // row.
        self.rows += memchr::memchr_iter(b'\n', data).count() as u64;
        self.bytes += data.len() as u64;
        self.digest.update(data);
        match (&mut self.any_order, &mut self.columns) {
            (Some(sum), Some(columns)) => columns.pass(data, sum),
            (Some(sum), None) => sum.push(data),
            (None, _) => {}
        }
    }

    /// Rows so far, for progress: those that are held back are not among them.
    pub(super) const fn rows(&self) -> u64 {
        self.rows
    }

    /// All of it, if the data ended as it must.
    pub(super) fn finish(mut self) -> Option<Counted> {
        let held = std::mem::take(&mut self.held);
        let rows = held.strip_suffix(END_OF_ROWS)?;
        self.settle(rows);
        Some(Counted {
            rows: self.rows,
            bytes: self.bytes,
            blake3: self.digest.finalize().to_hex().to_string(),
            any_order: self.any_order.as_ref().map(RowSum::digest),
        })
    }
}

/// Reads large objects one after the other.
#[derive(Debug, Default)]
pub(super) struct LargeObjectsReader {
    found: LargeObjectsDigest,
    all: Box<blake3::Hasher>,
    current: Option<(u32, u64, Box<blake3::Hasher>)>,
    key: Option<DigestKey>,
}

impl LargeObjectsReader {
    /// With a key it digests them in any order, too.
    pub(super) fn new(key: Option<DigestKey>) -> Self {
        let mut reader = Self {
            key,
            ..Self::default()
        };
        reader.found.any_order = key.map(|_| AnyOrderDigest::default());
        reader
    }

    pub(super) fn begin(&mut self, oid: u32) {
        self.current = Some((oid, 0, Box::default()));
    }

    pub(super) fn push(&mut self, data: &[u8]) {
        if let Some((_, bytes, digest)) = &mut self.current {
            *bytes += data.len() as u64;
            digest.update(data);
        }
    }

    pub(super) fn end(&mut self) {
        let Some((oid, bytes, digest)) = self.current.take() else {
            return;
        };
        let digest = digest.finalize();
        self.all.update(&oid.to_le_bytes());
        self.all.update(&bytes.to_le_bytes());
        self.all.update(digest.as_bytes());
        if let (Some(key), Some(sum)) = (&self.key, &mut self.found.any_order) {
            let mut one = blake3::Hasher::new_keyed(key);
            one.update(&oid.to_le_bytes())
                .update(&bytes.to_le_bytes())
                .update(digest.as_bytes());
            sum.add(&one.finalize());
        }
        self.found.count += 1;
        self.found.bytes += bytes;
        if self.found.listed.len() < LISTED_LARGE_OBJECTS {
            self.found.listed.push(LargeObjectDigest {
                oid,
                bytes,
                blake3: digest.to_hex().to_string(),
            });
        }
    }

    pub(super) fn finish(mut self) -> LargeObjectsDigest {
        if self.found.count > 0 {
            self.found.blake3 = self.all.finalize().to_hex().to_string();
        }
        self.found
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
                found.as_ref().map(|found| (found.rows, found.bytes)),
                Some((3, 24)),
                "pieces of {size}"
            );
            assert_eq!(&found, expected.get_or_insert(found.clone()));
        }
    }

    #[test]
    fn much_data_is_the_same_however_it_is_cut() {
        let mut data = Vec::new();
        for row in 0..40_000_u32 {
            data.extend_from_slice(format!("{row}\n").as_bytes());
        }
        let bytes = data.len() as u64;
        let digest = blake3::hash(&data).to_hex().to_string();
        data.extend_from_slice(END_OF_ROWS);
        for size in [
            1,
            3,
            7,
            4_096,
            SETTLED_AT_ONCE - 1,
            SETTLED_AT_ONCE,
            data.len(),
        ] {
            let mut counter = RowCounter::default();
            data.chunks(size).for_each(|piece| counter.push(piece));
            assert_eq!(
                counter.finish(),
                Some(Counted {
                    rows: 40_000,
                    bytes,
                    blake3: digest.clone(),
                    any_order: None
                }),
                "pieces of {size}"
            );
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
            counter.finish().map(|found| (found.rows, found.bytes)),
            Some((0, 0))
        );
    }

    #[test]
    fn large_objects_are_the_same_in_any_order() {
        let read = |objects: &[(u32, &[u8])]| {
            let mut reader = LargeObjectsReader::new(Some([7; 32]));
            for (oid, bytes) in objects {
                reader.begin(*oid);
                reader.push(bytes);
                reader.end();
            }
            reader.finish()
        };
        let (one, other) = (read(&[(1, b"a"), (2, b"b")]), read(&[(2, b"b"), (1, b"a")]));
        assert_ne!(one.blake3, other.blake3);
        assert_eq!(one.any_order, other.any_order);
        assert_ne!(one.any_order, read(&[(1, b"b"), (2, b"a")]).any_order);
        assert_ne!(one.any_order, None);
    }

    #[test]
    fn of_many_large_objects_the_first_are_listed_and_all_are_digested() {
        let read = |last: &[u8]| {
            let mut reader = LargeObjectsReader::default();
            for (number, oid) in (0..=LISTED_LARGE_OBJECTS).zip((0..=u32::MAX).rev()) {
                reader.begin(oid);
                reader.push(b"ab");
                reader.push(if number == LISTED_LARGE_OBJECTS {
                    last
                } else {
                    b"c"
                });
                reader.end();
            }
            reader.finish()
        };
        let found = read(b"c");
        assert_eq!(
            (found.count, found.bytes, found.listed.len()),
            (
                LISTED_LARGE_OBJECTS as u64 + 1,
                3 * (LISTED_LARGE_OBJECTS as u64 + 1),
                LISTED_LARGE_OBJECTS
            )
        );
        assert_eq!(found.listed[0].oid, u32::MAX);
        assert_eq!(
            found.listed[0].blake3,
            blake3::hash(b"abc").to_hex().to_string()
        );
        assert_ne!(
            found.blake3,
            read(b"d").blake3,
            "one that is not listed counts too"
        );
    }
}
