//! What has been counted so far of one database. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::NotCountedReason;

use super::PostgresError;
use super::effort::Pace;
use super::selection::Counted;

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
