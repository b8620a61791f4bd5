//! Whether a suspected reset is grave enough to take the traffic from a pod that has it already.

use crate::api::{CheckOutcome, Finding, ProtectedDatabaseSpec, TableChange};

/// Whether what was found closes a gate that is open: other data, or a loss of tables that the spec
/// lists. A loss of other tables is reported, and the application goes on.
#[must_use]
pub fn closes_open_gate(findings: &[Finding], spec: &ProtectedDatabaseSpec) -> bool {
    let is_listed = |table: &TableChange| {
        spec.verification.tables.iter().any(|rule| {
            let database = rule.database.as_ref().unwrap_or(&spec.connection.database);
            rule.name == table.name && *database == table.database
        })
    };
    let mut suspected = findings
        .iter()
        .filter(|finding| finding.outcome() == CheckOutcome::Suspected)
        .peekable();
    // A verdict of an older version has words only.
    if suspected.peek().is_none() {
        return true;
    }
    suspected.any(|finding| match finding {
        Finding::SeedRowsOnly { .. } => spec.verification.tables.iter().any(|rule| !rule.volatile),
        Finding::TableCountDropped { .. } => false,
        // The data is the same: somebody has changed the password in the database first.
        Finding::RoleChanged { same_cluster, .. } => !same_cluster,
        Finding::TablesMissing { tables, .. }
        | Finding::TablesEmptied { tables, .. }
        | Finding::RowsBelowMinimum { tables, .. }
        | Finding::RowsDropped { tables, .. }
        | Finding::RowsDwindled { tables, .. } => tables.iter().any(is_listed),
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Sample, drop_database, set_rows};
    use super::*;

    fn closes(sample: &Sample) -> bool {
        let verdict = sample.judge();
        assert_eq!(verdict.outcome, CheckOutcome::Suspected);
        closes_open_gate(&verdict.findings, &sample.spec)
    }

    #[test]
    fn an_open_gate_closes_for_other_data_and_for_listed_tables_only() {
        let new = Sample::new;
        assert!(closes(&new().other_cluster()));
        assert!(closes(&new().now(|now| drop_database(now, "knowledge_os"))));
        assert!(closes(&new().now(|now| set_rows(now, "public.experts", 1))));
        let unlisted = |rows| {
            new()
                .wanted(|spec| spec.verification.tables.clear())
                .now(move |now| set_rows(now, "public.knowledge_nodes", rows))
        };
        assert!(!closes(&unlisted(0)));
        assert!(!closes(&unlisted(2_000)));
        let role = |sample: Sample| {
            sample.says(|now| now.role_digest = Some("another-salt-of-the-role".to_owned()))
        };
        assert!(!closes(&role(new().refused())));
        assert!(closes(&role(new().refused()).says(|now| {
            now.cluster_digest = None;
        })));
        assert!(
            closes_open_gate(&[], &new().spec),
            "an older version says no findings"
        );
    }
}
