//! Which backup `drill` asks for, and what it says at the end. Pure.

use std::fmt::Write as _;

use jiff::SignedDuration;
use kube::ResourceExt as _;

use crate::api::{
    DatabaseBackup, DatabaseRestore, DrillReport, DrillSelection, DrillTimes, ProtectedDatabase,
    RestoreSource, RestoreState,
};
use crate::decide::{select_drill, why_not_good};
use crate::wording::{build_table, escaped, number, say_length};

/// What a drill is of.
pub fn choose(
    database: &ProtectedDatabase,
    backups: &[DatabaseBackup],
    (of, accepts_suspect): (Option<&str>, bool),
    now: i64,
) -> Result<RestoreSource, String> {
    let name = database.name_any();
    let by_word = match of {
        None => Some(
            database
                .spec
                .drill
                .as_ref()
                .map(|drill| drill.of)
                .unwrap_or_default(),
        ),
        Some("latest") => Some(DrillSelection::Latest),
        Some("random") => Some(DrillSelection::Random),
        Some("oldest") => Some(DrillSelection::Oldest),
        Some(_) => None,
    };
    let list = format!(
        "kubectl holdfast backups {name} -n {}",
        database.namespace().unwrap_or_default()
    );
    let named = of.unwrap_or_default();
    match by_word {
        Some(_) if accepts_suspect => Err(format!(
            "--accept-suspect goes with the name of a DatabaseBackup only. See them: {list}"
        )),
        Some(of) => {
            let counting: Vec<&DatabaseBackup> =
                backups.iter().filter(|backup| backup.counts()).collect();
            select_drill(&counting, of, now).ok_or_else(|| {
                format!("no backup of {name} counts, so there is nothing to prove. See why: {list}")
            })
        }
        None => {
            let Some(backup) = backups.iter().find(|backup| backup.name_any() == named) else {
                return Err(format!(
                    "there is no DatabaseBackup {named} of {name}; --of takes latest, random, oldest or the \
                     name of one. See them: {list}"
                ));
            };
            if let (Some(why), false) = (why_not_good(backup), accepts_suspect) {
                return Err(format!(
                    "DatabaseBackup {named} does not count as good: {why}. To restore it into the throwaway \
                     server anyway, which proves nothing: --accept-suspect"
                ));
            }
            Ok(RestoreSource {
                backup: Some(named.to_owned()),
                ..RestoreSource::default()
            })
        }
    }
}

/// The counts side by side, what else was checked, and how long the parts took.
pub fn describe_drill(drill: &DatabaseRestore) -> String {
    let status = drill.status.clone().unwrap_or_default();
    let backup = status.set.as_ref().map_or("-", |set| set.backup.as_str());
    let mut text = String::new();
    if let Some(report) = &status.report {
        let cell = |rows: Option<i64>| rows.map_or_else(|| "-".to_owned(), number);
        let rows: Vec<Vec<String>> = report
            .databases
            .iter()
            .map(|database| {
                vec![
                    escaped(&database.name),
                    cell(database.expected_rows),
                    cell(database.rows),
                    if database.is_identical { "yes" } else { "no" }.to_owned(),
                ]
            })
            .collect();
        if !rows.is_empty() {
            let heading = ["DATABASE", "ROWS IN THE BACKUP", "RESTORED", "SAME BYTES"];
            let _ = write!(text, "\n{}", build_table(&heading, &rows));
        }
        if let Some(found) = &report.drill {
            text.push_str(&describe_found(found));
        }
        for warning in &report.warnings {
            let _ = writeln!(text, "Note: {}.", escaped(warning).trim_end_matches('.'));
        }
    }
    let said = if status.state == Some(RestoreState::Complete) {
        format!("\nBackup {backup} is proven.\n")
    } else {
        format!("\nBackup {backup} is NOT proven.\n")
    };
    text.push_str(&said);
    text
}

fn describe_found(found: &DrillReport) -> String {
    let mut text = String::new();
    let mut line = |name: &str, said: &str| {
        let _ = writeln!(text, "{name:<12} {said}");
    };
    let said = |matches: Option<bool>| match matches {
        Some(true) => "as in the manifest",
        Some(false) => "NOT as in the manifest",
        None => "the manifest does not say",
    };
    line("definitions", said(found.schema_matches));
    line("sequences", said(found.sequences_match));
    let bad = found
        .invalid_indexes
        .iter()
        .chain(&found.unvalidated_constraints);
    let bad: Vec<String> = bad.map(|name| escaped(name)).collect();
    if !bad.is_empty() {
        line("NOT VALID", &bad.join(", "));
    }
    if let Some(amcheck) = &found.amcheck {
        line("amcheck", &escaped(amcheck));
    }
    let verdict = |passed| if passed { "passed" } else { "FAILED" };
    for query in &found.queries {
        let value = query
            .value
            .as_deref()
            .map_or_else(|| "no result".to_owned(), escaped);
        line(
            "query",
            &format!("{}: {value}, {}", query.name, verdict(query.passed)),
        );
    }
    for column in &found.freshness {
        let newest = column
            .newest
            .as_deref()
            .map_or_else(|| "no value".to_owned(), escaped);
        let name = escaped(&format!("{}.{}", column.table, column.column));
        line(
            "freshness",
            &format!("{name}: {newest}, {}", verdict(column.passed)),
        );
    }
    if let Some(took) = say_times(&found.times) {
        line("took", &took);
    }
    text
}

/// How long all parts took, and each of them; none if nothing is known.
pub fn say_times(times: &DrillTimes) -> Option<String> {
    let total = say_length(SignedDuration::from_secs(times.total()?));
    let parts = times.parts().into_iter().filter_map(|(name, seconds)| {
        let length = say_length(SignedDuration::from_secs(seconds?));
        Some(format!("{name} {length}"))
    });
    Some(format!(
        "{total} ({})",
        parts.collect::<Vec<_>>().join(", ")
    ))
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
