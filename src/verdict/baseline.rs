//! How the baseline moves: what a good check could only estimate is remembered as it was counted
//! last.

use crate::api::{CountKind, Evidence, TableEvidence, WithoutLogin};

/// The evidence of a good check as later ones are compared with it. A table that it only estimated,
/// because the time was up, keeps the last count: otherwise what was lost since would never be
/// missed.
#[must_use]
pub fn carry_counts(before: &Evidence, now: &Evidence) -> Evidence {
    let counted_before = |table: &TableEvidence| {
        let before = before.table(&table.database, &table.name)?;
        (table.count == CountKind::Estimated && before.least_rows() > table.least_rows())
            .then(|| before.clone())
    };
    let mut carried = now.clone();
    for table in &mut carried.tables {
        if let Some(before) = counted_before(table) {
            *table = before;
        }
    }
    carried
}

/// What a good check learnt without logging in. What it did not learn of the database cluster stays
/// as it was known.
#[must_use]
pub fn carry_cluster_digest(
    found: Option<&WithoutLogin>,
    before: Option<&WithoutLogin>,
) -> Option<WithoutLogin> {
    let mut found = match (found, before) {
        (Some(found), _) => found.clone(),
        // The password may have been changed since: an older agent said nothing.
        (None, before) => WithoutLogin {
            role_digest: None,
            ..before?.clone()
        },
    };
    if found.cluster_digest.is_none() {
        found.cluster_digest = before.and_then(|before| before.cluster_digest.clone());
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Sample, set_count, set_lower_bound, set_rows};
    use super::*;

    #[test]
    fn what_was_only_estimated_keeps_its_last_count() {
        let known = Sample::new()
            .before(|before| set_rows(before, "public.audit", 5_000))
            .baseline;
        let Some((_, before)) = known else {
            return assert!(known.is_some());
        };
        let rows = |evidence: &Evidence| {
            evidence
                .tables
                .iter()
                .find(|table| table.name == "public.audit")
                .map(|table| (table.rows, table.count))
        };
        let now = |change: &dyn Fn(&mut Evidence)| {
            let mut now = before.clone();
            change(&mut now);
            carry_counts(&before, &now)
        };
        let exact = |rows| Some((rows, CountKind::Exact));
        assert_eq!(
            rows(&now(&|now| set_rows(now, "public.audit", 4_000))),
            exact(4_000),
            "what was counted counts"
        );
        assert_eq!(
            rows(&now(&|now| set_count(
                now,
                "public.audit",
                9_000,
                CountKind::Estimated
            ))),
            exact(5_000)
        );
        assert_eq!(
            rows(&now(&|now| set_lower_bound(
                now,
                "public.audit",
                9_000,
                100
            ))),
            exact(5_000)
        );
        let more = now(&|now| set_lower_bound(now, "public.audit", 9_000, 8_000));
        assert_eq!(
            rows(&more),
            Some((9_000, CountKind::Estimated)),
            "more is surely there than was counted before"
        );
    }

    #[test]
    fn a_loss_is_seen_across_a_check_that_had_no_time_to_count() {
        let mut sample = Sample::new();
        let hurried = |evidence: &mut Evidence| {
            set_count(evidence, "public.audit", 5_000, CountKind::Estimated);
        };
        let Some((_, before)) = &mut sample.baseline else {
            return assert!(sample.baseline.is_some());
        };
        let mut now = before.clone();
        hurried(&mut now);
        *before = carry_counts(before, &now);
        let lost = sample.now(|now| set_rows(now, "public.audit", 500)).judge();
        assert_eq!(lost.reason, crate::api::reasons::ROWS_DROPPED);
    }
}
