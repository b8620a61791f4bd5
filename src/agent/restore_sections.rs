//! What `pg_restore` restores without rows, from a table of contents that is kept in memory: before the rows, by one
//! session; after them indexes and constraints, several at a time, and then what may be missing, by one session,
//! whose errors can be told apart.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use crate::api::AgentFailure;
use crate::postgres::ContentsEntry;

use super::dump_run::{Lines, Running, keep_and_see, without_pipes};
use super::memory_file::MemoryFile;
use super::restore_errors::{Verdict, is_forgiven};
use super::restore_stream::{PROGRAM, Part, Program, describe_end, failed, lock};

/// What is created after the rows, and what hangs on it.
const AFTER_ROWS: [&str; 11] = [
    "CONSTRAINT",
    "EVENT TRIGGER",
    "FK CONSTRAINT",
    "INDEX",
    "MATERIALIZED VIEW DATA",
    "POLICY",
    "PUBLICATION",
    "RULE",
    "STATISTICS",
    "STATISTICS DATA",
    "TRIGGER",
];

/// What of a dump has to be there, and what may fail after that. None may if nothing is forgiven.
#[must_use]
pub fn split(contents: &[ContentsEntry], forgives: bool) -> (Vec<i64>, Vec<i64>) {
    let kinds: BTreeMap<i64, &str> = contents
        .iter()
        .map(|entry| (entry.dump_id, entry.description.as_str()))
        .collect();
    let may_fail = |entry: &ContentsEntry| {
        let is_after_rows = match entry.description.as_str() {
            // It says by what it is about in which part of a dump it is.
            "ACL" => false,
            "COMMENT" => entry
                .dependencies
                .iter()
                .any(|id| kinds.get(id).is_some_and(|kind| AFTER_ROWS.contains(kind))),
            _ => true,
        };
        forgives && is_after_rows && is_forgiven(entry)
    };
    let (may, must): (Vec<_>, Vec<_>) = contents.iter().partition(|entry| may_fail(entry));
    let numbers =
        |entries: Vec<&ContentsEntry>| entries.iter().map(|entry| entry.dump_id).collect();
    (numbers(must), numbers(may))
}

/// Builds indexes and constraints, so many at a time, by the table of contents of a dump whose rows are there.
/// Sessions beside each other do not say of which entry their errors are.
pub async fn build_beside(
    mut program: Program,
    head: &MemoryFile,
    jobs: i32,
) -> Result<Part, AgentFailure> {
    program.command.arg(format!("--jobs={jobs}"));
    restore_section(program, head, Section::AfterRows).await
}

/// A part of a dump that has no rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    BeforeRows,
    AfterRows,
}

impl Section {
    /// The argument that selects it.
    pub const fn option(self) -> &'static str {
        match self {
            Self::BeforeRows => "--section=pre-data",
            Self::AfterRows => "--section=post-data",
        }
    }
}

/// Restores such a part by one session.
pub async fn restore_section(
    Program {
        mut command,
        said,
        list: _list,
    }: Program,
    head: &MemoryFile,
    section: Section,
) -> Result<Part, AgentFailure> {
    command
        .arg(section.option())
        .arg(head.path())
        .stdin(Stdio::null());
    let mut child = Running::start(command, PROGRAM)?;
    let (_, _, Some(messages)) = child.pipes() else {
        return Err(without_pipes(PROGRAM));
    };
    let said = Arc::new(Mutex::new(said));
    let seen = said.clone();
    let messages = keep_and_see(messages, PROGRAM.to_owned(), Lines::OwnOnly, move |line| {
        lock(&seen).take(PROGRAM, line);
    });
    let messages = messages.await;
    let status = child.wait(PROGRAM).await?;
    let said = lock(&said);
    if let Verdict::Restored(not_restored) = said.judge(status.success(), status.code()) {
        let warnings = messages.warnings;
        return Ok(Part {
            warnings,
            not_restored,
        });
    }
    let how = match section {
        Section::BeforeRows => describe_end(status),
        Section::AfterRows => format!("{} after all rows were there", describe_end(status)),
    };
    Err(failed(&how, &said, &Vec::from(messages.last).join(" | ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::contents_sample;

    fn entry(dump_id: i64, description: &str, dependencies: &[i64]) -> ContentsEntry {
        let name = if description == "ACL" {
            "TABLE orders"
        } else {
            "orders"
        };
        ContentsEntry {
            dependencies: dependencies.to_vec(),
            ..contents_sample::entry(dump_id, description, name)
        }
    }

    #[test]
    fn what_may_fail_comes_last_and_everything_once() {
        let contents = [
            entry(1, "TABLE", &[]),
            entry(2, "ACL", &[1]),
            entry(3, "COMMENT", &[1]),
            entry(4, "INDEX", &[1]),
            entry(5, "COMMENT", &[4]),
            entry(6, "MATERIALIZED VIEW DATA", &[1]),
            entry(7, "EVENT TRIGGER", &[]),
            entry(8, "TRIGGER", &[1]),
        ];
        assert_eq!(split(&contents, true), (vec![1, 2, 3, 4, 8], vec![5, 6, 7]));
        let all = contents.iter().map(|entry| entry.dump_id).collect();
        assert_eq!(split(&contents, false), (all, vec![]));
    }
}
