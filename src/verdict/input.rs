//! What a check is judged by, and what comes of it. No judgement here.

use crate::api::{
    AgentFailure, CheckOutcome, CheckTarget, Evidence, Finding, MountedVolume,
    ProtectedDatabaseSpec, TableEvidence, TableRule,
};

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
    /// What was looked at.
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
}

/// The judgement of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Verified, Suspected or Unverifiable.
    pub outcome: CheckOutcome,
    /// One word, a constant of [`crate::api::reasons`].
    pub reason: &'static str,
    /// What was expected, what is there, what to do.
    pub message: String,
    /// What was found, as data.
    pub findings: Vec<Finding>,
}

/// A table that was last known good, and the same table now.
pub(super) struct TablePair<'a> {
    pub before: &'a TableEvidence,
    /// `None` if the table is not in the evidence.
    pub now: Option<&'a TableEvidence>,
    /// The table's own rule and its place in the spec.
    pub rule: Option<(usize, &'a TableRule)>,
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

    /// The table that a rule is about, as found.
    pub(super) fn found(&self, rule: &'a TableRule) -> Option<&'a TableEvidence> {
        self.evidence?.table(self.database_of(rule), &rule.name)
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
                now: evidence.table(&before.database, &before.name),
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
