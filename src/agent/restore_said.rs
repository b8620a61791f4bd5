//! What the report of a restore says at its beginning and its end. Pure.

use crate::api::{
    AgentFailure, RESTORED_TABLE_LIMIT, RestoreReport, RestoreTarget, RestoredDatabase,
    RestoredTable, reasons,
};
use crate::store::{Manifest, ManifestDatabase};
use crate::wording::{count, list, quoted};

use super::restore_server::Plan;
use super::restore_swap::build_commands;

/// How much of what could not be restored the last words name.
const NAMED: usize = 4;

/// How the message of a set begins that is refused.
const REFUSED: &str = "this set is not restored, and nothing was made in the server: ";

/// Refuses a set that something stands against. Nothing was made.
pub fn refuse(problems: &[String]) -> Result<(), AgentFailure> {
    if problems.is_empty() {
        return Ok(());
    }
    Err(refused(problems))
}

/// Why a set is refused.
#[must_use]
pub fn refused(problems: &[String]) -> AgentFailure {
    AgentFailure {
        reason: reasons::RESTORE_REFUSED.to_owned(),
        message: format!("{REFUSED}{}", problems.join("; ")),
    }
}

/// Why a set is refused, for a list of all that stands against it.
#[must_use]
pub fn without_refusal(message: &str) -> &str {
    message.strip_prefix(REFUSED).unwrap_or(message)
}

/// What a dry run says at its end.
#[must_use]
pub fn describe_dry_run(report: &RestoreReport, problems: &[String]) -> String {
    let number = i64::try_from(problems.len()).unwrap_or(i64::MAX);
    if number > 0 {
        let problems = count(number, "problem");
        return format!("a restore would be refused: {problems}. Nothing was made");
    }
    let restored = report.databases.iter().map(|database| {
        format!(
            "{} ({} in {})",
            quoted(&database.name, 80),
            count(database.expected_rows.unwrap_or_default(), "row"),
            count(database.tables.unwrap_or_default(), "table")
        )
    });
    let restored: Vec<String> = restored.collect();
    format!(
        "nothing stands against a restore of {}. Nothing was made",
        list(&restored)
    )
}

/// What a drill makes in a server is for a throwaway one only.
#[must_use]
pub fn no_drill_elsewhere(is_drill: bool, is_throwaway: bool) -> Vec<String> {
    let says = "into Scratch needs a throwaway server: it is restored by `holdfast agent drill`";
    if is_drill && !is_throwaway {
        vec![says.to_owned()]
    } else {
        Vec::new()
    }
}

/// What an earlier drill has left proves nothing.
#[must_use]
pub fn not_fresh(into: RestoreTarget) -> Vec<String> {
    if into == RestoreTarget::Scratch {
        vec!["the throwaway server is not a new one".to_owned()]
    } else {
        Vec::new()
    }
}

/// What is known of each database before it is restored.
pub fn begin_report(report: &mut RestoreReport, plan: Plan<'_>) {
    report.message = Some("looking whether the server can take the set".to_owned());
    if let Some(drill) = &mut report.drill {
        let identity = &plan.manifest.identity;
        drill.system_identifier = Some(identity.system_identifier.clone());
    }
    report.total_bytes = Some(
        plan.manifest
            .databases
            .iter()
            .filter_map(|database| raw_size(plan.manifest, database))
            .fold(0, i64::saturating_add),
    );
    report.databases = plan
        .names()
        .into_iter()
        .zip(&plan.manifest.databases)
        .map(|(names, database)| {
            let known = plan.known.iter().find(|known| known.name == names.name);
            RestoredDatabase {
                name: names.name,
                restored_as: names.restored_as,
                tables: i64::try_from(database.tables.len()).ok(),
                expected_rows: i64::try_from(database.rows).ok(),
                ..known.cloned().unwrap_or_default()
            }
        })
        .collect();
}

fn raw_size(manifest: &Manifest, database: &ManifestDatabase) -> Option<i64> {
    let mut objects = manifest.objects.iter();
    let object = objects.find(|object| object.name == database.object)?;
    i64::try_from(object.raw_size).ok()
}

/// What is left to say once everything is restored.
pub fn describe_done(report: &mut RestoreReport, plan: Plan<'_>) {
    for restored in &mut report.databases {
        // An earlier start of this agent has compared it, as its mark says; how exactly was not reported.
        if restored.rows.is_none() {
            restored.rows = restored.expected_rows;
        }
    }
    report.restored_bytes = report.total_bytes;
    report.tables = tables_of(plan.manifest);
    let said: Vec<String> = report
        .databases
        .iter()
        .map(|restored| describe(restored, plan.into))
        .collect();
    report.message = Some(said.join(". "));
}

fn describe(restored: &RestoredDatabase, into: RestoreTarget) -> String {
    let name = quoted(&restored.name, 80);
    let exact = if restored.is_identical {
        "every byte of them as in the manifest"
    } else {
        "as many as in the manifest"
    };
    let rows = restored.rows.unwrap_or_default();
    let tables = count(restored.tables.unwrap_or_default(), "table");
    let missing = if restored.not_restored.is_empty() {
        String::new()
    } else {
        let named = restored.not_restored.iter().take(NAMED);
        let named: Vec<&str> = named.map(String::as_str).collect();
        let more = match restored.not_restored.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more (status.report.databases[].notRestored)"),
        };
        format!(
            ". NOT RESTORED, which concerns no rows: {}{more}",
            named.join("; ")
        )
    };
    let done = format!("database {name} is restored: {rows} rows in {tables}, {exact}{missing}");
    if into == RestoreTarget::Scratch {
        return format!("{done}. It was in a throwaway server, and is gone");
    }
    if into != RestoreTarget::Replace {
        return format!(
            "{done}. It is beside the present one, as {}",
            quoted(&restored.restored_as, 80)
        );
    }
    let Some(kept) = &restored.kept_as else {
        return format!("{done}. Nothing was in its place");
    };
    let (drop, back) = build_commands(&restored.name, &restored.restored_as, kept);
    format!(
        "{done}. What was in its place is kept as {}. In psql, connected to another database: to drop what \
         is kept, unless a replication slot is in it: `{drop}`. To swap back: `{back}`",
        quoted(kept, 80)
    )
}

/// The tables with the most rows.
fn tables_of(manifest: &Manifest) -> Vec<RestoredTable> {
    let mut tables: Vec<RestoredTable> = manifest
        .databases
        .iter()
        .flat_map(|database| {
            database.tables.iter().filter_map(|table| {
                let name = format!("{}.{}", table.schema, table.name);
                (!database.without_rows.contains(&name)).then(|| RestoredTable {
                    database: database.name.clone(),
                    name,
                    rows: i64::try_from(table.rows).unwrap_or(i64::MAX),
                })
            })
        })
        .collect();
    tables.sort_by(|one, other| {
        (other.rows, &one.database, &one.name).cmp(&(one.rows, &other.database, &other.name))
    });
    tables.truncate(RESTORED_TABLE_LIMIT);
    tables
}
