//! Reads `pg_dump`'s custom format as it streams by: exact rows, bytes and a digest of every table,
//! and proof that nothing is missing.

use std::collections::{BTreeMap, BTreeSet};

use super::any_order::DigestKey;
use super::archive_head::{
    ArchiveHead, ArchiveVersion, ContentsEntry, ReadProblem, Reader, parse_head,
};
use super::archive_state::{ArchivePart, Before, State, describe_step};
use super::archive_table::{LargeObjectsDigest, LargeObjectsReader, RowCounter, TableDigest};
use super::column_order::ColumnOrder;

/// The kind of a block that has the rows of a table.
pub const BLOCK_DATA: u8 = 1;
const BLOCK_LARGE_OBJECTS: u8 = 3;
/// A table of contents beyond this is no table of contents.
const HEAD_LIMIT: usize = 1 << 30;

/// The stream is not a whole archive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// It ended too early.
    #[error("the archive ends after {position} bytes, {missing}")]
    Truncated {
        /// Bytes that came.
        position: u64,
        /// What had not come yet.
        missing: String,
    },
    /// It is not what the format says.
    #[error("the archive is not as pg_dump writes it, near byte {position}: {what}")]
    Odd {
        /// Where.
        position: u64,
        /// What is wrong.
        what: String,
    },
}

/// What a whole archive holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveSummary {
    /// Version of the format. One that nobody here knows says nothing else but its size.
    pub version: ArchiveVersion,
    /// Whether the version is known, so that everything in it was read.
    pub is_read: bool,
    /// Version of the server that was dumped.
    pub server_version: String,
    /// Version of `pg_dump`.
    pub client_version: String,
    /// Every table with data, in the order of schema and name.
    pub tables: Vec<TableDigest>,
    /// Large objects.
    pub large_objects: LargeObjectsDigest,
    /// Bytes of the archive.
    pub bytes: u64,
    /// The table of contents.
    pub contents: Vec<ContentsEntry>,
}

impl ArchiveSummary {
    /// Rows of all tables.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }
}

/// Reads an archive in pieces of any size.
pub struct ArchiveParser {
    state: State,
    head: Option<ArchiveHead>,
    /// Bytes that are not enough for the next step yet.
    pending: Vec<u8>,
    position: u64,
    rows: u64,
    /// Index of entries with data whose block has not come yet, by dump id.
    awaited: BTreeMap<i64, usize>,
    tables: Vec<TableDigest>,
    large_objects: LargeObjectsReader,
    next_head_attempt: usize,
    /// With it rows and large objects are digested in any order, too.
    key: Option<DigestKey>,
    /// Tables that inherit, by schema and name.
    inheriting: BTreeSet<(String, String)>,
    /// Where the block that is read begins.
    block_begin: u64,
    /// Where blocks have begun since this was taken the last time.
    block_begins: Vec<u64>,
}

impl Default for ArchiveParser {
    fn default() -> Self {
        Self {
            state: State::Head,
            head: None,
            pending: Vec::new(),
            position: 0,
            rows: 0,
            awaited: BTreeMap::new(),
            tables: Vec::new(),
            large_objects: LargeObjectsReader::default(),
            next_head_attempt: 0,
            key: None,
            inheriting: BTreeSet::new(),
            block_begin: 0,
            block_begins: Vec::new(),
        }
    }
}

impl ArchiveParser {
    /// One that also digests rows and large objects so that their order does not matter.
    #[must_use]
    pub fn in_any_order(key: DigestKey) -> Self {
        Self {
            key: Some(key),
            large_objects: LargeObjectsReader::new(Some(key)),
            ..Self::default()
        }
    }

    /// Takes the next piece of the stream.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), ArchiveError> {
        self.push_and_see(piece, &mut |_| {})
    }

    /// The same, and shows what it is. Of an archive of a version that nobody here knows nothing is shown.
    pub fn push_and_see(
        &mut self,
        piece: &[u8],
        see: &mut dyn FnMut(ArchivePart<'_>),
    ) -> Result<(), ArchiveError> {
        self.position += piece.len() as u64;
        if self.pending.is_empty() {
            let used = self.consume(piece, see)?;
            self.pending.extend_from_slice(&piece[used..]);
        } else {
            self.pending.extend_from_slice(piece);
            let pending = std::mem::take(&mut self.pending);
            let used = self.consume(&pending, see)?;
            self.pending = pending;
            self.pending.drain(..used);
        }
        Ok(())
    }

    /// Rows that have come so far, for progress.
    #[must_use]
    pub fn rows(&self) -> u64 {
        let current = match &self.state {
            State::Rows { counter, .. } | State::RowsChunk { counter, .. } => counter.rows(),
            _ => 0,
        };
        self.rows + current
    }

    /// Where blocks of data have begun since this was asked the last time, in bytes from the beginning
    /// of the archive.
    pub fn take_block_begins(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.block_begins)
    }

    /// Says that the stream has ended, and returns what it held if that was a whole archive.
    pub fn finish(self) -> Result<ArchiveSummary, ArchiveError> {
        self.finish_and_see(&mut |_| {})
    }

    /// The same, and shows what was not shown yet.
    pub fn finish_and_see(
        mut self,
        see: &mut dyn FnMut(ArchivePart<'_>),
    ) -> Result<ArchiveSummary, ArchiveError> {
        if let State::Head = self.state {
            // The table of contents is only tried now and then while it grows; what came last may
            // complete it.
            self.next_head_attempt = 0;
            self.push_and_see(&[], see)?;
        }
        if let State::Unknown { version } = self.state {
            return Ok(ArchiveSummary {
                version,
                is_read: false,
                server_version: String::new(),
                client_version: String::new(),
                tables: Vec::new(),
                large_objects: LargeObjectsDigest::default(),
                bytes: self.position,
                contents: Vec::new(),
            });
        }
        let truncated = |missing: String| ArchiveError::Truncated {
            position: self.position,
            missing,
        };
        let Some(head) = &self.head else {
            return Err(truncated("inside its table of contents".to_owned()));
        };
        match &self.state {
            State::Block if self.pending.is_empty() => {}
            State::Rows { entry, .. } | State::RowsChunk { entry, .. } => {
                return Err(truncated(format!(
                    "inside the data of {}",
                    name_of(&head.entries[*entry])
                )));
            }
            _ => return Err(truncated("inside a block".to_owned())),
        }
        if let Some(index) = self.awaited.values().next() {
            let missing = format!(
                "without the data of {} and {} more",
                name_of(&head.entries[*index]),
                self.awaited.len() - 1
            );
            return Err(truncated(missing));
        }
        let mut tables = self.tables;
        tables.sort_by(|a, b| (&a.schema, &a.name).cmp(&(&b.schema, &b.name)));
        Ok(ArchiveSummary {
            version: head.version,
            is_read: true,
            server_version: head.server_version.clone(),
            client_version: head.client_version.clone(),
            contents: head.entries.clone(),
            tables,
            large_objects: self.large_objects.finish(),
            bytes: self.position,
        })
    }

    /// Goes as far as the bytes allow and returns how many were used.
    fn consume(
        &mut self,
        bytes: &[u8],
        see: &mut dyn FnMut(ArchivePart<'_>),
    ) -> Result<usize, ArchiveError> {
        let mut used = 0;
        loop {
            used += self.take_chunks(&bytes[used..], see);
            let is_between_blocks = matches!(self.state, State::Block);
            let before = Before::of(&self.state);
            match self.step(&bytes[used..]) {
                Ok(0) | Err(ReadProblem::More) => return Ok(used),
                Ok(length) => {
                    let taken = &bytes[used..used + length];
                    if let Some(part) =
                        describe_step(before, &self.state, self.head.as_ref(), taken)
                    {
                        see(part);
                    }
                    if is_between_blocks {
                        self.block_begin = self.position - (bytes.len() - used) as u64;
                        self.block_begins.push(self.block_begin);
                    }
                    used += length;
                }
                Err(ReadProblem::UnknownVersion(version)) => {
                    self.state = State::Unknown { version };
                }
                Err(ReadProblem::Odd(what)) => {
                    return Err(ArchiveError::Odd {
                        position: self.position,
                        what,
                    });
                }
            }
        }
    }

    /// Takes the chunks of rows that have come as a whole. `pg_dump` writes each row as one: a step for each
    /// would cost more than looking at its bytes.
    fn take_chunks(&mut self, bytes: &[u8], see: &mut dyn FnMut(ArchivePart<'_>)) -> usize {
        let (State::Rows { counter, .. }, Some(head)) = (&mut self.state, &self.head) else {
            return 0;
        };
        let mut used = 0;
        while let Some(chunk) = read_chunk(&bytes[used..], head.integer_size) {
            counter.push(chunk);
            see(ArchivePart::Rows(chunk));
            used += 1 + head.integer_size + chunk.len();
        }
        used
    }

    fn step(&mut self, bytes: &[u8]) -> Result<usize, ReadProblem> {
        if bytes.is_empty() || matches!(self.state, State::Unknown { .. }) {
            return Ok(bytes.len());
        }
        let Some(integer_size) = self.head.as_ref().map(|head| head.integer_size) else {
            return self.step_head(bytes);
        };
        let mut reader = Reader::new(bytes, integer_size);
        match &mut self.state {
            State::RowsChunk { counter, left, .. } => {
                let taken = (*left).min(bytes.len());
                counter.push(&bytes[..taken]);
                *left -= taken;
                if *left == 0 {
                    self.leave_chunk();
                }
                return Ok(taken);
            }
            State::ObjectChunk { entry, left } => {
                let taken = (*left).min(bytes.len());
                self.large_objects.push(&bytes[..taken]);
                *left -= taken;
                if *left == 0 {
                    self.state = State::Object { entry: *entry };
                }
                return Ok(taken);
            }
            State::Head | State::Block => {
                let kind = reader.byte()?;
                let dump_id = reader.integer()?;
                let used = reader.position();
                self.begin_block(kind, dump_id)?;
                return Ok(used);
            }
            State::Objects { entry } => {
                let entry = *entry;
                let oid = read_oid(reader.integer()?)?;
                let used = reader.position();
                self.state = match oid {
                    Some(oid) => {
                        self.large_objects.begin(oid);
                        State::Object { entry }
                    }
                    None => State::Block,
                };
                return Ok(used);
            }
            State::Rows { .. } | State::Object { .. } | State::Unknown { .. } => {}
        }
        let number = reader.integer()?;
        let used = reader.position();
        let number = usize::try_from(number)
            .map_err(|_| ReadProblem::Odd(format!("a length of {number}")))?;
        self.enter(number)?;
        Ok(used)
    }

    /// Reads head and contents. They are parsed again when twice as much has come, so that the work
    /// stays linear.
    fn step_head(&mut self, bytes: &[u8]) -> Result<usize, ReadProblem> {
        if bytes.len() < self.next_head_attempt {
            return Err(ReadProblem::More);
        }
        match parse_head(bytes) {
            Ok((head, used)) => {
                for (index, entry) in head
                    .entries
                    .iter()
                    .enumerate()
                    .filter(|(_, entry)| entry.has_data)
                {
                    if self.awaited.insert(entry.dump_id, index).is_some() {
                        return Err(ReadProblem::Odd(format!(
                            "two entries have the number {}",
                            entry.dump_id
                        )));
                    }
                }
                self.inheriting = head
                    .entries
                    .iter()
                    .filter(|entry| entry.description == "TABLE")
                    .filter(|entry| entry.definition.contains("\nINHERITS ("))
                    .map(|entry| (entry.schema.clone(), entry.name.clone()))
                    .collect();
                self.head = Some(head);
                self.state = State::Block;
                Ok(used)
            }
            Err(ReadProblem::More) if bytes.len() > HEAD_LIMIT => Err(ReadProblem::Odd(
                "its table of contents has no end".to_owned(),
            )),
            Err(problem) => {
                self.next_head_attempt = bytes.len().saturating_mul(2);
                Err(problem)
            }
        }
    }

    fn begin_block(&mut self, kind: u8, dump_id: i64) -> Result<(), ReadProblem> {
        let Some(entry) = self.awaited.remove(&dump_id) else {
            return Err(ReadProblem::Odd(format!(
                "data comes for entry {dump_id}, which has none or had it before"
            )));
        };
        let is_rows = self
            .head
            .as_ref()
            .is_some_and(|head| head.entries[entry].description == "TABLE DATA");
        self.state = match (kind, is_rows) {
            (BLOCK_DATA, true) => State::Rows {
                entry,
                counter: Box::new(RowCounter::new(self.key).in_columns(self.order_of(entry))),
            },
            (BLOCK_LARGE_OBJECTS, false) => State::Objects { entry },
            _ => {
                return Err(ReadProblem::Odd(format!(
                    "entry {dump_id} has a block of type {kind}"
                )));
            }
        };
        Ok(())
    }

    /// The order of the columns of a table that inherits.
    fn order_of(&self, entry: usize) -> Option<ColumnOrder> {
        self.key?;
        let entries = &self.head.as_ref()?.entries;
        let entry = entries.get(entry)?;
        let inherits = self
            .inheriting
            .contains(&(entry.schema.clone(), entry.name.clone()));
        inherits.then(|| ColumnOrder::read(&entry.copy_statement))?
    }

    /// Acts on the number between chunks: the length of the next one, or 0 for the end.
    fn enter(&mut self, number: usize) -> Result<(), ReadProblem> {
        self.state = match std::mem::replace(&mut self.state, State::Block) {
            State::Rows { entry, counter } if number > 0 => State::RowsChunk {
                entry,
                counter,
                left: number,
            },
            State::Rows { entry, counter } => return self.end_table(entry, *counter),
            State::Object { entry } if number > 0 => State::ObjectChunk {
                entry,
                left: number,
            },
            State::Object { entry } => {
                self.large_objects.end();
                State::Objects { entry }
            }
            other => other,
        };
        Ok(())
    }

    fn leave_chunk(&mut self) {
        if let State::RowsChunk { entry, counter, .. } =
            std::mem::replace(&mut self.state, State::Block)
        {
            self.state = State::Rows { entry, counter };
        }
    }

    fn end_table(&mut self, entry: usize, counter: RowCounter) -> Result<(), ReadProblem> {
        let Some(entry) = self.head.as_ref().map(|head| &head.entries[entry]) else {
            return Ok(());
        };
        let Some(found) = counter.finish() else {
            return Err(ReadProblem::Odd(format!(
                "the data of {} does not end as COPY does",
                name_of(entry)
            )));
        };
        self.rows += found.rows;
        self.tables.push(TableDigest {
            oid: entry.oid,
            schema: entry.schema.clone(),
            name: entry.name.clone(),
            rows: found.rows,
            offset: self.block_begin,
            bytes: found.bytes,
            blake3: found.blake3,
            any_order: found.any_order,
        });
        Ok(())
    }
}

/// The chunk at the front, if it has come as a whole; none at the end of a table's data.
fn read_chunk(bytes: &[u8], integer_size: usize) -> Option<&[u8]> {
    let mut reader = Reader::new(bytes, integer_size);
    let length = reader.integer().ok().filter(|length| *length > 0)?;
    reader.take(usize::try_from(length).ok()?).ok()
}

/// The object id of a large object, or none at the end of them. `pg_dump` writes an unsigned number
/// of 32 bits as a signed one.
fn read_oid(number: i64) -> Result<Option<u32>, ReadProblem> {
    let oid = i32::try_from(number)
        .map(i32::cast_unsigned)
        .or_else(|_| u32::try_from(number))
        .map_err(|_| ReadProblem::Odd(format!("a large object with the id {number}")))?;
    Ok(Some(oid).filter(|oid| *oid != 0))
}

fn name_of(entry: &ContentsEntry) -> String {
    format!("{} {}.{}", entry.description, entry.schema, entry.name)
}
