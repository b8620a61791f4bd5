//! Which session restores the rows of which table: those of a large one are shared between all. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::postgres::ContentsEntry;

/// From so many bytes on the rows of a table are shared between sessions, and less in all is not worth several.
pub const SHARED_FROM: u64 = 4 << 20;

const ROWS: &str = "TABLE DATA";

/// Who restores what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowsPlan {
    /// The numbers of the entries that each session restores, as they stand in the table of contents.
    pub entries: Vec<Vec<i64>>,
    /// The session of a table that has one alone, by the number of its entry.
    alone: BTreeMap<i64, usize>,
}

impl RowsPlan {
    /// The sessions that restore the rows of an entry.
    #[must_use]
    pub fn sessions_of(&self, entry: i64) -> std::ops::Range<usize> {
        match self.alone.get(&entry) {
            Some(session) => *session..*session + 1,
            None => 0..self.entries.len(),
        }
    }
}

/// Plans it by the size of each table, as the manifest has it. None if one session is to restore all rows: there
/// are few, or some may have to be there before others.
#[must_use]
pub fn plan_rows(
    contents: &[ContentsEntry],
    size_of: impl Fn(&ContentsEntry) -> u64,
    sessions: usize,
) -> Option<RowsPlan> {
    let of_rows = || {
        contents
            .iter()
            .filter(|entry| entry.has_data && entry.description == ROWS)
    };
    let total: u64 = of_rows().map(&size_of).fold(0, u64::saturating_add);
    let numbers: BTreeSet<i64> = of_rows().map(|entry| entry.dump_id).collect();
    let has_an_order = |entry: &ContentsEntry| {
        let mut dependencies = entry.dependencies.iter();
        dependencies.any(|needed| numbers.contains(needed))
    };
    let functions: BTreeSet<i64> = contents
        .iter()
        .filter(|entry| entry.description == "FUNCTION")
        .map(|entry| entry.dump_id)
        .collect();
    // What it computes or checks may read rows that have to be there before.
    let runs_code = |entry: &ContentsEntry| {
        let mut dependencies = entry.dependencies.iter();
        (entry.description == "DOMAIN"
            || entry.description == "TABLE"
                && [" CHECK (", " GENERATED ALWAYS AS ("]
                    .iter()
                    .any(|clause| entry.definition.contains(clause)))
            && dependencies.any(|needed| functions.contains(needed))
    };
    let is_of_copy = |entry: &ContentsEntry| !entry.copy_statement.is_empty();
    if sessions < 2
        || total < SHARED_FROM
        || of_rows().any(|entry| has_an_order(entry) || !is_of_copy(entry))
        || contents.iter().any(runs_code)
    {
        return None;
    }
    // The table of an extension is there with its constraints and triggers, so the first session has it alone.
    let made: BTreeSet<(&str, &str)> = contents
        .iter()
        .filter(|entry| entry.description == "TABLE")
        .map(|entry| (entry.schema.as_str(), entry.name.as_str()))
        .collect();
    let mut loads = vec![0_u64; sessions];
    let mut alone = BTreeMap::new();
    for entry in of_rows() {
        let size = size_of(entry);
        let session = if !made.contains(&(entry.schema.as_str(), entry.name.as_str())) {
            0
        } else if size >= SHARED_FROM {
            continue;
        } else {
            let least = loads.iter().enumerate().min_by_key(|(_, load)| **load);
            least.map_or(0, |(session, _)| session)
        };
        loads[session] = loads[session].saturating_add(size);
        alone.insert(entry.dump_id, session);
    }
    let entries = (0..sessions).map(|session| {
        let is_its_own = |entry: &&ContentsEntry| {
            if numbers.contains(&entry.dump_id) {
                alone.get(&entry.dump_id).is_none_or(|of| *of == session)
            } else {
                session == 0
            }
        };
        let own = contents.iter().filter(is_its_own);
        own.map(|entry| entry.dump_id).collect()
    });
    Some(RowsPlan {
        entries: entries.collect(),
        alone,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::contents_sample;

    fn entry(dump_id: i64, description: &str, name: &str) -> ContentsEntry {
        let has_data = ["TABLE DATA", "BLOBS"].contains(&description);
        ContentsEntry {
            has_data,
            copy_statement: if has_data {
                "COPY …".to_owned()
            } else {
                String::new()
            },
            ..contents_sample::entry(dump_id, description, name)
        }
    }

    fn contents() -> Vec<ContentsEntry> {
        vec![
            entry(1, "TABLE", "large"),
            entry(2, "TABLE", "small"),
            entry(3, "TABLE", "other"),
            entry(4, "TABLE DATA", "large"),
            entry(5, "TABLE DATA", "of_an_extension"),
            entry(6, "TABLE DATA", "small"),
            entry(7, "TABLE DATA", "other"),
            entry(8, "BLOBS", "BLOBS"),
            entry(9, "SEQUENCE SET", "large_id_seq"),
        ]
    }

    fn size(entry: &ContentsEntry) -> u64 {
        match entry.name.as_str() {
            "large" | "of_an_extension" => SHARED_FROM,
            "small" => 7,
            _ => 5,
        }
    }

    #[test]
    fn a_large_table_is_shared_and_each_small_one_has_one_session() {
        let plan = plan_rows(&contents(), size, 3).map(|plan| plan.entries);
        let expected = [vec![1, 2, 3, 4, 5, 8, 9], vec![4, 6], vec![4, 7]];
        assert_eq!(plan.unwrap_or_default(), expected);
        let plan = plan_rows(&contents(), size, 2);
        let sessions = |entry| plan.as_ref().map(|plan| plan.sessions_of(entry));
        assert_eq!(sessions(4), Some(0..2));
        assert_eq!(sessions(5), Some(0..1), "its triggers fire");
        assert_eq!((sessions(6), sessions(7)), (Some(1..2), Some(1..2)));
    }

    #[test]
    fn one_session_restores_what_is_small_has_an_order_or_is_not_of_copy() {
        assert_eq!(plan_rows(&contents(), size, 1), None);
        assert_eq!(plan_rows(&contents(), |_| 9, 3), None);
        let mut ordered = contents();
        ordered[6].dependencies = vec![3, 5];
        assert_eq!(plan_rows(&ordered, size, 3), None);
        for (kind, definition, is_by_one) in [
            ("DOMAIN", "CREATE DOMAIN d AS text CHECK (f(VALUE))", true),
            (
                "TABLE",
                "CREATE TABLE t (id int, CONSTRAINT c CHECK (f(id)))",
                true,
            ),
            (
                "TABLE",
                "CREATE TABLE t (id int, n int GENERATED ALWAYS AS (f(id)) STORED)",
                true,
            ),
            ("TABLE", "CREATE TABLE t (id int DEFAULT f())", false),
        ] {
            let mut with_code = contents();
            with_code.push(entry(10, "FUNCTION", "f"));
            with_code.push(ContentsEntry {
                definition: definition.to_owned(),
                dependencies: vec![10],
                ..entry(11, kind, "t")
            });
            assert_eq!(
                plan_rows(&with_code, size, 3).is_none(),
                is_by_one,
                "{definition}"
            );
        }
        let mut inserts = contents();
        inserts[5].copy_statement = String::new();
        assert_eq!(plan_rows(&inserts, size, 3), None);
    }
}
