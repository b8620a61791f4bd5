//! How the baseline moves: what a good check could only estimate is remembered as it was counted
//! last.

use std::cmp::Reverse;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::{
    BestCount, CountKind, EVIDENCE_TABLE_LIMIT, Evidence, TableEvidence, WithoutLogin,
};

use super::input::is_gone;
use super::moved::{is_leftover, moved};
use super::same_table::under_another_name;

/// How long the most rows of a table are remembered.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(7 * 24);

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

/// The most rows that tables had, as far as that is not longer ago than a week.
#[must_use]
pub fn recent(best: &[BestCount], now: Option<Timestamp>) -> Vec<BestCount> {
    let is_recent =
        |best: &&BestCount| now.is_none_or(|now| now.duration_since(best.time.0) < REMEMBERED);
    best.iter().filter(is_recent).cloned().collect()
}

/// The most rows that tables had within a week, after a further good check: where `now` has fewer
/// than `before`, which was created at `since`, or than what was best already. Tables that were
/// dropped are remembered, too, with the rows that went with them: of several that go one after the
/// other, each may be a small part.
#[must_use]
pub fn carry_best(
    best: &[BestCount],
    before: &Evidence,
    since: Option<Timestamp>,
    now: &Evidence,
) -> Vec<BestCount> {
    let mut carried: Vec<BestCount> = now
        .tables
        .iter()
        .filter_map(|table| {
            let remembered = best
                .iter()
                .find(|best| best.name == table.name && best.database == table.database);
            let last = before
                .table(&table.database, &table.name)
                .zip(since)
                .map(|(before, since)| (before.least_rows(), Time(since)));
            let (rows, time) = remembered
                .map(|best| (best.rows, best.time.clone()))
                .into_iter()
                .chain(last)
                .max_by_key(|(rows, _)| *rows)?;
            (rows > table.least_rows()).then(|| BestCount {
                database: table.database.clone(),
                name: table.name.clone(),
                rows,
                time,
            })
        })
        .collect();
    carried.extend(carry_gone(best, before, since, now));
    carried.truncate(EVIDENCE_TABLE_LIMIT);
    carried
}

/// What is remembered of tables that exist no more, those with the most rows first. What was renamed
/// is still there, and what was moved is in another table.
fn carry_gone(
    best: &[BestCount],
    before: &Evidence,
    since: Option<Timestamp>,
    now: &Evidence,
) -> Vec<BestCount> {
    let is_of = |table: &TableEvidence, best: &BestCount| {
        best.name == table.name && best.database == table.database
    };
    let is_dropped = |table: &&TableEvidence| {
        now.table(&table.database, &table.name).is_none()
            && is_gone(now, table)
            && under_another_name(before, now, table).is_none()
            && !is_leftover(now, table)
    };
    let dropped = before.tables.iter().filter(is_dropped).filter_map(|table| {
        let remembered = best.iter().find(|best| is_of(table, best));
        let last = since.map(|since| (table.least_rows(), Time(since)));
        let (most, time) = remembered
            .map(|best| (best.rows, best.time.clone()))
            .into_iter()
            .chain(last)
            .max_by_key(|(rows, _)| *rows)?;
        let elsewhere = moved(before, now, table, false);
        let rows = i64::try_from(i128::from(most) - elsewhere).unwrap_or(0);
        (rows > 0).then(|| BestCount {
            database: table.database.clone(),
            name: table.name.clone(),
            rows,
            time,
        })
    });
    let is_gone_already = |best: &&BestCount| {
        before.table(&best.database, &best.name).is_none()
            && now.table(&best.database, &best.name).is_none()
    };
    let mut gone: Vec<BestCount> = dropped
        .chain(best.iter().filter(is_gone_already).cloned())
        .collect();
    gone.sort_by_key(|best| Reverse(best.rows));
    gone
}

#[cfg(test)]
mod tests {
    use super::super::sample::{
        Sample, add_table, drop_table, rename, set_count, set_lower_bound, set_rows,
    };
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
        let mut sample = Sample::new().wanted(|spec| {
            spec.verification.tables.push(crate::api::TableRule {
                name: "public.audit".to_owned(),
                ..crate::api::TableRule::default()
            });
        });
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

    #[test]
    fn the_most_rows_are_remembered_for_a_week_while_there_are_fewer() {
        let known = Sample::new().baseline;
        let Some((_, before)) = known else {
            return assert!(known.is_some());
        };
        let at = |day: i64| Timestamp::from_second(86_400 * day).unwrap_or_default();
        let mut fewer = before.clone();
        set_rows(&mut fewer, "public.audit", 3_000);
        let best = carry_best(&[], &before, Some(at(1)), &fewer);
        let told: Vec<_> = best
            .iter()
            .map(|best| (best.name.as_str(), best.rows, best.time.0))
            .collect();
        assert_eq!(told, [("public.audit", 5_000, at(1))]);
        let mut least = before.clone();
        set_rows(&mut least, "public.audit", 1_800);
        let again = carry_best(&best, &fewer, Some(at(2)), &least);
        assert_eq!(again, best, "the first day is still the best");
        assert!(carry_best(&again, &least, Some(at(3)), &before).is_empty());
        assert_eq!(recent(&best, Some(at(7))), best);
        assert!(recent(&best, Some(at(8))).is_empty());
        fewer.tables.retain(|table| table.name != "public.audit");
        assert!(
            carry_best(&best, &before, Some(at(2)), &fewer).is_empty(),
            "of tables that are not listed, nobody knows whether they exist"
        );
    }

    #[test]
    fn tables_that_go_one_after_the_other_are_remembered_for_a_week() {
        let known = Sample::new().baseline;
        let Some((_, before)) = known else {
            return assert!(known.is_some());
        };
        let at = |day: i64| Timestamp::from_second(86_400 * day).unwrap_or_default();
        let told = |best: &[BestCount]| -> Vec<(String, i64)> {
            best.iter()
                .map(|best| (best.name.clone(), best.rows))
                .collect()
        };
        let mut fewer = before.clone();
        drop_table(&mut fewer, "public.audit");
        let best = carry_best(&[], &before, Some(at(1)), &fewer);
        assert_eq!(told(&best), [("public.audit".to_owned(), 5_000)]);
        let mut least = fewer.clone();
        drop_table(&mut least, "public.knowledge_nodes");
        let best = carry_best(&best, &fewer, Some(at(2)), &least);
        assert_eq!(
            told(&best),
            [
                ("public.knowledge_nodes".to_owned(), 26_337),
                ("public.audit".to_owned(), 5_000)
            ]
        );
        assert_eq!(told(&recent(&best, Some(at(8)))).len(), 1);
        let mut renamed = before.clone();
        rename(&mut renamed, "public.audit", "public.trail");
        assert!(carry_best(&[], &before, Some(at(1)), &renamed).is_empty());
        let mut replaced = fewer.clone();
        add_table(&mut replaced, "knowledge_os", "public.audit_next", 4_990);
        let best = carry_best(&[], &before, Some(at(1)), &replaced);
        assert_eq!(told(&best), [("public.audit".to_owned(), 10)]);
    }

    #[test]
    fn a_slow_loss_is_a_reset_when_it_is_more_than_one_check_allows() {
        let best = |rows: i64| BestCount {
            database: "knowledge_os".to_owned(),
            name: "public.knowledge_nodes".to_owned(),
            rows,
            time: Time(Timestamp::UNIX_EPOCH),
        };
        let judge = |most: i64, rule: bool| {
            let mut sample =
                Sample::new().now(|now| set_rows(now, "public.knowledge_nodes", 22_000));
            if !rule {
                sample = sample.wanted(|spec| spec.verification.tables.clear());
            }
            sample.best = vec![best(most)];
            sample.judge().reason
        };
        assert_eq!(judge(27_000, true), crate::api::reasons::VERIFIED);
        assert_eq!(judge(30_000, true), crate::api::reasons::ROWS_DWINDLED);
        assert_eq!(judge(40_000, false), crate::api::reasons::VERIFIED);
        assert_eq!(judge(60_000, false), crate::api::reasons::ROWS_DWINDLED);
    }
}
