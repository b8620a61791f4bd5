//! What a restore writes beside its status: a finalizer while it has stopped pods, so that it is not
//! gone before they are back; and on the database that it was carried out.

use json_patch::Patch;
use kube::{Api, ResourceExt};

use crate::api::{DatabaseRestore, ProtectedDatabase, names};
use crate::decide::recover::note_of_carried_out;
use crate::engine::Context;
use crate::execute::{WriteError, Writer, within_time};
use crate::guard::operations::{add, annotate, remove, test, test_uid, test_version};

/// Whether the finalizer holds it.
pub fn is_held(restore: &DatabaseRestore) -> bool {
    place(restore).is_some()
}

fn place(restore: &DatabaseRestore) -> Option<usize> {
    let mut finalizers = restore.metadata.finalizers.iter().flatten();
    finalizers.position(|finalizer| finalizer == names::RESTORING_FINALIZER)
}

/// Sets the finalizer, on the restore as it was read.
pub async fn hold(context: &Context, restore: &DatabaseRestore) -> Result<(), WriteError> {
    let metadata = &restore.metadata;
    let has_others = metadata
        .finalizers
        .as_ref()
        .is_some_and(|all| !all.is_empty());
    let name = names::RESTORING_FINALIZER;
    let finalizer = if has_others {
        add(&["metadata", "finalizers", "-"], name.into())
    } else {
        add(&["metadata", "finalizers"], serde_json::json!([name]))
    };
    let patch = Patch(vec![test_uid(metadata), test_version(metadata), finalizer]);
    write(context, restore, "hold the DatabaseRestore", patch).await
}

/// Removes the finalizer, if it is there.
pub async fn let_go(context: &Context, restore: &DatabaseRestore) -> Result<(), WriteError> {
    let Some(place) = place(restore).map(|place| place.to_string()) else {
        return Ok(());
    };
    let path = ["metadata", "finalizers", place.as_str()];
    let operations = vec![
        test_uid(&restore.metadata),
        test(&path, names::RESTORING_FINALIZER.into()),
        remove(&path),
    ];
    let doing = "remove the finalizer of the DatabaseRestore";
    write(context, restore, doing, Patch(operations)).await
}

async fn write(
    context: &Context,
    restore: &DatabaseRestore,
    doing: &str,
    patch: Patch,
) -> Result<(), WriteError> {
    let namespace = restore.namespace().unwrap_or_default();
    let api: Api<DatabaseRestore> = Api::namespaced(context.client.clone(), &namespace);
    let writer = writer(context);
    within_time(doing, writer.patch(&api, &restore.metadata, Some(patch))).await
}

/// Notes on the database that the restore was carried out.
pub async fn note_carried_out(
    context: &Context,
    restore: &DatabaseRestore,
    database: &ProtectedDatabase,
) -> Result<(), WriteError> {
    let Some(note) = note_of_carried_out(restore, database) else {
        return Ok(());
    };
    let metadata = &database.metadata;
    let annotation = annotate(metadata, names::CARRIED_OUT_ANNOTATION, &note);
    let patch = Patch([test_uid(metadata)].into_iter().chain(annotation).collect());
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    let api: Api<ProtectedDatabase> = Api::namespaced(context.client.clone(), namespace);
    let writer = writer(context);
    let write = writer.patch(&api, metadata, Some(patch));
    within_time("note that the restore was carried out", write).await
}

fn writer(context: &Context) -> Writer {
    Writer {
        client: context.client.clone(),
        manager: names::OPERATOR_MANAGER,
    }
}
