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
    CONSTRAINT,
    "DEFAULT",
    INDEX,
    INDEX_ATTACH,
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
/// What nothing says that it needs it: a table may, if everything that it is about is there.
const IMPLICIT: [&str; 2] = ["CAST", "OPERATOR CLASS"];
/// What an entry must not depend on unless it is restored with its rows.
const RELATIONS: [&str; 7] = [
    TABLE,
    TABLE_DATA,
    CONSTRAINT,
    "FOREIGN TABLE",
    INDEX,
    "MATERIALIZED VIEW",
    "VIEW",
];
/// Constraints whose operators the server does not say that they need.
const WITH_OPERATORS: [&str; 2] = [" EXCLUDE USING ", " WITHOUT OVERLAPS"];
const TABLE: &str = "TABLE";
const TABLE_DATA: &str = "TABLE DATA";
const TABLE_ATTACH: &str = "TABLE ATTACH";
const INDEX: &str = "INDEX";
const INDEX_ATTACH: &str = "INDEX ATTACH";
const CONSTRAINT: &str = "CONSTRAINT";
const FOREIGN_KEY: &str = "FK CONSTRAINT";

/// The part of a dump that certain tables need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Its entries, in the order of the dump.
    pub entries: Vec<ContentsEntry>,
    /// The tables that were asked for and are in the dump, as `schema.table`.
    pub found: BTreeSet<String>,
    /// The tables that are restored with their rows: these, and their partitions.
    pub with_rows: BTreeSet<String>,
    /// What belongs to these tables and needs others, in words.
    pub left_out: Vec<String>,
    /// Tables that are made without their rows, because something refers to their row type or definition.
    pub without_rows: Vec<String>,
    /// Partitions that are tables of their own now.
    pub detached: Vec<String>,
}

/// Selects what these tables need, given as `schema.table`. Of a partitioned table that is all its partitions.
/// `configuration` says of tables of extensions whose rows are in the dump which extension they are of.
#[must_use]
pub fn select(
    contents: &[ContentsEntry],
    tables: &[String],
    configuration: &BTreeMap<String, String>,
) -> Selection {
    let mut selecting = Selecting::new(contents, tables, configuration);
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

/// Each partition that is created as a table of its own and attached afterwards, with the table that it is
/// attached to. Before Postgres 14 `pg_dump` attached it in its own entry, which can't be left out.
fn read_attached<'a>(
    contents: &'a [ContentsEntry],
    by_id: &BTreeMap<i64, &'a ContentsEntry>,
) -> BTreeMap<i64, i64> {
    let mut attached = BTreeMap::new();
    for attach in contents
        .iter()
        .filter(|entry| entry.description == TABLE_ATTACH)
    {
        let tables = attach.dependencies.iter().filter_map(|id| by_id.get(id));
        let tables = tables.filter(|entry| entry.description == TABLE);
        let (parts, parents): (Vec<&ContentsEntry>, Vec<&ContentsEntry>) = tables
            .copied()
            .partition(|entry| name_of(entry) == name_of(attach));
        if let (Some(part), Some(parent)) = (parts.first(), parents.first()) {
            attached.insert(part.dump_id, parent.dump_id);
        }
    }
    attached
}

/// Whether it is a schema that something is in, or of one: what is in it does not always say that it needs
/// it, and of `public` there may be no entry.
fn is_of_used_schema(entry: &ContentsEntry, schemas: &BTreeSet<&str>) -> bool {
    match entry.description.as_str() {
        "SCHEMA" => schemas.contains(entry.name.as_str()),
        "ACL" | "COMMENT" => {
            let schema = entry.name.strip_prefix("SCHEMA ");
            schema.is_some_and(|schema| schemas.contains(schema))
        }
        _ => false,
    }
}

/// A selection on its way.
struct Selecting<'a> {
    contents: &'a [ContentsEntry],
    configuration: &'a BTreeMap<String, String>,
    by_id: BTreeMap<i64, &'a ContentsEntry>,
    /// Partitions, each with the table that it is attached to.
    attached: BTreeMap<i64, i64>,
    /// The tables that are restored with their rows.
    with_rows: BTreeSet<i64>,
    kept: BTreeSet<i64>,
    left_out: BTreeMap<i64, String>,
}

impl<'a> Selecting<'a> {
    fn new(
        contents: &'a [ContentsEntry],
        tables: &[String],
        configuration: &'a BTreeMap<String, String>,
    ) -> Self {
        let by_id = contents
            .iter()
            .map(|entry| (entry.dump_id, entry))
            .collect();
        let named = contents
            .iter()
            .filter(|entry| entry.description == TABLE && tables.contains(&name_of(entry)));
        Self {
            contents,
            configuration,
            attached: read_attached(contents, &by_id),
            by_id,
            with_rows: named.map(|entry| entry.dump_id).collect(),
            kept: BTreeSet::new(),
            left_out: BTreeMap::new(),
        }
    }

    /// Adds the partitions of what is asked for, and theirs.
    fn add_partitions(&mut self) {
        let mut pairs: Vec<(i64, i64)> = self
            .attached
            .iter()
            .map(|(part, of)| (*of, *part))
            .collect();
        let attaches_itself = self.contents.iter().filter(|entry| {
            entry.description == TABLE && entry.definition.contains(" ATTACH PARTITION ")
        });
        for part in attaches_itself {
            let parents = part.dependencies.iter().filter(|id| {
                let parent = self.by_id.get(id);
                parent.is_some_and(|parent| parent.definition.contains("\nPARTITION BY "))
            });
            pairs.extend(parents.map(|parent| (*parent, part.dump_id)));
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

    /// What an entry can't be created without. A partition that is attached afterwards needs no parent, and
    /// neither do its indexes and constraints.
    fn needs(&self, entry: &'a ContentsEntry) -> impl Iterator<Item = &'a ContentsEntry> {
        let parent = self.attached.get(&entry.dump_id).copied();
        let entries = entry
            .dependencies
            .iter()
            .filter_map(|id| self.by_id.get(id).copied());
        entries.filter(move |needed| {
            let is_of_parent = [INDEX, CONSTRAINT].contains(&needed.description.as_str())
                && needed.description == entry.description;
            Some(needed.dump_id) != parent && !is_of_parent
        })
    }

    /// Keeps an entry, and everything that it needs.
    fn keep(&mut self, id: i64) {
        let mut next = vec![id];
        while let Some(id) = next.pop() {
            let Some(entry) = self.by_id.get(&id).copied() else {
                continue;
            };
            if !self.kept.insert(id) {
                continue;
            }
            next.extend(self.needs(entry).map(|needed| needed.dump_id));
            if WITH_OPERATORS
                .iter()
                .any(|words| entry.definition.contains(words))
            {
                let extensions = self
                    .contents
                    .iter()
                    .filter(|one| one.description == "EXTENSION");
                next.extend(extensions.map(|extension| extension.dump_id));
            }
        }
    }

    /// Adds what belongs to what is kept, until there is no more of it.
    fn add_what_belongs(&mut self) {
        loop {
            let known = (self.kept.len(), self.left_out.len());
            let schemas: BTreeSet<&str> = self
                .kept
                .iter()
                .filter_map(|id| Some(self.by_id.get(id)?.schema.as_str()))
                .collect();
            for entry in self.contents {
                if !self.kept.contains(&entry.dump_id)
                    && !self.left_out.contains_key(&entry.dump_id)
                {
                    self.look_at(entry, &schemas);
                }
            }
            if known == (self.kept.len(), self.left_out.len()) {
                return;
            }
        }
    }

    fn look_at(&mut self, entry: &'a ContentsEntry, schemas: &BTreeSet<&str>) {
        let id = entry.dump_id;
        if is_of_used_schema(entry, schemas) || self.is_of_extension(entry) {
            self.keep(id);
            return;
        }
        let needs: Vec<&ContentsEntry> = self.needs(entry).collect();
        if IMPLICIT.contains(&entry.description.as_str()) {
            let is_known = |needed: &&ContentsEntry| self.kept.contains(&needed.dump_id);
            let is_of_type = |needed: &&ContentsEntry| needed.description.ends_with("TYPE");
            let is_one_of_ours = needs.iter().filter(|one| is_of_type(one)).any(is_known);
            if is_one_of_ours || !needs.is_empty() && needs.iter().all(is_known) {
                self.keep(id);
            }
            return;
        }
        if !needs
            .iter()
            .any(|needed| self.kept.contains(&needed.dump_id))
            || !self.is_owned(entry)
        {
            return;
        }
        let lacking = needs.iter().filter(|needed| {
            RELATIONS.contains(&needed.description.as_str()) && !self.is_whole(needed)
        });
        let lacking: Vec<&&ContentsEntry> = lacking.collect();
        let Some(first) = lacking.first() else {
            self.keep(id);
            return;
        };
        // An index of a table that is made without rows is no loss, and one that has no parent is there itself.
        let is_of_rows = needs
            .iter()
            .any(|needed| self.with_rows.contains(&needed.dump_id));
        if is_of_rows && entry.description != INDEX_ATTACH {
            let needed = lacking
                .iter()
                .find(|one| one.description == TABLE)
                .unwrap_or(first);
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

    /// Whether it has rows of a table that an extension makes which is kept.
    fn is_of_extension(&self, entry: &ContentsEntry) -> bool {
        let of = self.configuration.get(&name_of(entry));
        of.filter(|_| entry.description == TABLE_DATA)
            .is_some_and(|extension| {
                self.kept.iter().any(|id| {
                    let kept = self.by_id.get(id);
                    kept.is_some_and(|kept| {
                        kept.description == "EXTENSION" && kept.name == *extension
                    })
                })
            })
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
            let table = self.by_id.get(id).filter(|one| one.description == TABLE);
            table.is_some_and(|table| {
                let spellings = |name: &str| [name.to_owned(), quote_identifier(name)];
                let names = spellings(&table.name);
                spellings(&table.schema).iter().any(|schema| {
                    let owner = |name| format!(" OWNED BY {schema}.{name}.");
                    names
                        .iter()
                        .map(owner)
                        .any(|owner| entry.definition.contains(&owner))
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
        let (whole, without): (Vec<_>, Vec<_>) = kept
            .clone()
            .filter(|entry| entry.description == TABLE)
            .partition(|entry| self.with_rows.contains(&entry.dump_id));
        let is_alone = |entry: &&&ContentsEntry| {
            let parent = self.attached.get(&entry.dump_id);
            parent.is_some_and(|parent| !self.with_rows.contains(parent))
        };
        let names = |entries: &[&ContentsEntry]| entries.iter().copied().map(name_of).collect();
        let detached: Vec<&ContentsEntry> = whole.iter().filter(is_alone).copied().collect();
        let with_rows: BTreeSet<String> = names(&whole);
        Selection {
            found: tables
                .iter()
                .filter(|table| with_rows.contains(*table))
                .cloned()
                .collect(),
            with_rows,
            without_rows: without.into_iter().map(name_of).collect(),
            detached: detached.into_iter().map(name_of).collect(),
            entries: kept.cloned().collect(),
            left_out: self.left_out.into_values().collect(),
        }
    }
}

#[cfg(test)]
#[path = "restore_tables_tests.rs"]
mod tests;
