//! Whether a `DatabaseRestore` asks for something that is to be done: it names the database by its
//! UID, and was not carried out before. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::names::CARRIED_OUT_ANNOTATION;
use crate::api::{
    CarriedOut, DatabaseRestore, DatabaseRestoreStatus, ProtectedDatabase, RestoreFrom,
    RestoreState, RestoreTarget, is_object_name,
};

/// The status of a restore that is not to be carried out. None if it is.
#[must_use]
pub fn refuse_restore(
    restore: &DatabaseRestore,
    database: &ProtectedDatabase,
    now: &Time,
) -> Option<DatabaseRestoreStatus> {
    let (state, message) = refusal_of(restore, database)?;
    Some(DatabaseRestoreStatus {
        state: Some(state),
        message: Some(message),
        completion_time: Some(now.clone()),
        ..restore.status.clone().unwrap_or_default()
    })
}

fn refusal_of(
    restore: &DatabaseRestore,
    database: &ProtectedDatabase,
) -> Option<(RestoreState, String)> {
    // A drill and a dry run change nothing, however often they are carried out.
    if !restore.changes_something() {
        return None;
    }
    let status = restore.status.as_ref();
    let has_begun = status.is_some_and(|status| status.start_time.is_some());
    if has_begun {
        return None;
    }
    let (name, namespace) = (
        &restore.spec.database,
        restore.metadata.namespace.as_deref(),
    );
    let namespace = namespace.unwrap_or_default();
    let uid = database.metadata.uid.as_deref().unwrap_or_default();
    let confirmed = restore.spec.confirm.as_deref().unwrap_or_default();
    // What stays beside the present data takes nothing away, so nobody confirms it.
    let needs_confirmation = restore.spec.into == RestoreTarget::Replace;
    if needs_confirmation && (confirmed != uid || uid.is_empty()) {
        let said = match confirmed {
            text if is_object_name(text) => format!("is {text}"),
            "" => "is empty".to_owned(),
            _ => "is another text".to_owned(),
        };
        let message = format!(
            "spec.confirm {said}, and the UID of ProtectedDatabase {name} is {uid}: it was written for \
             another one, or without a look at this one. Nothing was changed. Create another \
             DatabaseRestore with confirm: {uid}. See it: kubectl get protdb {name} -n {namespace} -o \
             jsonpath={{.metadata.uid}}"
        );
        return Some((RestoreState::Failed, message));
    }
    let Some(before) = carried_out_before(restore, database) else {
        let is_full = CarriedOut::is_full(note(database), &as_carried_out(restore)?);
        let message = format!(
            "as many DatabaseRestores were carried out for ProtectedDatabase {name} as its annotation \
             {CARRIED_OUT_ANNOTATION} can hold, and one that is not noted could be carried out again \
             when a tool creates it again: nothing was changed. {}",
            by_hand(restore, namespace)
        );
        return is_full.then_some((RestoreState::Failed, message));
    };
    let claims = database.status.iter().flat_map(|status| &status.claims);
    let mut mounted = claims.filter(|claim| claim.mounted);
    if restore.spec.from.volume.is_none() {
        let message = format!(
            "DatabaseRestore {} was carried out before (UID {}), and a tool may have created it again: \
             nothing was changed. To restore once more, create one under another name",
            before.restore, before.uid
        );
        return Some((RestoreState::Failed, message));
    }
    let (state, present) = if mounted.any(|claim| claim.volume == before.source) {
        (RestoreState::Complete, "is what is mounted")
    } else {
        (RestoreState::Failed, "is not what is mounted now")
    };
    let message = format!(
        "DatabaseRestore {} of volume {} was carried out before (UID {}), and a tool may have created \
         it again: nothing was changed. The volume {present}. To restore it once more, create one \
         under another name",
        before.restore, before.source, before.uid
    );
    Some((state, message))
}

/// What a user does where no restore can be noted.
fn by_hand(restore: &DatabaseRestore, namespace: &str) -> String {
    let name = &restore.spec.database;
    match &restore.spec.from.volume {
        Some(volume) => format!(
            "Recover by hand: kubectl holdfast recover {name} -n {namespace} --volume {volume}"
        ),
        None => format!(
            "Remove the names of restores that no tool creates again from it: kubectl edit protdb {name} -n \
             {namespace}"
        ),
    }
}

/// The restore of that name and source that was carried out, if it was another object.
fn carried_out_before(
    restore: &DatabaseRestore,
    database: &ProtectedDatabase,
) -> Option<CarriedOut> {
    let asked = as_carried_out(restore)?;
    let note = note(database);
    CarriedOut::read(note).into_iter().find(|before| {
        before.restore == asked.restore && before.source == asked.source && before.uid != asked.uid
    })
}

/// What is noted of a restore when it is done.
fn as_carried_out(restore: &DatabaseRestore) -> Option<CarriedOut> {
    Some(CarriedOut {
        restore: restore.metadata.name.clone()?,
        source: source_of(restore)?,
        uid: restore.metadata.uid.clone()?,
    })
}

/// What it is noted by: the volume, or which backup. No PersistentVolume that anybody names has these.
fn source_of(restore: &DatabaseRestore) -> Option<String> {
    Some(match restore.spec.from.which()? {
        RestoreFrom::Volume(volume) => volume.to_owned(),
        RestoreFrom::Backup(backup) => format!("backup.{backup}"),
        RestoreFrom::LatestGood => "backup.latest-good".to_owned(),
        RestoreFrom::Set(set) => format!("set.{}", set.manifest_sha256.get(..16)?),
    })
}

/// The note on the database once a restore is done. None if it has it.
#[must_use]
pub fn note_of_carried_out(
    restore: &DatabaseRestore,
    database: &ProtectedDatabase,
) -> Option<String> {
    CarriedOut::add(note(database), &as_carried_out(restore)?)
}

fn note(database: &ProtectedDatabase) -> &str {
    let annotations = database.metadata.annotations.as_ref();
    annotations
        .and_then(|annotations| annotations.get(CARRIED_OUT_ANNOTATION))
        .map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test that can't go on should say where"
    )]

    use serde_json::{Value, json};

    use super::*;

    fn restore(confirm: &str, uid: &str, status: &Value) -> DatabaseRestore {
        serde_json::from_value(json!({
            "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseRestore",
            "metadata": {"name": "back", "namespace": "atra", "uid": uid},
            "spec": {
                "database": "knowledge", "from": {"volume": "pv-1"}, "into": "Replace",
                "confirm": confirm,
            },
            "status": status,
        }))
        .unwrap()
    }

    fn database(note: &str) -> ProtectedDatabase {
        serde_json::from_value(json!({
            "apiVersion": "holdfast.dev/v1alpha1", "kind": "ProtectedDatabase",
            "metadata": {
                "name": "knowledge", "namespace": "atra", "uid": "u-db",
                "annotations": {CARRIED_OUT_ANNOTATION: note},
            },
            "spec": {
                "workload": {"name": "pg"},
                "connection": {"database": "app", "credentialsSecret": {"name": "auth"}},
            },
        }))
        .unwrap()
    }

    fn refused(restore: &DatabaseRestore, note: &str) -> Option<(RestoreState, String)> {
        refusal_of(restore, &database(note))
    }

    #[test]
    fn the_uid_of_the_database_confirms_and_nothing_else_does() {
        assert_eq!(refused(&restore("u-db", "u-1", &Value::Null), ""), None);
        for other in ["", "knowledge", "u-of-the-one-before", "$(reboot)"] {
            let refused = refused(&restore(other, "u-1", &Value::Null), "");
            let (state, message) = refused.unwrap();
            assert_eq!(state, RestoreState::Failed);
            let says = [
                "spec.confirm",
                "confirm: u-db",
                "kubectl get protdb knowledge -n atra",
            ];
            assert!(says.iter().all(|says| message.contains(says)), "{message}");
            assert!(!message.contains("$(reboot)"), "{message}");
        }
    }

    /// It was confirmed when it began, by an older version with the name.
    #[test]
    fn one_that_has_begun_goes_on() {
        let begun = json!({"state": "Running", "startTime": "2026-02-01T09:03:00Z"});
        assert_eq!(refused(&restore("knowledge", "u-1", &begun), ""), None);
    }

    /// Many restores later: what was carried out is not forgotten.
    #[test]
    fn an_old_one_that_is_created_again_is_not_carried_out_again() {
        let mut note = String::new();
        for number in 0..100 {
            let mut restore = restore("u-db", &format!("u-{number}"), &Value::Null);
            restore.metadata.name = Some(format!("back-{number}"));
            assert_eq!(refused(&restore, &note), None);
            note = note_of_carried_out(&restore, &database(&note)).unwrap();
        }
        let mut again = restore("u-db", "u-again", &Value::Null);
        again.metadata.name = Some("back-0".to_owned());
        assert!(refused(&again, &note).is_some());
        while !CarriedOut::is_full(&note, &as_carried_out(&again).unwrap()) {
            let more = note.replace("back-", "more-");
            note = format!("{note},{more}");
        }
        let next = restore("u-db", "u-next", &Value::Null);
        let (state, message) = refused(&next, &note).unwrap();
        assert_eq!(state, RestoreState::Failed);
        assert!(
            message.contains("recover knowledge -n atra --volume pv-1"),
            "{message}"
        );
    }

    #[test]
    fn one_that_is_created_again_is_not_carried_out_again() {
        let first = restore("u-db", "u-1", &Value::Null);
        let note = note_of_carried_out(&first, &database("")).unwrap();
        assert_eq!(note_of_carried_out(&first, &database(&note)), None);
        assert_eq!(refused(&first, &note), None, "it is the same one");
        let again = refused(&restore("u-db", "u-2", &Value::Null), &note);
        let (state, message) = again.unwrap();
        assert_eq!(state, RestoreState::Failed);
        assert!(message.contains("is not what is mounted now"), "{message}");
        let mut mounted = database(&note);
        mounted.status = serde_json::from_value(json!({"claims": [{
            "name": "data", "uid": "u-1", "guarded": true, "mounted": true, "volume": "pv-1",
        }]}))
        .unwrap();
        let again = refusal_of(&restore("u-db", "u-2", &Value::Null), &mounted);
        let (state, message) = again.unwrap();
        assert_eq!(state, RestoreState::Complete);
        assert!(message.contains("nothing was changed"), "{message}");
        let mut other = restore("u-db", "u-2", &Value::Null);
        other.metadata.name = Some("back-2".to_owned());
        assert_eq!(refused(&other, &note), None, "it has another name");
        let mut other = restore("u-db", "u-2", &Value::Null);
        other.spec.from.volume = Some("pv-2".to_owned());
        assert_eq!(refused(&other, &note), None, "it has another volume");
    }
}
