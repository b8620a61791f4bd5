//! Kubernetes' events about the database, its workload, pods, claims, volumes and nodes: bounded
//! and sorted, newest last. Pure.

use k8s_openapi::api::core::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::looks::Account;
use super::{EventTold, EventsTold};

/// The most events that are listed.
const LISTED: usize = 80;
/// What Kubernetes does with events.
const KEPT: &str = "Kubernetes keeps events for about an hour, so older ones are gone";

/// The newest events.
pub(super) fn tell_events(account: &Account<'_>) -> EventsTold {
    let facts = [&account.gathered.events, &account.gathered.cluster_events];
    let mut listed: Vec<EventTold> = facts
        .iter()
        .filter_map(|fact| fact.known())
        .flatten()
        .filter_map(tell)
        .collect();
    listed.sort_by_key(|event| event.time.0);
    let left_out = listed.len().saturating_sub(LISTED);
    listed.drain(..left_out);
    let mut unknown: Vec<&str> = facts.iter().filter_map(|fact| fact.unknown()).collect();
    unknown.dedup();
    let note = if unknown.is_empty() {
        KEPT.to_owned()
    } else {
        format!("{KEPT}. {}", unknown.join(". "))
    };
    EventsTold {
        listed,
        left_out,
        note: note.into(),
    }
}

/// When an event was last seen.
pub(super) fn time_of_event(event: &Event) -> Option<Time> {
    let in_series = event
        .series
        .as_ref()
        .and_then(|series| series.last_observed_time.as_ref())
        .or(event.event_time.as_ref());
    let newest = event
        .last_timestamp
        .clone()
        .or_else(|| in_series.map(|time| Time(time.0)));
    newest
        .or_else(|| event.first_timestamp.clone())
        .or_else(|| event.metadata.creation_timestamp.clone())
}

fn tell(event: &Event) -> Option<EventTold> {
    let object = &event.involved_object;
    Some(EventTold {
        time: time_of_event(event)?,
        warning: event.type_.as_deref() == Some("Warning"),
        reason: event.reason.as_deref().unwrap_or_default().into(),
        object: format!(
            "{} {}",
            object.kind.as_deref().unwrap_or("object"),
            object.name.as_deref().unwrap_or_default()
        )
        .into(),
        message: event.message.as_deref().unwrap_or_default().into(),
        count: event
            .count
            .or(event.series.as_ref().and_then(|series| series.count))
            .unwrap_or(1),
    })
}
