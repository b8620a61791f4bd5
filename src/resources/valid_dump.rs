//! What can't be asked of a dump: tables that must be in it, resources that no pod can have, a window that is
//! none. Pure.

use std::time::Duration;

use super::duration::{DurationError, DurationRange, parse_duration};
use super::spec_error::SpecError;
use super::valid_agents::agent_errors;
use crate::api::{Agents, Backup, ProtectedDatabaseSpec};

/// How long a change of a table may wait for a dump.
pub(super) const YIELD_RANGE: DurationRange = ["1s", "1d"];

/// How long a window may be.
const WINDOW_RANGE: DurationRange = ["1m", "24h"];

/// How long after a tick a backup may begin; no time at all without a window.
pub(super) fn read_window(backup: &Backup) -> Result<Duration, DurationError> {
    let window = backup.window.as_deref();
    window.map_or(Ok(Duration::ZERO), |text| {
        parse_duration(text, WINDOW_RANGE)
    })
}

/// Every field that can't be used.
pub(super) fn dump_errors(spec: &ProtectedDatabaseSpec, backup: &Backup) -> Vec<SpecError> {
    let resources = Agents {
        resources: backup.resources.clone(),
        ..Agents::default()
    };
    let mut errors = agent_errors("spec.backup", &resources);
    // A table whose rows are counted must be in the backup.
    for (position, table) in backup.exclude_table_data.iter().enumerate() {
        let mut rules = spec.verification.tables.iter();
        if rules.any(|rule| rule.name == *table && rule.min_rows.is_some()) {
            errors.push(SpecError {
                field: format!("spec.backup.excludeTableData[{position}]"),
                message: format!(
                    "{table:?} has minRows in spec.verification.tables, so its rows must be in the \
                     backup; remove it here, or its minRows"
                ),
            });
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test ends at the first thing that is not as it should be"
    )]

    use serde_json::json;

    use super::*;

    #[test]
    fn rows_of_a_table_with_a_minimum_are_never_left_out() {
        let errors = |table: &str| {
            let spec: ProtectedDatabaseSpec = serde_json::from_value(json!({
                "workload": {"name": "w"},
                "connection": {"database": "d", "credentialsSecret": {"name": "s"}},
                "verification": {"tables": [
                    {"name": "public.experts", "minRows": 80}, {"name": "public.log"},
                    {"name": "public.nodes", "database": "other", "minRows": 0}]},
                "backup": {"schedule": "@daily", "excludeTableData": ["public.x", table],
                    "storage": {"s3": {"bucket": "b", "credentialsSecret": {"name": "s"}}}},
            }))
            .unwrap();
            let errors = dump_errors(&spec, spec.backup.as_ref().unwrap());
            errors
                .into_iter()
                .map(|error| error.field)
                .collect::<Vec<_>>()
        };
        let refused = ["spec.backup.excludeTableData[1]"];
        assert_eq!(errors("public.experts"), refused);
        assert_eq!(errors("public.nodes"), refused, "of whatever database");
        assert!(errors("public.log").is_empty());
    }
}
