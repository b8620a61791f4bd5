//! What retention would remove of the sets of one database, by what the bucket alone says. Nothing is
//! removed. Pure.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use crate::store::{
    Decision, RetentionInput, RetentionRules, SetFacts, SetRecord, decide_retention,
};

/// Decides about the sets of the ProtectedDatabase that the newest confirmed set is of. Without a
/// cluster it is not known whether a reset stands or a backup runs: what has no manifest stays.
pub fn plan_retention(sets: &[SetFacts], rules: RetentionRules) -> Vec<Decision<'_>> {
    let confirmed = sets.iter().filter_map(|set| Some((set, set.confirmed()?)));
    let age = |record: &SetRecord| (record.snapshot_time, record.position);
    let Some((newest, record)) = confirmed.max_by_key(|(_, record)| age(record)) else {
        return Vec::new();
    };
    let input = RetentionInput {
        rules,
        owner: &record.owner,
        held: None,
        newest_confirmed: Some(&newest.path),
        newest_proven: None,
        known: None,
        running: &BTreeSet::new(),
        begun: &BTreeSet::new(),
        longest_backup: SignedDuration::MAX,
        now: None,
    };
    decide_retention(&input, sets)
}
