//! Whether a change that a user declared beforehand may be taken for the one that was meant. A
//! loss never is.

use super::identity::database_missing;
use super::input::Input;
use super::rows::rows_below_minimum;
use super::sentence::say_finding;
use crate::wording;

/// Why a change that looks like a reset is not accepted although one was declared; `None` when it
/// may be. A major upgrade or a migration keeps the rows: if most of them are lost, a user must
/// decide first.
#[must_use]
pub fn refuse_declared(input: &Input<'_>) -> Option<String> {
    let (baseline, evidence) = (input.baseline?.evidence, input.evidence?);
    if let Some(finding) = database_missing(input, &[]).or_else(|| rows_below_minimum(input, &[])) {
        let main = input.spec.connection.database.as_str();
        return Some(say_finding(&finding, &[], Some(main)));
    }
    let rows = |evidence: &crate::api::Evidence| {
        evidence
            .tables
            .iter()
            .map(|table| table.rows)
            .fold(0, i64::saturating_add)
    };
    let (had, has) = (rows(baseline), rows(evidence));
    (has < had / 2).then(|| {
        format!(
            "of {} only {} are left",
            wording::count(had, "row"),
            wording::number(has)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::incidents::nearly_empty;
    use super::super::sample::{Sample, drop_database, drop_table, set_rows};
    use crate::api::CheckOutcome;

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
            refused(new().now(|now| drop_table(now, "public.audit"))),
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
            .now(|now| now.tables.clear());
        assert_eq!(
            refused(empty).as_deref(),
            Some("of 31,434 rows only 0 are left")
        );
        let gone = refused(new().now(|now| drop_database(now, "knowledge_os"))).unwrap_or_default();
        assert!(
            gone.starts_with("database \"knowledge_os\" does not exist"),
            "{gone}"
        );
    }
}
