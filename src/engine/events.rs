//! Writing events. An event that can't be written fails nothing: the status says the same.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, Recorder};

use super::Context;

/// How long an event may take.
const EVENT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest note that an event may carry, in bytes.
const NOTE_LIMIT: usize = 1000;

/// Writes one event.
pub async fn publish(context: &Context, mut event: Event, regarding: &ObjectReference) {
    if let Some(note) = &mut event.note {
        note.truncate(note.floor_char_boundary(NOTE_LIMIT));
    }
    // A recorder folds an event into an earlier one of the same reason and keeps the earlier note:
    // it would name the volume and the rows of the reset before this one. A new recorder has
    // nothing to fold into.
    let recorder = Recorder::new(context.client.clone(), context.reporter.clone());
    match tokio::time::timeout(EVENT_TIMEOUT, recorder.publish(&event, regarding)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, reason = event.reason, "could not write an event"),
        Err(_) => tracing::warn!(
            reason = event.reason,
            "could not write an event: no answer from the API server"
        ),
    }
}
