//! Writes how far a `DatabaseRestore` is: its status, and an event where the state changes.

use kube::runtime::events::{Event, EventType};
use kube::{Api, Resource, ResourceExt};

use crate::api::{DatabaseRestore, DatabaseRestoreStatus, RestoreState, names};
use crate::engine::Context;
use crate::engine::events::publish;
use crate::execute::{WriteError, Writer, within_time};

/// Writes the status where it differs, and an event where the state does.
pub async fn report(
    context: &Context,
    restore: &DatabaseRestore,
    before: &DatabaseRestoreStatus,
    status: &DatabaseRestoreStatus,
) -> Result<(), WriteError> {
    if status == before {
        return Ok(());
    }
    let (namespace, name) = (restore.namespace().unwrap_or_default(), restore.name_any());
    let writer = Writer {
        client: context.client.clone(),
        manager: names::OPERATOR_MANAGER,
    };
    let api: Api<DatabaseRestore> = Api::namespaced(context.client.clone(), &namespace);
    let uid = restore.metadata.uid.as_deref();
    // The report is its agent's: what was read of it is older than what that writes meanwhile.
    let own = DatabaseRestoreStatus {
        report: None,
        ..status.clone()
    };
    let write = writer.apply_status(&api, (&name, uid), &own);
    within_time("write the status of the DatabaseRestore", write).await?;
    if let Some(state) = status.state.filter(|state| before.state != Some(*state)) {
        let is_bad = matches!(state, RestoreState::Blocked | RestoreState::Failed);
        let event = Event {
            type_: if is_bad {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: format!("Restore{state:?}"),
            note: status.message.clone(),
            action: "Restore".to_owned(),
            secondary: None,
        };
        publish(context, event, &restore.object_ref(&())).await;
    }
    Ok(())
}
