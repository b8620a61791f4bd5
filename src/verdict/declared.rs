//! Whether a change that a user declared beforehand may be taken for the one that was meant. A
//! loss never is.

use crate::api::CountKind;
use crate::wording;

use super::habits::is_usual;
use super::identity::database_missing;
use super::input::{Input, TablePair, is_absent};
use super::naming::name_table;
use super::rows::rows_below_minimum;
use super::sentence::say_finding;

/// The largest loss of a declared change, in percent: of a table whose rule allows no more, and of
/// all others together.
const DECLARED_LOSS: i128 = 50;

/// Why a change that looks like a reset is not accepted although one was declared; `None` when it
/// may be. A major upgrade or a migration keeps the rows: if most of them are lost, a user must
/// decide first. Each table counts by itself, and only with rows that were counted: neither growth of
/// another table nor an estimate makes up for a loss.
#[must_use]
pub fn refuse_declared(input: &Input<'_>) -> Option<String> {
    let (_, evidence) = (input.baseline?.evidence, input.evidence?);
    if evidence.identity.in_recovery {
        return Some("a replica answered, so it is not known which rows are there".to_owned());
    }
    let main = Some(input.spec.connection.database.as_str());
    if let Some(finding) = database_missing(input, &[]).or_else(|| rows_below_minimum(input, &[])) {
        return Some(say_finding(&finding, &[], main));
    }
    let mut tables = input.table_pairs();
    tables.retain(|table| !table.is_volatile());
    let has_unknown = tables
        .iter()
        .any(|table| table.before.count == CountKind::Estimated);
    tables.retain(|table| table.before.least_rows() > 0);
    if tables.is_empty() && has_unknown {
        return Some(
            "nothing was counted that this could be compared with, so it is not known what is lost"
                .to_owned(),
        );
    }
    // Queues are emptied and logs are pruned for such a change, unless they are all that there is.
    let is_kept = |table: &TablePair<'_>| table.rule.is_some() || !is_usual(&table.before.name);
    if tables.iter().any(is_kept) {
        tables.retain(is_kept);
    }
    let name = |table: &TablePair<'_>| name_table(&table.before.database, &table.before.name, main);
    let had = |table: &TablePair<'_>| i128::from(table.before.least_rows());
    let kept = |table: &TablePair<'_>| {
        let now = table.now.map_or(0, |now| i128::from(now.least_rows()));
        now.min(had(table))
    };
    let is_unknown = |table: &TablePair<'_>| match table.now {
        Some(now) => now.count != CountKind::Exact && kept(table) < had(table),
        None => !is_absent(evidence, table),
    };
    let loses = |had: i128, kept: i128, percent: i128| (had - kept) * 100 > had * percent;
    let loses_most = |had: i128, kept: i128| loses(had, kept, DECLARED_LOSS);
    let listed = tables
        .iter()
        .filter(|table| table.is_listed() && !is_unknown(table))
        .find(|table| loses(had(table), kept(table), allowed_loss(table)));
    if let Some(table) = listed {
        return Some(format!(
            "of the {} of table {} only {} are left",
            wording::count(table.before.least_rows(), "row"),
            name(table),
            wording::number(i64::try_from(kept(table)).unwrap_or(i64::MAX))
        ));
    }
    // What a rule allows to lose more was judged by it.
    tables.retain(|table| allowed_loss(table) <= DECLARED_LOSS);
    let all_had: i128 = tables.iter().map(had).sum();
    let surely_kept: i128 = tables.iter().map(kept).sum();
    let unknown: Vec<String> = tables
        .iter()
        .filter(|table| is_unknown(table))
        .map(name)
        .collect();
    let maybe_kept: i128 = tables
        .iter()
        .map(|table| {
            if is_unknown(table) {
                had(table)
            } else {
                kept(table)
            }
        })
        .sum();
    let number = |rows: i128| i64::try_from(rows).unwrap_or(i64::MAX);
    if loses_most(all_had, maybe_kept) {
        return Some(format!(
            "of {} only {} are left",
            wording::count(number(all_had), "row"),
            wording::number(number(maybe_kept))
        ));
    }
    loses_most(all_had, surely_kept).then(|| {
        format!(
            "only {} of {} were counted, and it is not known whether the others are there: {}. \
             Raise spec.verification.timeout ({} now), so that all are counted",
            wording::number(number(surely_kept)),
            wording::count(number(all_had), "row"),
            wording::list(&unknown),
            input.spec.verification.timeout
        )
    })
}

/// How much a table may lose in a declared change, in percent: what its rule allows, if that is more.
fn allowed_loss(table: &TablePair<'_>) -> i128 {
    table
        .rule
        .and_then(|(_, rule)| rule.max_drop_percent)
        .map_or(DECLARED_LOSS, |percent| DECLARED_LOSS.max(percent.into()))
}

#[cfg(test)]
mod tests {
    use super::super::incidents::nearly_empty;
    use super::super::sample::{
        Sample, add_table, drop_database, drop_table, set_count, set_lower_bound, set_rows,
    };
    use crate::api::{CheckOutcome, CountKind, Evidence};

    #[test]
    fn an_upgrade_or_a_migration_may_be_declared_and_a_loss_may_not() {
        let refused = |sample: Sample| {
            assert_eq!(
                sample.judge().outcome,
                CheckOutcome::Suspected,
                "there is something to accept"
            );
            sample.refuse_declared()
        };
        let new = Sample::new;
        assert_eq!(refused(new().other_cluster()), None, "pg_upgrade");
        assert_eq!(
            refused(new().other_cluster().on_volume("upgraded", "pvc-u")),
            None,
            "pg_upgrade to another volume"
        );
        assert_eq!(
            refused(
                new()
                    .other_cluster()
                    .now(|now| drop_table(now, "public.audit"))
            ),
            None,
            "a migration"
        );
        assert_eq!(
            refused(new().now(|now| set_rows(now, "public.knowledge_nodes", 20_000))),
            None
        );
        let lost = "public.experts: 85 -> 1 rows (spec.verification.tables[0].minRows is 80), \
                    public.knowledge_nodes: 26,337 -> 27 rows (spec.verification.tables[1].minRows \
                    is 10,000)";
        assert_eq!(
            refused(new().other_cluster().now(nearly_empty)).as_deref(),
            Some(lost)
        );
        let empty = new()
            .wanted(|spec| spec.verification.tables.clear())
            .other_cluster()
            .now(|now| {
                now.tables.clear();
                now.table_count = 0;
            });
        assert_eq!(
            refused(empty).as_deref(),
            Some("of 26,422 rows only 0 are left")
        );
        let upgraded = |change: fn(&mut Evidence)| refused(new().other_cluster().now(change));
        assert_eq!(
            upgraded(|now| set_lower_bound(now, "public.audit", 0, 4_000)),
            None,
            "after pg_upgrade the planner knows no rows"
        );
        let unknown = upgraded(|now| {
            now.tables
                .retain(|table| table.name != "public.knowledge_nodes");
            add_table(now, "knowledge_os", "public.grown", 900_000);
        });
        assert_eq!(
            unknown.as_deref(),
            Some("of the 26,337 rows of table public.knowledge_nodes only 0 are left"),
            "another table that has grown makes up for nothing"
        );
        let estimated = new()
            .wanted(|spec| spec.verification.tables.clear())
            .other_cluster()
            .now(|now| {
                set_count(now, "public.knowledge_nodes", 26_337, CountKind::Estimated);
            });
        let refused_estimate = refused(estimated).unwrap_or_default();
        assert!(
            refused_estimate.starts_with("only 85 of 26,422 rows were counted"),
            "{refused_estimate}"
        );
        let gone = refused(new().now(|now| drop_database(now, "knowledge_os"))).unwrap_or_default();
        assert!(
            gone.starts_with("database \"knowledge_os\" does not exist"),
            "{gone}"
        );
    }

    #[test]
    fn what_is_meant_to_lose_rows_does_not_stop_a_declared_change() {
        let upgraded = || Sample::new().other_cluster();
        let queue = |rows: i64| {
            upgraded()
                .both(|evidence| add_table(evidence, "knowledge_os", "public.queue", 900_000))
                .now(|now| set_rows(now, "public.queue", rows))
        };
        assert_eq!(queue(0).refuse_declared(), None, "drained for the upgrade");
        let wide = |percent: i32, rows: i64| {
            upgraded()
                .wanted(|spec| {
                    spec.verification.tables[1].max_drop_percent = Some(percent);
                    spec.verification.tables[1].min_rows = None;
                })
                .now(|now| set_rows(now, "public.knowledge_nodes", rows))
                .refuse_declared()
        };
        assert_eq!(wide(90, 10_000), None, "its rule allows it");
        assert_eq!(
            wide(90, 2_000).as_deref(),
            Some("of the 26,337 rows of table public.knowledge_nodes only 2,000 are left")
        );
        assert!(wide(20, 10_000).is_some());
    }

    #[test]
    fn a_declared_change_needs_rows_to_compare() {
        let unknown = Sample::new()
            .wanted(|spec| spec.verification.tables.clear())
            .before(|before| {
                for table in &mut before.tables {
                    (table.rows, table.count) = (900, CountKind::Estimated);
                }
            })
            .other_cluster();
        let refused = unknown.refuse_declared().unwrap_or_default();
        assert!(refused.starts_with("nothing was counted"), "{refused}");
    }
}
