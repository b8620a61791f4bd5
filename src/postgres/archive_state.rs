//! Where in an archive its reader is, and what the bytes of a step were.

use super::archive_head::{ArchiveHead, ArchiveVersion, ReadProblem, Reader};
use super::archive_table::RowCounter;

/// What a piece of an archive is, for whoever writes it again for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchivePart<'bytes> {
    /// The head and the table of contents. It comes once, whole.
    Head {
        bytes: &'bytes [u8],
        /// Bytes of an integer.
        integer_size: usize,
    },
    /// The data of a table begins; the number is that of its entry.
    TableBegins(i64),
    /// A piece of the data of a table, its end mark included, without the lengths between pieces.
    Rows(&'bytes [u8]),
    /// The data of a table has ended.
    TableEnds,
    /// A piece of a block of large objects, as it stands in the archive.
    Objects(&'bytes [u8]),
}

/// Where in the stream the parser is.
pub(super) enum State {
    /// In the head or the table of contents.
    Head,
    /// Before the first byte of a block, or at the end.
    Block,
    /// In a table's data, before the length of a chunk.
    Rows {
        entry: usize,
        counter: Box<RowCounter>,
    },
    /// In a table's data, inside a chunk.
    RowsChunk {
        entry: usize,
        counter: Box<RowCounter>,
        left: usize,
    },
    /// In large objects, before the id of one.
    Objects { entry: usize },
    /// In a large object, before the length of a chunk.
    Object { entry: usize },
    /// In a large object, inside a chunk.
    ObjectChunk { entry: usize, left: usize },
    /// In an archive of a version that nobody here knows.
    Unknown { version: ArchiveVersion },
}

/// Where it was before a step.
#[derive(Clone, Copy)]
pub(super) enum Before {
    Head,
    Block,
    Rows,
    RowsChunk,
    Objects,
}

impl Before {
    pub(super) const fn of(state: &State) -> Self {
        match state {
            State::Head | State::Unknown { .. } => Self::Head,
            State::Block => Self::Block,
            State::Rows { .. } => Self::Rows,
            State::RowsChunk { .. } => Self::RowsChunk,
            State::Objects { .. } | State::Object { .. } | State::ObjectChunk { .. } => {
                Self::Objects
            }
        }
    }
}

/// What the bytes were that a step has taken; nothing if only their number mattered.
pub(super) fn describe_step<'bytes>(
    before: Before,
    now: &State,
    head: Option<&ArchiveHead>,
    bytes: &'bytes [u8],
) -> Option<ArchivePart<'bytes>> {
    let head = head?;
    match (before, now) {
        (Before::Head, _) => Some(ArchivePart::Head {
            bytes,
            integer_size: head.integer_size,
        }),
        (Before::Block, State::Rows { entry, .. }) => {
            Some(ArchivePart::TableBegins(head.entries[*entry].dump_id))
        }
        (Before::Rows, State::Block) => Some(ArchivePart::TableEnds),
        (Before::Rows, _) => None,
        (Before::RowsChunk, _) => Some(ArchivePart::Rows(bytes)),
        (Before::Block | Before::Objects, _) => Some(ArchivePart::Objects(bytes)),
    }
}

/// The chunk at the front, if it has come as a whole; none at the end of a table's data.
pub(super) fn read_chunk(bytes: &[u8], integer_size: usize) -> Option<&[u8]> {
    let mut reader = Reader::new(bytes, integer_size);
    let length = reader.integer().ok().filter(|length| *length > 0)?;
    reader.take(usize::try_from(length).ok()?).ok()
}

/// The object id of a large object, or none at the end of them. `pg_dump` writes an unsigned number
/// of 32 bits as a signed one.
pub(super) fn read_oid(number: i64) -> Result<Option<u32>, ReadProblem> {
    let oid = i32::try_from(number)
        .map(i32::cast_unsigned)
        .or_else(|_| u32::try_from(number))
        .map_err(|_| ReadProblem::Odd(format!("a large object with the id {number}")))?;
    Ok(Some(oid).filter(|oid| *oid != 0))
}
