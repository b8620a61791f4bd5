//! One archive becomes one for each session of a restore: each has the same table of contents, the whole rows that
//! are its own, and the end mark of each of its tables. Pure.

use crate::postgres::{ArchivePart, BLOCK_DATA, END_OF_ROWS};

use super::restore_rows_plan::RowsPlan;

/// What a turn is, in bytes.
const TURN: usize = 256 << 10;

/// The table whose rows come.
struct Current {
    sessions: std::ops::Range<usize>,
    /// Whose turn it is.
    turn: usize,
}

/// Splits an archive.
pub struct RowSplitter {
    plan: RowsPlan,
    integer_size: usize,
    current: Option<Current>,
    /// Rows that nobody has yet. The end mark is never cut: it is within the last bytes.
    held: Vec<u8>,
    /// What is ready for each session.
    ready: Vec<Vec<u8>>,
    /// So many bytes of rows a session gets before the next one has its turn.
    turn: usize,
}

impl RowSplitter {
    #[must_use]
    pub fn new(plan: RowsPlan) -> Self {
        let sessions = plan.entries.len();
        Self {
            plan,
            integer_size: 0,
            current: None,
            held: Vec::new(),
            ready: vec![Vec::new(); sessions],
            turn: TURN,
        }
    }

    /// Takes the next part.
    pub fn take(&mut self, part: ArchivePart<'_>) {
        match part {
            ArchivePart::Head {
                bytes,
                integer_size,
            } => {
                self.integer_size = integer_size;
                for ready in &mut self.ready {
                    ready.extend_from_slice(bytes);
                }
            }
            ArchivePart::TableBegins(entry) => self.begin(entry),
            ArchivePart::Rows(bytes) => {
                self.held.extend_from_slice(bytes);
                if self.held.len() >= self.turn {
                    self.give();
                }
            }
            ArchivePart::TableEnds => self.end(),
            // Large objects are the first session's.
            ArchivePart::Objects(bytes) => self.ready[0].extend_from_slice(bytes),
        }
    }

    /// What is ready since this was asked the last time, with the session that it is for.
    pub fn take_ready(&mut self) -> impl Iterator<Item = (usize, Vec<u8>)> {
        let ready = self.ready.iter_mut().map(std::mem::take).enumerate();
        ready.filter(|(_, bytes)| !bytes.is_empty())
    }

    fn begin(&mut self, entry: i64) {
        let sessions = self.plan.sessions_of(entry);
        for session in sessions.clone() {
            self.ready[session].push(BLOCK_DATA);
            self.write_number(session, entry);
        }
        self.current = Some(Current {
            turn: sessions.start,
            sessions,
        });
    }

    /// Gives what is held to the session whose turn it is, up to the end of a row: the next row is the next
    /// one's. A row that has no end yet stays with the session that has its beginning.
    fn give(&mut self) {
        let Some(current) = &mut self.current else {
            return;
        };
        let settled = self.held.len().saturating_sub(END_OF_ROWS.len());
        let end_of_row = memchr::memrchr(b'\n', &self.held[..settled]);
        let (length, session) = (end_of_row.map_or(settled, |end| end + 1), current.turn);
        if end_of_row.is_some() {
            current.turn += 1;
            if !current.sessions.contains(&current.turn) {
                current.turn = current.sessions.start;
            }
        }
        let held = std::mem::take(&mut self.held);
        self.write_rows(session, &held[..length]);
        self.held.extend_from_slice(&held[length..]);
    }

    fn end(&mut self) {
        let Some(Current { sessions, turn }) = self.current.take() else {
            return;
        };
        let held = std::mem::take(&mut self.held);
        // One that does not end so is no whole archive, which its reader says.
        let rows = held.strip_suffix(END_OF_ROWS).unwrap_or(&held);
        self.write_rows(turn, rows);
        for session in sessions {
            self.write_rows(session, END_OF_ROWS);
            self.write_number(session, 0);
        }
    }

    fn write_rows(&mut self, session: usize, bytes: &[u8]) {
        let Ok(length) = i64::try_from(bytes.len()) else {
            return;
        };
        // A length of 0 would be the end of the table.
        if length > 0 {
            self.write_number(session, length);
            self.ready[session].extend_from_slice(bytes);
        }
    }

    /// A sign, and an integer with its least byte first.
    fn write_number(&mut self, session: usize, number: i64) {
        let ready = &mut self.ready[session];
        ready.push(u8::from(number < 0));
        let bytes = number.unsigned_abs().to_le_bytes();
        ready.extend_from_slice(&bytes[..self.integer_size.min(bytes.len())]);
    }
}

#[cfg(test)]
#[path = "restore_rows_split_tests.rs"]
mod tests;
