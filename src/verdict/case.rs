//! What a verdict is made of and what it says. No judgement here.

use crate::api::{
    AgentFailure, CheckOutcome, CheckTarget, Evidence, MountedVolume, ProtectedDatabaseSpec,
    TableEvidence, TableRule,
};

/// One check to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
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
}

/// What one check of the chain has found to be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub outcome: CheckOutcome,
    pub reason: &'static str,
    /// What was found, without what to do about a suspected reset: that depends on all findings.
    pub sentence: String,
    /// The tables it is about, so that none is named twice.
    pub tables: Vec<TableKey>,
}

/// A table by its database and its name.
pub(super) type TableKey = (String, String);

impl Finding {
    pub(super) fn suspected(reason: &'static str, sentence: String) -> Self {
        Self {
            outcome: CheckOutcome::Suspected,
            reason,
            sentence,
            tables: Vec::new(),
        }
    }

    pub(super) fn unverifiable(reason: &'static str, sentence: String) -> Self {
        Self {
            outcome: CheckOutcome::Unverifiable,
            reason,
            sentence,
            tables: Vec::new(),
        }
    }
}

/// A table that was last known good and is compared with what is there now.
pub(super) struct Compared<'a> {
    pub before: &'a TableEvidence,
    /// `None` if the table is not in the evidence.
    pub now: Option<&'a TableEvidence>,
    /// The table's own rule and its place in the spec.
    pub rule: Option<(usize, &'a TableRule)>,
}

impl<'a> Case<'a> {
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

    /// Whether the database was seen both now and at the last good check, as far as
    /// `spec.connection` still asks for it.
    pub(super) fn is_connected(&self, database: &str) -> bool {
        self.spec
            .connection
            .databases()
            .any(|name| name == database)
    }

    /// The tables of the last good check that the spec still asks about.
    pub(super) fn compared(&self) -> Vec<Compared<'a>> {
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
            .map(|before| Compared {
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
