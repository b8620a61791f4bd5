//! What `pg_restore` says while it runs: which of its errors end a restore, and which concern no rows and
//! only leave something out. Pure.
//!
//! It names the entry of the table of contents before the first error of each, and at its end how many errors
//! there were: only if each of them is accounted for, a restore with errors is one that counts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::postgres::ContentsEntry;
use crate::wording::{quoted, quoted_line};

/// The most that are listed.
pub const NOT_RESTORED_LIMIT: usize = 20;
/// The longest line of them.
const LINE: usize = 300;
/// The longest name of an entry.
const LABEL: usize = 150;
/// What may be missing afterwards: no row, and nothing that other entries need. Without an event trigger
/// somebody may do more than before, which is reported.
const FORGIVEN: [&str; 8] = [
    "COMMENT",
    "EVENT TRIGGER",
    "MATERIALIZED VIEW DATA",
    "PUBLICATION",
    "PUBLICATION TABLE",
    "PUBLICATION TABLES IN SCHEMA",
    "STATISTICS",
    "STATISTICS DATA",
];
/// Permissions on these give nobody anything until they are granted. On a function everybody has some.
const CLOSED: [&str; 5] = [
    "TABLE ",
    "SEQUENCE ",
    "COLUMN ",
    "LARGE OBJECT ",
    "LARGE OBJECTS ",
];
/// What the client library says when its connection is lost, at the beginning of a line or after the
/// statement that it was lost in.
const BROKEN: [&str; 7] = [
    "server closed the connection unexpectedly",
    "no connection to the server",
    "could not receive data from server",
    "could not send data to server",
    "SSL connection has been closed unexpectedly",
    "SSL SYSCALL error",
    "terminating connection",
];

/// What it has said so far.
#[derive(Debug, Default)]
pub struct Said {
    /// The entries that may fail, by their number.
    forgiven: BTreeMap<i64, String>,
    /// The entry that the next errors are of.
    current: Option<i64>,
    not_restored: Vec<String>,
    /// The entries that have failed and are forgiven, all of them.
    missing: BTreeSet<i64>,
    errors: u64,
    total: Option<u64>,
    is_broken: bool,
    /// The error that ends it.
    fatal: Option<String>,
    /// The entry of the last error, as the program names it.
    entry: String,
}

/// How it has ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything was restored except this.
    Restored(Vec<String>),
    /// Its connection broke: it may be tried again.
    Broken,
    /// It failed.
    Failed,
}

impl Said {
    /// Of a dump with this table of contents. None of its errors is forgiven if there is no table, or if a
    /// name in it could look like a line of the program.
    #[must_use]
    pub fn new(contents: &[ContentsEntry]) -> Self {
        let has_odd = has_odd_names(contents);
        let forgiven = contents
            .iter()
            .filter(|entry| !has_odd && is_forgiven(entry))
            .map(|entry| (entry.dump_id, label(entry)))
            .collect();
        Self {
            forgiven,
            ..Self::default()
        }
    }

    /// Whether some of its errors are forgiven, so that it is to go on after errors.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        !self.forgiven.is_empty()
    }

    /// Takes a line; says whether the program is to be ended.
    pub fn take(&mut self, program: &str, line: &str) -> bool {
        let own = line.strip_prefix(program);
        let Some(own) = own.and_then(|rest| rest.strip_prefix(": ")) else {
            // What follows an error.
            let is_broken = BROKEN.iter().any(|text| line.starts_with(text));
            self.is_broken |= is_broken && self.errors > 0;
            return self.is_broken || self.fatal.is_some();
        };
        if let Some(entry) = own.strip_prefix("from TOC entry ") {
            let number = entry.split_once(';').map(|(number, _)| number);
            self.current = number.and_then(|number| number.parse().ok());
            entry.clone_into(&mut self.entry);
            self.total = None;
        } else if let Some(error) = own.strip_prefix("error: ") {
            self.take_error(error);
        } else if let Some(count) = own.strip_prefix("warning: errors ignored on restore: ") {
            self.total = count.trim().parse().ok();
        }
        self.is_broken || self.fatal.is_some()
    }

    fn take_error(&mut self, error: &str) {
        self.errors = self.errors.saturating_add(1);
        // It says at its very end how many there were; what a server has it write before is none of it.
        self.total = None;
        self.is_broken |= BROKEN.iter().any(|text| error.contains(text));
        let forgiven = self
            .current
            .and_then(|number| Some((number, self.forgiven.get(&number)?)));
        if let Some((number, label)) = forgiven.filter(|_| !self.is_broken) {
            self.missing.insert(number);
            if self.not_restored.len() < NOT_RESTORED_LIMIT {
                let error = error
                    .strip_prefix("could not execute query: ")
                    .unwrap_or(error);
                let label = quoted_line(label, LABEL);
                self.not_restored
                    .push(format!("{label}: {}", quoted(error, LINE)));
            }
        } else {
            let entry = quoted(&self.entry, LINE);
            let of = if self.entry.is_empty() {
                String::new()
            } else {
                format!(" (TOC entry {entry})")
            };
            self.fatal
                .get_or_insert_with(|| format!("{}{of}", quoted(error, LINE)));
        }
    }

    /// The numbers of the entries that it could not restore and that are forgiven.
    #[must_use]
    pub fn missing(&self) -> BTreeSet<i64> {
        self.missing.clone()
    }

    /// The error that ends it, if there is one.
    #[must_use]
    pub fn fatal(&self) -> Option<&str> {
        self.fatal.as_deref()
    }

    /// Judges how the program has ended.
    #[must_use]
    pub fn judge(&self, is_success: bool, code: Option<i32>) -> Verdict {
        if is_success {
            return Verdict::Restored(Vec::new());
        }
        if self.is_broken {
            return Verdict::Broken;
        }
        let is_counted = self.errors > 0 && self.total == Some(self.errors);
        if code != Some(1) || self.fatal.is_some() || !is_counted {
            return Verdict::Failed;
        }
        let mut not_restored = self.not_restored.clone();
        let listed = u64::try_from(not_restored.len()).unwrap_or(u64::MAX);
        let more = self.errors.saturating_sub(listed);
        if more > 0
            && let Some(last) = not_restored.last_mut()
        {
            let _ = write!(last, " (and {more} more)");
        }
        Verdict::Restored(not_restored)
    }
}

/// Whether a name in a table of contents could look like a line of the program.
#[must_use]
pub fn has_odd_names(contents: &[ContentsEntry]) -> bool {
    let is_odd = |text: &str| text.chars().any(char::is_control);
    contents
        .iter()
        .any(|entry| is_odd(&entry.name) || is_odd(&entry.schema) || is_odd(&entry.owner))
}

/// Whether a restore counts where this is missing.
#[must_use]
pub fn is_forgiven(entry: &ContentsEntry) -> bool {
    FORGIVEN.contains(&entry.description.as_str())
        || entry.description == "ACL" && CLOSED.iter().any(|kind| entry.name.starts_with(kind))
}

fn label(entry: &ContentsEntry) -> String {
    let schema = if entry.schema.is_empty() {
        String::new()
    } else {
        format!("{}.", entry.schema)
    };
    let lost = if entry.description == "EVENT TRIGGER" {
        " (SECURITY: what it forbids is permitted until it is created)"
    } else {
        ""
    };
    format!("{} {schema}{}{lost}", entry.description, entry.name)
}

#[cfg(test)]
#[path = "restore_errors_tests.rs"]
mod tests;
