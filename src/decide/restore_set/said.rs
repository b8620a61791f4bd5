//! What a restore from a backup says on its way and at its end. Pure.

use std::fmt::Write as _;

use super::super::ready::list;
use crate::api::{
    DatabaseRestore, DatabaseRestoreStatus, RestorePhase, RestoreReport, RestoreState,
    RestoreTarget, RestoredSet, place,
};
use crate::wording::{count, say_bytes, say_length};
use crate::world::Observed;

/// The longest message of an agent that is quoted.
const QUOTED: usize = 4_000;

/// What a restore of this database is doing, while its Job or its check is awaited. Nobody waits for a
/// drill or a dry run.
pub fn under_way(observed: &Observed) -> Option<String> {
    let restore = list(&observed.restores).iter().find(|restore| {
        let status = restore.status.as_ref();
        let is_of_backup =
            restore.changes_something() && status.is_some_and(|status| status.set.is_some());
        let state = status.and_then(|status| status.state);
        is_of_backup && matches!(state, Some(RestoreState::Running | RestoreState::Verifying))
    })?;
    let status = restore.status.as_ref()?;
    Some(format!(
        "DatabaseRestore {}: {}",
        restore.metadata.name.as_deref().unwrap_or_default(),
        status.message.as_deref().unwrap_or("it has begun")
    ))
}

/// What is due.
pub fn next(
    restore: &DatabaseRestore,
    observed: &Observed,
    set: &RestoredSet,
    pod: &str,
) -> String {
    if let Some(files) = &restore.spec.files {
        let end = if restore.spec.into == RestoreTarget::Replace {
            "which takes its name; what is there is kept"
        } else {
            "which stays beside it"
        };
        return format!(
            "next: restore the files of {} of backup {} into a new directory of the same claim, {end}",
            place(&files.claim, &files.path),
            set.backup
        );
    }
    let databases: Vec<&str> = observed.database.spec.connection.databases().collect();
    if restore.is_dry_run() {
        return format!(
            "next: look through pod {pod} whether backup {} ({}) can be restored. Nothing is made or changed",
            set.backup,
            databases.join(", ")
        );
    }
    let into = match restore.spec.into {
        RestoreTarget::Replace => {
            "into new databases beside the present ones, which are renamed and kept at the end"
        }
        RestoreTarget::Beside => {
            "into new databases beside the present ones, which stay as they are"
        }
        RestoreTarget::Scratch => {
            return format!(
                "next: restore backup {} into a throwaway server. Nothing of the database is touched",
                set.backup
            );
        }
    };
    format!(
        "next: restore backup {} ({}) through pod {pod}, {into}",
        set.backup,
        databases.join(", ")
    )
}

/// How far the agent is, in one sentence.
pub fn progress(status: &DatabaseRestoreStatus) -> String {
    let backup = status.set.as_ref().map_or("", |set| set.backup.as_str());
    let Some(report) = &status.report else {
        return format!("restoring backup {backup}: its agent has not reported yet");
    };
    let say = if report.files.is_some() {
        say_phase_of_files
    } else {
        say_phase
    };
    let phase = report.phase.map_or("it begins", say);
    let mut said = format!("restoring backup {backup}: {phase}");
    if let (Some(done), Some(all)) = (report.restored_bytes, report.total_bytes)
        && all > 0
    {
        let _ = write!(
            said,
            ", {} of {} ({} %)",
            say_bytes(done),
            say_bytes(all),
            percent(done, all)
        );
    }
    if let Some(message) = &report.message {
        let _ = write!(said, "; {}", quoted(message));
    }
    said
}

const fn say_phase(phase: RestorePhase) -> &'static str {
    match phase {
        RestorePhase::Preflight => "whether it can be done is being looked into",
        RestorePhase::Hashing => "every object of the set is compared with its digest",
        RestorePhase::Restoring => "rows, indexes and constraints are restored",
        RestorePhase::Verifying => "every row of the new database is compared with the backup",
        RestorePhase::Swapping => "the new database takes the place of the present one",
        RestorePhase::Done => "it is done",
    }
}

const fn say_phase_of_files(phase: RestorePhase) -> &'static str {
    match phase {
        RestorePhase::Preflight => "whether the claim can take the files is being looked into",
        RestorePhase::Hashing => "the archive is compared with its digest",
        RestorePhase::Restoring => "files are unpacked",
        RestorePhase::Verifying => "every file is read again and compared with the backup",
        RestorePhase::Swapping => "the new directory takes the place of the present one",
        RestorePhase::Done => "it is done",
    }
}

fn percent(done: i64, all: i64) -> i64 {
    let share = i128::from(done.max(0)).saturating_mul(100) / i128::from(all.max(1));
    i64::try_from(share.min(100)).unwrap_or(100)
}

/// What was restored, as the agent says at its end.
pub fn outcome(restore: &DatabaseRestore, report: &RestoreReport) -> String {
    let status = restore.status.clone().unwrap_or_default();
    let backup = status.set.as_ref().map_or("", |set| set.backup.as_str());
    let databases = report.databases.iter().map(|database| {
        let rows = database
            .rows
            .map_or_else(|| "its rows".to_owned(), |rows| count(rows, "row"));
        match &database.kept_as {
            Some(kept) => format!(
                "{} has {rows} of it; what was there before is database {kept}",
                database.name
            ),
            None if restore.spec.into != RestoreTarget::Beside => {
                format!("{} has {rows} of it", database.name)
            }
            None => format!("{} has {rows} of it", database.restored_as),
        }
    });
    let verb = match restore.spec.into {
        RestoreTarget::Scratch => "can be restored",
        RestoreTarget::Replace | RestoreTarget::Beside => "is restored",
    };
    let mut said = format!(
        "backup {backup} {verb}: {}",
        databases.collect::<Vec<_>>().join("; ")
    );
    if let Some(outage) = report.outage_milliseconds {
        let length = jiff::SignedDuration::from_millis(outage);
        let _ = write!(said, "; clients were kept out for {}", say_length(length));
    }
    // A restore says it in its last words; those of a drill are nowhere else.
    let mut missing = report.databases.iter().flat_map(|one| &one.not_restored);
    let is_drill = restore.spec.into == RestoreTarget::Scratch;
    let is_said =
        |warning: &&String| is_drill && missing.clone().any(|what| warning.contains(what));
    let warnings: Vec<&String> = report
        .warnings
        .iter()
        .filter(|warning| !is_said(warning))
        .collect();
    if let Some(first) = missing.next().filter(|_| is_drill) {
        let _ = write!(
            said,
            ". NOT RESTORED, which concerns no rows: {}",
            quoted(first)
        );
        let more = missing.count();
        if more > 0 {
            let _ = write!(
                said,
                "; and {more} more in status.report.databases[].notRestored"
            );
        }
    }
    match warnings.len() {
        0 => {}
        1 => {
            let _ = write!(said, ". Note: {}", quoted(warnings[0]));
        }
        more => {
            let _ = write!(
                said,
                ". Note: {}; and {} in status.report.warnings",
                quoted(warnings[0]),
                count(i64::try_from(more - 1).unwrap_or(i64::MAX), "more warning")
            );
        }
    }
    said
}

/// An agent's own text on one line, and no longer than a status can bear.
pub fn quoted(text: &str) -> String {
    let line = crate::wording::quoted_line(text, QUOTED);
    line.trim_end_matches('.').to_owned()
}
