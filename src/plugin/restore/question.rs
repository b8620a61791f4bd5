//! What `restore` says before it asks: which backup, what is there now, what will happen, and what does
//! not come with it. Pure.

use std::fmt::Write as _;

use jiff::Timestamp;
use kube::ResourceExt as _;

use crate::api::{
    BackupState, ConditionType, DatabaseBackup, DatabaseCheck, ProtectedDatabase, RestoreTarget,
    find_condition,
};
use crate::decide::why_not_good;
use crate::wording::{count, escaped, moment};

/// The backup that is to be restored.
#[derive(Debug)]
pub struct Chosen<'a> {
    pub backup: &'a DatabaseBackup,
    /// Why it does not count as good, where the user has named it anyway.
    pub suspect: Option<String>,
}

/// What of it is restored, and where.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub into: RestoreTarget,
    /// As `schema.table`; empty for all.
    pub tables: &'a [String],
}

/// The backup of that name, or the newest that counts, as the operator reports it.
pub fn choose<'a>(
    database: &ProtectedDatabase,
    backups: &'a [DatabaseBackup],
    named: Option<&str>,
    accepts_suspect: bool,
) -> Result<Chosen<'a>, String> {
    let name = database.name_any();
    let of_name = |wanted: &str| {
        let mut all = backups.iter();
        all.find(|backup| backup.name_any() == wanted)
    };
    let Some(named) = named else {
        let status = database.status.as_ref();
        let good = status.and_then(|status| status.last_confirmed_backup.as_ref());
        let found = good.and_then(|good| of_name(&good.name));
        let found = found.filter(|backup| backup.counts());
        return found
            .map(|newest| Chosen {
                backup: not_disproved(newest, backups).unwrap_or(newest),
                suspect: None,
            })
            .ok_or_else(|| {
                format!(
                    "no backup of database {name} counts. If a volume with the data is still there: kubectl \
                     holdfast recover {name}. If the bucket has sets of a cluster that is gone: kubectl \
                     holdfast adopt --help. To restore one of these anyway: --backup BACKUP --accept-suspect"
                )
            });
    };
    let Some(backup) = of_name(named) else {
        return Err(format!(
            "database {name} has no DatabaseBackup {}",
            escaped(named)
        ));
    };
    let state = backup.status.as_ref().and_then(|status| status.state);
    if !matches!(state, Some(BackupState::Complete | BackupState::Suspect)) {
        return Err(format!("DatabaseBackup {named} has no complete set"));
    }
    let suspect = why_not_good(backup);
    match &suspect {
        Some(why) if !accepts_suspect => Err(format!(
            "DatabaseBackup {named} does not count as good: {}. To restore it anyway: --accept-suspect",
            escaped(why)
        )),
        _ => Ok(Chosen { backup, suspect }),
    }
}

/// The newest backup of the same database cluster that counts and that no drill has failed to restore.
fn not_disproved<'a>(
    newest: &DatabaseBackup,
    backups: &'a [DatabaseBackup],
) -> Option<&'a DatabaseBackup> {
    let cluster = |backup: &DatabaseBackup| {
        let status = backup.status.as_ref();
        status.and_then(|status| status.system_identifier.clone())
    };
    let others = backups.iter().filter(|backup| {
        backup.counts() && backup.disproved_by().is_none() && cluster(backup) == cluster(newest)
    });
    others.max_by_key(|backup| backup.made())
}

/// What there is, what will happen, and what does not come with it.
pub fn describe(
    database: &ProtectedDatabase,
    last: Option<&DatabaseCheck>,
    chosen: &Chosen<'_>,
    Wanted { into, tables }: Wanted<'_>,
    now: Timestamp,
) -> String {
    let mut text = String::new();
    let names: Vec<&str> = database.spec.connection.databases().collect();
    let names = escaped(&names.join(", "));
    let _ = writeln!(
        text,
        "What is there now, in {names}:\n  - {}",
        present(database, last)
    );
    let backup = chosen.backup;
    let status = backup.status.clone().unwrap_or_default();
    let taken = status
        .snapshot
        .as_ref()
        .map(|snapshot| &snapshot.time)
        .or(status.completion_time.as_ref());
    let taken = taken.map_or_else(|| "an unknown time".to_owned(), |time| moment(time, now));
    let _ = writeln!(
        text,
        "What is restored:\n  - backup {} of {taken}: {} in {}",
        backup.name_any(),
        status
            .rows
            .map_or_else(|| "its rows".to_owned(), |rows| count(rows, "row")),
        status
            .tables
            .map_or_else(|| "its tables".to_owned(), |tables| count(tables, "table"))
    );
    if !tables.is_empty() {
        let _ = writeln!(
            text,
            "  - only {}, and what belongs to {}",
            escaped(&tables.join(", ")),
            if tables.len() == 1 { "it" } else { "them" }
        );
    }
    if let Some(drill) = &status.drill {
        let what = if drill.passed {
            "has proven it"
        } else {
            "COULD NOT RESTORE IT"
        };
        let _ = writeln!(
            text,
            "  - DatabaseRestore {} {what}, {}",
            drill.restore,
            moment(&drill.time, now)
        );
        for missing in &drill.not_restored {
            let _ = writeln!(
                text,
                "  - NOT RESTORED then, which concerns no rows: {}",
                escaped(missing)
            );
        }
    }
    if let Some(why) = &chosen.suspect {
        let _ = writeln!(text, "  - it DOES NOT COUNT AS GOOD: {}", escaped(why));
    }
    let encryption = database
        .spec
        .backup
        .as_ref()
        .map(|backup| &backup.encryption);
    let restore = database.spec.restore.as_ref();
    let has_identity = restore.is_some_and(|restore| restore.identity_secret.is_some());
    if encryption.is_some_and(Option::is_some) && !has_identity {
        text.push_str(
            "  - if it is encrypted, it is REFUSED before anything is made: spec.restore.identitySecret \
             names no private key\n",
        );
    }
    text.push_str("What happens:\n");
    text.push_str(
        "  - every object of the backup is compared with its digest before anything is made\n  - it is \
         restored into a new database beside the present one, and compared row by row\n",
    );
    if into == RestoreTarget::Replace {
        let _ = write!(
            text,
            "  - then clients are disconnected for a moment, the present database is renamed and kept, and \
             the new one takes its name\n  - a check compares it with the backup; once that is good, later \
             checks are compared with it\nWhat does not come with it:\n  - what was written after {taken}. \
             It stays in the database that is kept\n  - what is not in a database: passwords of roles, \
             settings of the server, files\n"
        );
    } else {
        text.push_str("  - the present database stays as it is\n");
        if !tables.is_empty() {
            text.push_str(
                "What does not come with it:\n  - what needs a table that is not named, such as a foreign key \
                 to it: the last message names it\n  - large objects\n",
            );
        }
    }
    text
}

fn present(database: &ProtectedDatabase, last: Option<&DatabaseCheck>) -> String {
    let status = database.status.as_ref();
    let reset = status
        .and_then(|status| find_condition(&status.conditions, ConditionType::DataReset))
        .filter(|reset| reset.status == "True");
    let evidence = last.and_then(DatabaseCheck::evidence);
    let mut said = match evidence {
        Some(evidence) => format!(
            "{} in {}, as check {} has found",
            count(evidence.total_rows, "row"),
            count(evidence.table_count, "table"),
            last.map(DatabaseCheck::name_any).unwrap_or_default()
        ),
        None => {
            "nothing is known of it: the last check could not read it, or there was none".to_owned()
        }
    };
    match reset {
        Some(reset) => {
            let _ = write!(
                said,
                "; it looks reset ({}): {}",
                reset.reason,
                escaped(&reset.message)
            );
        }
        None => said.push_str("; it does NOT look reset"),
    }
    said
}
