//! What was counted of several databases, by a check or in a dump, as the tables of one evidence. Pure.

use crate::api::{
    EVIDENCE_SEQUENCE_LIMIT, EVIDENCE_TABLE_LIMIT, Evidence, KnownTable, SequenceEvidence,
    TableEvidence, TableName, TableRule,
};
use crate::postgres::{CountOrder, TableList, Tally, build_tables};

/// What is asked about the databases.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The main database, which rules without a database are about.
    pub main: &'a str,
    /// The tables with rules.
    pub rules: &'a [TableRule],
    /// The tables that the last good check found.
    pub known: &'a [KnownTable],
    /// Whether tables without a rule are counted, too.
    pub count_all: bool,
}

/// One database, and what was counted of it.
#[derive(Clone, Copy, Debug)]
pub struct CountedDatabase<'a> {
    pub name: &'a str,
    pub list: &'a TableList,
    pub tally: &'a Tally,
}

impl<'a> Asked<'a> {
    /// What is asked about one database.
    pub fn order(&self, database: &str) -> CountOrder<'a> {
        CountOrder {
            rules: self
                .rules
                .iter()
                .filter(|rule| self.database_of(rule) == database)
                .collect(),
            known: self
                .known
                .iter()
                .filter(|known| known.database == database)
                .collect(),
            count_all: self.count_all,
            table_limit: EVIDENCE_TABLE_LIMIT,
        }
    }

    fn database_of<'rule>(&'rule self, rule: &'rule TableRule) -> &'rule str {
        rule.database.as_deref().unwrap_or(self.main)
    }

    /// Writes what was counted into evidence, in place of what is there.
    pub fn write_into<'b>(
        &self,
        evidence: &mut Evidence,
        databases: impl Iterator<Item = CountedDatabase<'b>>,
        mut sequences: Vec<SequenceEvidence>,
    ) {
        let mut absent = Vec::new();
        evidence.tables.clear();
        evidence.coverage.clear();
        (evidence.table_count, evidence.total_rows) = (0, 0);
        for CountedDatabase { name, list, tally } in databases {
            let found = build_tables(name, list, &self.order(name), tally);
            evidence.tables.extend(found.tables);
            evidence.table_count += found.table_count;
            evidence.total_rows += found.total_rows;
            evidence.coverage.push(found.coverage);
            absent.extend(found.absent.into_iter().map(|table| TableName {
                database: name.to_owned(),
                name: table,
            }));
        }
        evidence.tables = self.bound_tables(std::mem::take(&mut evidence.tables));
        evidence.missing_tables = Some(absent);
        sequences.sort_by_key(|sequence| std::cmp::Reverse(sequence.last_value));
        sequences.truncate(EVIDENCE_SEQUENCE_LIMIT);
        evidence.sequences = sequences;
    }

    /// Keeps a status small: the tables with rules, those that the last good check found, then those
    /// with the most rows.
    fn bound_tables(&self, mut tables: Vec<TableEvidence>) -> Vec<TableEvidence> {
        let has_rule = |table: &TableEvidence| {
            self.rules
                .iter()
                .any(|rule| rule.name == table.name && self.database_of(rule) == table.database)
        };
        let is_known = |table: &TableEvidence| {
            self.known
                .iter()
                .any(|known| known.name == table.name && known.database == table.database)
        };
        let order = |table: &TableEvidence| {
            (
                !has_rule(table),
                !is_known(table),
                std::cmp::Reverse(table.rows),
                table.database.clone(),
                table.name.clone(),
            )
        };
        tables.sort_by_cached_key(order);
        tables.truncate(EVIDENCE_TABLE_LIMIT);
        tables
    }
}
