//! What the rows of a dump say about the data, by the same chain as a check, before the set is
//! called good. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{
    CheckOutcome, CheckTarget, DatabaseEvidence, Evidence, Finding, KnownTable,
    ProtectedDatabaseSpec, SequenceEvidence,
};
use crate::postgres::{ArchiveSummary, ObservedIdentity, TableList, Tally};
use crate::verdict::{self, Baseline, Input};

use super::counted_evidence::{Asked, CountedDatabase};

/// What is expected of the data, and what it was when it was last good.
#[derive(Clone, Debug)]
pub struct KnownGood {
    /// The rules.
    pub spec: ProtectedDatabaseSpec,
    /// What a good check has found, and the name of that check; none if there was none.
    pub baseline: Option<(String, Evidence)>,
    /// Why the data is not verified now, if it is not.
    pub unverified: Option<String>,
}

/// One database of a set, as its snapshot shows it.
#[derive(Clone, Debug)]
pub struct DumpedDatabase {
    pub name: String,
    /// Its tables, or why they could not be listed.
    pub list: Result<TableList, String>,
    /// Tables that belong to extensions: of their rows a dump has what the extension says.
    pub extension_tables: BTreeSet<i64>,
    /// Rows that were counted by a query in the snapshot, by object id.
    pub counted: BTreeMap<i64, i64>,
    /// Tables whose rows were left out, as `schema.table`.
    pub without_rows: Vec<String>,
    pub sequences: Vec<SequenceEvidence>,
}

/// Whether a set may count.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SetVerdict {
    /// Why it is suspect; none if it is not.
    pub why: Option<String>,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// The rows of each table of a dump, by object id. Rows of tables of extensions, and of those that were
/// left out, are not all of theirs.
#[must_use]
pub fn dumped_rows(database: &DumpedDatabase, archive: &ArchiveSummary) -> BTreeMap<i64, i64> {
    let Ok(list) = &database.list else {
        return BTreeMap::new();
    };
    let by_name: BTreeMap<(&str, &str), i64> = list
        .tables
        .iter()
        .map(|table| ((table.schema.as_str(), table.name.as_str()), table.oid))
        .collect();
    let is_left_out: BTreeSet<&str> = database.without_rows.iter().map(String::as_str).collect();
    let left_out: BTreeSet<i64> = list
        .tables
        .iter()
        .filter(|table| is_left_out.contains(table.qualified_name().as_str()))
        .map(|table| table.oid)
        .collect();
    let mut rows: BTreeMap<i64, i64> = archive
        .tables
        .iter()
        .filter_map(|table| {
            let listed = by_name.get(&(table.schema.as_str(), table.name.as_str()));
            let oid = table.oid.or_else(|| listed.copied())?;
            Some((oid, i64::try_from(table.rows).unwrap_or(i64::MAX)))
        })
        .filter(|(oid, _)| !database.extension_tables.contains(oid) && !left_out.contains(oid))
        .collect();
    rows.extend(database.counted.iter().map(|(oid, rows)| (*oid, *rows)));
    rows
}

/// What a dump holds, as the evidence of a check: every row in it was counted.
#[must_use]
pub fn build_dump_evidence(
    observed: &ObservedIdentity,
    databases: &[DatabaseEvidence],
    dumped: &[(&DumpedDatabase, Tally)],
    known: &KnownGood,
) -> Evidence {
    let mut identity = observed.identity.clone();
    // Which volume the data is on is the check's business.
    identity.data_directory.clear();
    let mut evidence = Evidence {
        identity,
        databases: databases.to_vec(),
        tables: Vec::new(),
        table_count: 0,
        total_rows: 0,
        missing_tables: None,
        coverage: Vec::new(),
        other_databases: Vec::new(),
        sequences: Vec::new(),
        superuser: false,
        partial: false,
        image: None,
        observed_at: observed.observed_at.clone(),
        server_address: observed.server_address.clone(),
    };
    let known_tables: Vec<KnownTable> = known
        .baseline
        .iter()
        .flat_map(|(_, evidence)| &evidence.tables)
        .map(|table| KnownTable {
            database: table.database.clone(),
            name: table.name.clone(),
            rows: None,
        })
        .collect();
    let verification = &known.spec.verification;
    let asked = Asked {
        main: &known.spec.connection.database,
        rules: &verification.tables,
        known: &known_tables,
        count_all: verification.baseline.max_drop_percent().is_some(),
    };
    let sequences = dumped
        .iter()
        .flat_map(|(database, _)| database.sequences.clone())
        .collect();
    let counted = dumped.iter().filter_map(|(database, tally)| {
        let list = database.list.as_ref().ok()?;
        Some(CountedDatabase {
            name: &database.name,
            list,
            tally,
        })
    });
    asked.write_into(&mut evidence, counted, sequences);
    evidence
}

/// Judges the evidence of a dump. What can't be judged is suspect: a set must not be called good because
/// nobody could look.
#[must_use]
pub fn judge_set(
    namespace: &str,
    database: &str,
    backup: &str,
    known: &KnownGood,
    evidence: &Evidence,
    unlisted: Option<&str>,
) -> SetVerdict {
    if let Some(why) = unlisted {
        return SetVerdict {
            why: Some(format!(
                "the tables of the dump could not be compared with the last good check: {why}"
            )),
            findings: Vec::new(),
        };
    }
    let target = CheckTarget::default();
    let source = known
        .baseline
        .as_ref()
        .map(|(name, _)| format!("DatabaseCheck {name}"))
        .unwrap_or_default();
    let verdict = verdict::judge(&Input {
        namespace,
        database,
        check: backup,
        spec: &known.spec,
        baseline: known.baseline.as_ref().map(|(_, evidence)| Baseline {
            source: &source,
            volumes: &[],
            other_mounts: &[],
            evidence,
            without_login: None,
            best: &[],
        }),
        evidence: Some(evidence),
        failure: None,
        without_login: None,
        image: None,
        replica_volumes: &[],
        other_backups: None,
        target: &target,
    });
    let main = Some(known.spec.connection.database.as_str());
    let of_outcome = || {
        let findings = verdict.findings.iter();
        findings.filter(|finding| finding.outcome() == verdict.outcome)
    };
    let said = || {
        let said: Vec<String> = of_outcome()
            .map(|finding| verdict::say_finding(finding, &verdict.findings, main))
            .collect();
        said.join("; ")
    };
    let why = match verdict.outcome {
        CheckOutcome::Verified => None,
        CheckOutcome::Suspected => Some(format!(
            "the rows of the dump itself look reset ({}), compared with {source}: {}",
            verdict.reason,
            said()
        )),
        CheckOutcome::Unverifiable => Some(format!(
            "the rows of the dump itself can't be judged ({}): {}",
            verdict.reason,
            said()
        )),
    };
    SetVerdict {
        why,
        findings: verdict.findings,
    }
}

#[cfg(test)]
#[path = "set_verdict_tests.rs"]
mod tests;
