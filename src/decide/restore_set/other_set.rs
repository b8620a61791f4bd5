//! Which set to restore where one could not be: the newest that is proven, else the newest that counts. Pure.

use super::super::drills::counting;
use super::super::judge::Judged;
use crate::api::{DatabaseBackup, DatabaseRestore, RestoreTarget};
use crate::wording::shell_word;
use crate::world::Observed;

/// What to do after a restore that has failed because of its set, with the very command. The same command
/// would take another set by itself once that is noted; a user wants to know which one.
pub fn offer_another(
    restore: &DatabaseRestore,
    observed: &Observed,
    judged: &Judged<'_>,
) -> String {
    if restore.spec.from.set.is_some() {
        return "; restore another set of that cluster: kubectl holdfast adopt --help".to_owned();
    }
    let (name, namespace) = (observed.name(), observed.namespace_name());
    let status = restore.status.as_ref();
    let failed = status.and_then(|status| status.set.as_ref());
    let failed = failed.map_or("", |set| set.backup.as_str());
    let counting = counting(observed, judged);
    let others: Vec<&&DatabaseBackup> = counting
        .iter()
        .filter(|backup| name_of(backup) != failed && backup.disproved_by().is_none())
        .collect();
    let proven = others.iter().rfind(|backup| backup.is_proven());
    let Some(next) = proven.or(others.last()) else {
        return format!("; no other backup counts: kubectl holdfast backups {name} -n {namespace}");
    };
    let what = if proven.is_some() {
        "the newest that a drill has proven"
    } else {
        "the newest other one that counts, which no drill has proven"
    };
    let made = next
        .made()
        .map_or_else(String::new, |made| format!(" of {made}"));
    let chosen = name_of(next);
    let flags = if restore.spec.into == RestoreTarget::Beside {
        let tables = restore.spec.tables.iter();
        let tables = tables.map(|table| format!("--table {}", shell_word(table)));
        let flags: Vec<String> = std::iter::once(" --beside".to_owned())
            .chain(tables)
            .collect();
        flags.join(" ")
    } else {
        String::new()
    };
    format!(
        "; {what} is {chosen}{made}: kubectl holdfast restore {name} -n {namespace} --backup {chosen}{flags}"
    )
}

fn name_of(backup: &DatabaseBackup) -> &str {
    backup.metadata.name.as_deref().unwrap_or_default()
}
