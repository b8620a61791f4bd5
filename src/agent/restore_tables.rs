//! Which entries of a dump are restored where somebody asks for certain tables: what these need, and what
//! belongs to them. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::postgres::{ContentsEntry, quote_identifier};
use crate::wording::quoted;

/// The longest name that is quoted in a message.
const SHOWN: usize = 150;
/// What belongs to what it depends on.
const BELONGS: [&str; 16] = [
    "ACL",
    "CHECK CONSTRAINT",
    "COMMENT",
    "CONSTRAINT",
    "DEFAULT",
    "INDEX",
    "INDEX ATTACH",
    "ROW SECURITY",
    "SECURITY LABEL",
    "SEQUENCE",
    "SEQUENCE OWNED BY",
    "SEQUENCE SET",
    "STATISTICS",
    "STATISTICS DATA",
    TABLE_ATTACH,
    TABLE_DATA,
];
/// The same, where its name begins with that of its table.
const BELONGS_BY_NAME: [&str; 4] = [FOREIGN_KEY, "POLICY", "RULE", "TRIGGER"];
/// What an entry must not depend on unless it is restored with its rows.
const RELATIONS: [&str; 7] = [
    TABLE,
    TABLE_DATA,
    "CONSTRAINT",
    "FOREIGN TABLE",
    "INDEX",
    "MATERIALIZED VIEW",
    "VIEW",
];
const TABLE: &str = "TABLE";
const TABLE_DATA: &str = "TABLE DATA";
const TABLE_ATTACH: &str = "TABLE ATTACH";
const FOREIGN_KEY: &str = "FK CONSTRAINT";

/// The part of a dump that certain tables need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Its entries, in the order of the dump.
    pub entries: Vec<ContentsEntry>,
    /// The tables that were asked for and are in the dump, as `schema.table`.
    pub found: BTreeSet<String>,
    /// What belongs to these tables and needs others, in words.
    pub left_out: Vec<String>,
    /// Tables that are made without their rows, because something refers to their row type or definition.
    pub without_rows: Vec<String>,
}

/// Selects what these tables need, given as `schema.table`. Of a partitioned table that is all its partitions.
#[must_use]
pub fn select(contents: &[ContentsEntry], tables: &[String]) -> Selection {
    let mut selecting = Selecting::new(contents, tables);
    if selecting.with_rows.is_empty() {
        return Selection::default();
    }
    selecting.add_partitions();
    for id in selecting.with_rows.clone() {
        selecting.keep(id);
    }
    selecting.add_what_belongs();
    selecting.finish(tables)
}

/// `schema.table`.
fn name_of(entry: &ContentsEntry) -> String {
    format!("{}.{}", entry.schema, entry.name)
}

/// A selection on its way.
struct Selecting<'a> {
    contents: &'a [ContentsEntry],
    by_id: BTreeMap<i64, &'a ContentsEntry>,
    /// The tables that are restored with their rows.
    with_rows: BTreeSet<i64>,
    kept: BTreeSet<i64>,
    left_out: BTreeMap<i64, String>,
}

impl<'a> Selecting<'a> {
    fn new(contents: &'a [ContentsEntry], tables: &[String]) -> Self {
        let by_id = contents.iter().map(|entry| (entry.dump_id, entry));
        let named = contents
            .iter()
            .filter(|entry| entry.description == TABLE && tables.contains(&name_of(entry)));
        Self {
            contents,
            by_id: by_id.collect(),
            with_rows: named.map(|entry| entry.dump_id).collect(),
            kept: BTreeSet::new(),
            left_out: BTreeMap::new(),
        }
    }

    /// Adds the partitions of what is asked for, and theirs.
    fn add_partitions(&mut self) {
        let mut pairs = Vec::new();
        for attach in self
            .contents
            .iter()
            .filter(|entry| entry.description == TABLE_ATTACH)
        {
            let (parts, parents): (Vec<_>, Vec<_>) = self
                .tables_of(attach)
                .partition(|entry| name_of(entry) == name_of(attach));
            pairs.extend(parts.iter().flat_map(|part| {
                let pair = |parent: &&ContentsEntry| (parent.dump_id, part.dump_id);
                parents.iter().map(pair).collect::<Vec<_>>()
            }));
        }
        loop {
            let known = self.with_rows.len();
            for (parent, part) in &pairs {
                if self.with_rows.contains(parent) {
                    self.with_rows.insert(*part);
                }
            }
            if self.with_rows.len() == known {
                return;
            }
        }
    }

    fn tables_of(&self, entry: &'a ContentsEntry) -> impl Iterator<Item = &'a ContentsEntry> {
        let entries = entry
            .dependencies
            .iter()
            .filter_map(|id| self.by_id.get(id));
        entries.copied().filter(|entry| entry.description == TABLE)
    }

    /// Keeps an entry, and everything that it needs.
    fn keep(&mut self, id: i64) {
        let mut next = vec![id];
        while let Some(id) = next.pop() {
            let Some(entry) = self.by_id.get(&id) else {
                continue;
            };
            if self.kept.insert(id) {
                next.extend(&entry.dependencies);
            }
        }
    }

    /// Adds what belongs to what is kept, until there is no more of it.
    fn add_what_belongs(&mut self) {
        loop {
            let known = (self.kept.len(), self.left_out.len());
            for entry in self.contents {
                self.look_at(entry);
            }
            if known == (self.kept.len(), self.left_out.len()) {
                return;
            }
        }
    }

    fn look_at(&mut self, entry: &'a ContentsEntry) {
        let id = entry.dump_id;
        if self.kept.contains(&id) || self.left_out.contains_key(&id) {
            return;
        }
        if entry.description == "SCHEMA" {
            // What is in it does not always say that it needs it.
            let is_used = |id: &i64| {
                self.by_id
                    .get(id)
                    .is_some_and(|one| one.schema == entry.name)
            };
            if self.kept.iter().any(is_used) {
                self.keep(id);
            }
            return;
        }
        let is_of_kept = entry.dependencies.iter().any(|id| self.kept.contains(id));
        if !is_of_kept || !self.is_owned(entry) {
            return;
        }
        let lacking = entry.dependencies.iter().filter_map(|id| {
            let needed = self.by_id.get(id)?;
            (RELATIONS.contains(&needed.description.as_str()) && !self.is_whole(needed))
                .then_some(*needed)
        });
        let lacking: Vec<&ContentsEntry> = lacking.collect();
        if lacking.is_empty() {
            self.keep(id);
            return;
        }
        // An index of a table that is made without rows is no loss.
        let is_of_rows = entry
            .dependencies
            .iter()
            .any(|id| self.with_rows.contains(id));
        if is_of_rows {
            let needed = lacking
                .iter()
                .find(|one| one.description == TABLE)
                .unwrap_or(&lacking[0]);
            let why = format!(
                "{} {}: it needs {} {}, which is not among the tables that are asked for",
                entry.description,
                quoted(&name_of(entry), SHOWN),
                needed.description.to_lowercase(),
                quoted(&name_of(needed), SHOWN)
            );
            self.left_out.insert(id, why);
        }
    }

    /// Whether an entry belongs to what it depends on, if that is a table to one that has its rows.
    fn is_owned(&self, entry: &ContentsEntry) -> bool {
        if BELONGS_BY_NAME.contains(&entry.description.as_str()) {
            return self.with_rows.iter().any(|id| {
                self.by_id.get(id).is_some_and(|table| {
                    let rest = entry.name.strip_prefix(&table.name);
                    table.schema == entry.schema && rest.is_some_and(|rest| rest.starts_with(' '))
                })
            });
        }
        if entry.description == "SEQUENCE OWNED BY" {
            return self.is_of_kept_table(entry);
        }
        BELONGS.contains(&entry.description.as_str())
    }

    /// Whether the table is kept whose column owns a sequence: the entry says it in its statement only.
    fn is_of_kept_table(&self, entry: &ContentsEntry) -> bool {
        self.kept.iter().any(|id| {
            let tables = self.by_id.get(id).filter(|one| one.description == TABLE);
            tables.is_some_and(|table| {
                let ways = |name: &str| [name.to_owned(), quote_identifier(name)];
                let names = ways(&table.name);
                ways(&table.schema).iter().any(|schema| {
                    let owner = |name| format!(" OWNED BY {schema}.{name}.");
                    let mut owners = names.iter().map(owner);
                    owners.any(|owner| entry.definition.contains(&owner))
                })
            })
        })
    }

    /// Whether something is kept with all its rows.
    fn is_whole(&self, needed: &ContentsEntry) -> bool {
        if needed.description == TABLE {
            return self.with_rows.contains(&needed.dump_id);
        }
        self.kept.contains(&needed.dump_id)
    }

    fn finish(self, tables: &[String]) -> Selection {
        let kept = self
            .contents
            .iter()
            .filter(|entry| self.kept.contains(&entry.dump_id));
        let of_tables = || kept.clone().filter(|entry| entry.description == TABLE);
        Selection {
            found: of_tables()
                .map(name_of)
                .filter(|name| tables.contains(name))
                .collect(),
            without_rows: of_tables()
                .filter(|entry| !self.with_rows.contains(&entry.dump_id))
                .map(name_of)
                .collect(),
            entries: kept.clone().cloned().collect(),
            left_out: self.left_out.into_values().collect(),
        }
    }
}

#[cfg(test)]
#[path = "restore_tables_tests.rs"]
mod tests;
