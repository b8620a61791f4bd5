//! What a check is judged by, and what comes of it. No judgement here.

use crate::api::{
    AgentFailure, BestCount, CheckOutcome, CheckTarget, Evidence, Finding, ImageEvidence,
    MountedVolume, OtherBackups, ProtectedDatabaseSpec, TableEvidence, TableRule, WithoutLogin,
};

use super::same_table::renamed;

/// Everything that one check is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Namespace of everything, for the commands in messages.
    pub namespace: &'a str,
    /// Name of the ProtectedDatabase.
    pub database: &'a str,
    /// Name of the check.
    pub check: &'a str,
    /// What is expected.
    pub spec: &'a ProtectedDatabaseSpec,
    /// What was last known good; none for the first check.
    pub baseline: Option<Baseline<'a>>,
    /// What the agent found.
    pub evidence: Option<&'a Evidence>,
    /// Why the agent found nothing, or not everything.
    pub failure: Option<&'a AgentFailure>,
    /// What the server says before a login.
    pub without_login: Option<&'a WithoutLogin>,
    /// What the agent saw of the server's image.
    pub image: Option<&'a ImageEvidence>,
    /// Volumes on which earlier checks have seen replicas of the database cluster.
    pub replica_volumes: &'a [&'a MountedVolume],
    /// Whose backups the bucket has, where it has none of this database.
    pub other_backups: Option<OtherBackups>,
    /// What was checked.
    pub target: &'a CheckTarget,
}

/// What was last known good: an earlier check, or a backup.
#[derive(Clone, Copy, Debug)]
pub struct Baseline<'a> {
    /// Kind and name of it, `DatabaseCheck knowledge-1`.
    pub source: &'a str,
    /// The volumes that it saw.
    pub volumes: &'a [MountedVolume],
    /// Where its container mounted something else than a claim.
    pub other_mounts: &'a [String],
    /// What it found.
    pub evidence: &'a Evidence,
    /// What the server said before a login.
    pub without_login: Option<&'a WithoutLogin>,
    /// Tables that had more rows within the last 7 days.
    pub best: &'a [BestCount],
}

/// The judgement of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Verified, Suspected or Unverifiable.
    pub outcome: CheckOutcome,
    /// The reason, a constant of [`crate::api::reasons`].
    pub reason: &'static str,
    /// What was expected, what is there, what to do.
    pub message: String,
    /// What was found, as data.
    pub findings: Vec<Finding>,
}

/// A table that was last known good, and the same table now.
pub(super) struct TablePair<'a> {
    pub before: &'a TableEvidence,
    /// The same table, by its name or under another one; `None` if it is not in the evidence.
    pub now: Option<&'a TableEvidence>,
    /// The table's own rule and its place in the spec.
    pub rule: Option<(usize, &'a TableRule)>,
}

impl TablePair<'_> {
    /// Whether it has a rule that asks for its rows.
    pub fn is_listed(&self) -> bool {
        self.rule.is_some_and(|(_, rule)| !rule.volatile)
    }

    /// Whether its rows come and go: a rule says so, or a crash empties it and no rule has limits
    /// of its own for it. One that became unlogged since had rows that a crash could not take.
    pub fn is_volatile(&self) -> bool {
        let is_unlogged = self.before.unlogged;
        match self.rule {
            Some((_, rule)) => rule.volatile || is_unlogged && rule.max_drop_percent.is_none(),
            None => is_unlogged,
        }
    }
}

impl<'a> Input<'a> {
    /// The database that a rule is about.
    pub(super) fn database_of(&self, rule: &'a TableRule) -> &'a str {
        let spec: &'a ProtectedDatabaseSpec = self.spec;
        rule.database
            .as_deref()
            .unwrap_or(&spec.connection.database)
    }

    /// The rules with their places in the spec.
    pub(super) fn rules(&self) -> impl Iterator<Item = (usize, &'a TableRule)> {
        let spec: &'a ProtectedDatabaseSpec = self.spec;
        spec.verification.tables.iter().enumerate()
    }

    /// The table that a rule is about, as found: by its name, or under another one.
    pub(super) fn found(&self, rule: &'a TableRule) -> Option<&'a TableEvidence> {
        self.evidence?
            .table(self.database_of(rule), &rule.name)
            .or_else(|| {
                renamed(
                    self.baseline?.evidence,
                    self.evidence?,
                    self.known_good(rule)?,
                )
            })
    }

    /// The table that a rule is about, as last known good.
    pub(super) fn known_good(&self, rule: &'a TableRule) -> Option<&'a TableEvidence> {
        self.baseline?
            .evidence
            .table(self.database_of(rule), &rule.name)
    }

    /// Whether `spec.connection` asks for that database.
    pub(super) fn is_connected(&self, database: &str) -> bool {
        self.spec
            .connection
            .databases()
            .any(|name| name == database)
    }

    /// The tables of the last good check that the spec still asks about.
    pub(super) fn table_pairs(&self) -> Vec<TablePair<'a>> {
        let (Some(baseline), Some(evidence)) = (self.baseline, self.evidence) else {
            return Vec::new();
        };
        let here = |table: &&TableEvidence| {
            self.is_connected(&table.database) && has_database(evidence, &table.database)
        };
        baseline
            .evidence
            .tables
            .iter()
            .filter(here)
            .map(|before| TablePair {
                before,
                now: evidence
                    .table(&before.database, &before.name)
                    .or_else(|| renamed(baseline.evidence, evidence, before)),
                rule: self.rules().find(|(_, rule)| {
                    rule.name == before.name && self.database_of(rule) == before.database
                }),
            })
            .collect()
    }
}

/// Whether a database was found.
pub(super) fn has_database(evidence: &Evidence, database: &str) -> bool {
    evidence
        .databases
        .iter()
        .any(|present| present.name == database)
}

/// Whether a table that is not in the evidence does not exist: it may be one of more tables than
/// there is space for, or have become part of another one.
pub(super) fn is_absent(evidence: &Evidence, table: &TablePair<'_>) -> bool {
    evidence.missing_tables.is_none() && table.rule.is_some() || is_gone(evidence, table.before)
}

/// The same of a table without a rule.
pub(super) fn is_gone(evidence: &Evidence, before: &TableEvidence) -> bool {
    match &evidence.missing_tables {
        Some(absent) => absent
            .iter()
            .any(|absent| absent.name == before.name && absent.database == before.database),
        None => has_all_tables(evidence),
    }
}

/// Whether the evidence has every table.
pub(super) fn has_all_tables(evidence: &Evidence) -> bool {
    usize::try_from(evidence.table_count).is_ok_and(|count| count <= evidence.tables.len())
}
