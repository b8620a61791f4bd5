//! What has been counted so far of one database. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::NotCountedReason;

use super::effort::Pace;
use super::selection::Counted;
use super::{ListedTable, PostgresError, PostgresErrorKind};

/// What has been counted so far of one database.
#[derive(Debug, Default)]
pub struct Tally {
    pub(super) counts: BTreeMap<i64, Counted>,
    /// Tables that were dropped since they were listed.
    pub(super) gone: BTreeSet<i64>,
    /// Why a count of a table failed.
    pub(super) reasons: BTreeMap<i64, NotCountedReason>,
    /// Why tables with a rule could not be counted.
    pub failures: Vec<PostgresError>,
    /// How fast that went.
    pub(super) pace: Pace,
}

impl Tally {
    /// What was counted of tables by their object ids, completely.
    #[must_use]
    pub fn of_rows(rows: impl IntoIterator<Item = (i64, i64)>) -> Self {
        let all = |(oid, rows)| (oid, Counted { rows, is_all: true });
        Self {
            counts: rows.into_iter().map(all).collect(),
            ..Self::default()
        }
    }

    /// Whether rows of a table are not counted, or not all of them.
    pub(super) fn is_left(&self, table: &ListedTable) -> bool {
        !table.stored_elsewhere
            && !self.gone.contains(&table.oid)
            && self
                .counts
                .get(&table.oid)
                .is_none_or(|counted| !counted.is_all)
    }

    /// Takes note of why a table was not counted. Returns the error; none if the table is simply not
    /// there any more.
    pub(super) fn note(
        &mut self,
        table: &ListedTable,
        error: PostgresError,
    ) -> Option<PostgresError> {
        let reason = match error.kind {
            PostgresErrorKind::TableGone => {
                self.gone.insert(table.oid);
                return None;
            }
            PostgresErrorKind::Timeout => NotCountedReason::Budget,
            PostgresErrorKind::Locked | PostgresErrorKind::TableChanged => NotCountedReason::Locked,
            PostgresErrorKind::PermissionDenied => NotCountedReason::NotReadable,
            _ => NotCountedReason::Failed,
        };
        tracing::warn!(table = table.qualified_name(), "not counted: {error}");
        self.reasons.insert(table.oid, reason);
        Some(error)
    }
}
