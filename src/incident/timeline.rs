//! Everything that happened, in one list: what was created, starts, checks, volume changes, backups,
//! restores, events. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::model::{
    BackupEntry, EntryKind, EventList, StartEntry, Timeline, TimelineEntry, VolumeEntry,
};
use super::safe_text::SafeText;
use super::selection::{Selection, time_of, verdict_of};
use super::surroundings::{find_server_versions, find_template_changes};
use crate::api::{
    BackupState, CheckOutcome, ConditionType, RestoreState, RestoreTarget, Subject, find_condition,
};
use crate::wording::count;

/// The most entries that are listed.
const LISTED: usize = 200;

/// Builds the list.
pub(super) fn build_timeline(
    selection: &Selection<'_>,
    starts: &[StartEntry],
    volumes: &[VolumeEntry],
    backups: &[BackupEntry],
    events: &EventList,
) -> Timeline {
    let mut entries = find_creations(selection, volumes);
    entries.extend(find_template_changes(selection.facts));
    entries.extend(find_server_versions(selection));
    entries.extend(starts.iter().flat_map(tell_start));
    entries.extend(find_checks(selection));
    entries.extend(backups.iter().filter_map(tell_backup));
    entries.extend(find_restores(selection));
    entries.extend(find_conditions(selection));
    entries.extend(find_ends(selection));
    entries.extend(find_nodes(selection));
    entries.extend(events.listed.iter().map(|event| {
        let times = if event.count > 1 {
            format!(" ({} times)", event.count)
        } else {
            String::new()
        };
        let kind = if event.object.as_str().starts_with("Node ") {
            EntryKind::Node
        } else {
            EntryKind::Event
        };
        entry(
            &event.time,
            kind,
            event.warning,
            format!(
                "{} {}: {}{times}",
                event.object, event.reason, event.message
            ),
        )
    }));
    entries.sort_by(|one, other| {
        (one.time.0, one.kind, &one.says).cmp(&(other.time.0, other.kind, &other.says))
    });
    entries.dedup();
    let left_out = entries.len().saturating_sub(LISTED);
    entries.drain(..left_out);
    Timeline { left_out, entries }
}

fn entry(time: &Time, kind: EntryKind, alarming: bool, says: impl Into<SafeText>) -> TimelineEntry {
    TimelineEntry {
        time: time.clone(),
        kind,
        alarming,
        says: says.into(),
    }
}

/// When volumes, claims and database clusters were created.
fn find_creations(selection: &Selection<'_>, volumes: &[VolumeEntry]) -> Vec<TimelineEntry> {
    let created = |time: &Time, says: String| entry(time, EntryKind::Created, false, says);
    let mut entries: Vec<TimelineEntry> = volumes
        .iter()
        .filter_map(|volume| {
            Some(created(
                volume.created_at.as_ref()?,
                format!(
                    "volume {} was created, for claim {}",
                    volume.volume, volume.claim
                ),
            ))
        })
        .collect();
    let evidence = selection.checks.iter().filter_map(|check| check.evidence());
    let evidence = evidence.chain(selection.expected.as_ref().and_then(|seen| seen.evidence));
    let mut identifiers: Vec<&str> = Vec::new();
    for identity in evidence.map(|evidence| &evidence.identity) {
        if !identifiers.contains(&identity.system_identifier.as_str()) {
            identifiers.push(&identity.system_identifier);
            entries.push(created(
                &identity.initialized_at,
                format!(
                    "initdb created database cluster {}",
                    identity.system_identifier
                ),
            ));
        }
    }
    entries
}

fn tell_start(start: &StartEntry) -> Vec<TimelineEntry> {
    let seen = if start.is_exact {
        "server started"
    } else {
        "start first seen"
    };
    let mut entries = vec![entry(
        &start.time,
        EntryKind::Start,
        false,
        format!("{seen} in pod {}: {}", start.pod, start.change),
    )];
    if start.volume_changed {
        let volume = start.data_volume.clone().unwrap_or_default();
        entries.push(entry(
            &start.time,
            EntryKind::Volume,
            true,
            format!("the data directory is on volume {volume} from here on"),
        ));
    }
    entries
}

fn find_checks(selection: &Selection<'_>) -> Vec<TimelineEntry> {
    let checks = selection.checks.iter().map(|check| {
        let name = check.metadata.name.as_deref().unwrap_or_default();
        let rows = check
            .evidence()
            .map(|evidence| format!(", {}", count(evidence.total_rows, "row")))
            .unwrap_or_default();
        let verdict = verdict_of(check);
        let alarming = verdict.is_some_and(|verdict| verdict.outcome == CheckOutcome::Suspected);
        let said = verdict.map_or_else(
            || "not judged yet".to_owned(),
            |verdict| format!("{:?} ({})", verdict.outcome, verdict.reason),
        );
        entry(
            &Time(time_of(check)),
            EntryKind::Check,
            alarming,
            format!("check {name} ({:?}): {said}{rows}", check.spec.trigger),
        )
    });
    checks.collect()
}

fn tell_backup(backup: &BackupEntry) -> Option<TimelineEntry> {
    let state = backup
        .state
        .map_or_else(|| "not begun".to_owned(), |state| format!("{state:?}"));
    let rows = backup
        .rows
        .map(|rows| format!(", {}", count(rows, "row")))
        .unwrap_or_default();
    let alarming = matches!(
        backup.state,
        Some(BackupState::Suspect | BackupState::Failed)
    );
    Some(entry(
        backup.time.as_ref()?,
        EntryKind::Backup,
        alarming,
        format!("backup {}: {state}{rows}", backup.name),
    ))
}

fn find_restores(selection: &Selection<'_>) -> Vec<TimelineEntry> {
    let restores = selection.facts.restores.known().into_iter().flatten();
    restores
        .flat_map(|restore| {
            let name = restore.metadata.name.as_deref().unwrap_or_default();
            let what = match restore.spec.into {
                _ if restore.is_dry_run() => "dry run of restore",
                RestoreTarget::Scratch => "drill",
                RestoreTarget::Replace | RestoreTarget::Beside => "restore",
            };
            let status = restore.status.clone().unwrap_or_default();
            let began = status.start_time.map(|time| {
                entry(
                    &time,
                    EntryKind::Restore,
                    false,
                    format!("{what} {name} began"),
                )
            });
            let bound = status.bound_time.map(|time| {
                entry(
                    &time,
                    EntryKind::Restore,
                    false,
                    format!("restore {name}: the claim is on its volume again"),
                )
            });
            let ended = status
                .completion_time
                .zip(status.state)
                .map(|(time, state)| {
                    entry(
                        &time,
                        EntryKind::Restore,
                        state == RestoreState::Failed,
                        format!("{what} {name} ended: {state:?}"),
                    )
                });
            [began, bound, ended].into_iter().flatten()
        })
        .collect()
}

/// When containers ended that the pods of now still remember.
fn find_ends(selection: &Selection<'_>) -> Vec<TimelineEntry> {
    let pods = selection.facts.pods.known().into_iter().flatten();
    let statuses = pods.flat_map(|pod| {
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let containers = pod
            .status
            .as_ref()
            .and_then(|status| status.container_statuses.as_deref())
            .unwrap_or_default();
        containers.iter().map(move |container| (name, container))
    });
    statuses
        .filter_map(|(pod, container)| {
            let ended = container.last_state.as_ref()?.terminated.as_ref()?;
            let reason = ended.reason.as_deref().unwrap_or("no reason given");
            let says = format!(
                "container {} of pod {pod} ended with exit code {} ({reason})",
                container.name, ended.exit_code
            );
            Some(entry(
                ended.finished_at.as_ref()?,
                EntryKind::Start,
                ended.exit_code != 0,
                says,
            ))
        })
        .collect()
}

fn find_nodes(selection: &Selection<'_>) -> Vec<TimelineEntry> {
    let nodes = selection
        .facts
        .nodes
        .iter()
        .filter_map(|node| Some((&node.name, node.found.known()?.as_ref()?.status.as_ref()?)));
    nodes
        .flat_map(|(name, status)| {
            status
                .conditions
                .iter()
                .flatten()
                .map(move |condition| (name, condition))
        })
        .filter(|(_, condition)| condition.type_ == "Ready" || condition.type_ == "DiskPressure")
        .filter_map(|(name, condition)| {
            let alarming = (condition.status == "True") != (condition.type_ == "Ready");
            let says = format!(
                "node {name}: {} is {} since then",
                condition.type_, condition.status
            );
            Some(entry(
                condition.last_transition_time.as_ref()?,
                EntryKind::Node,
                alarming,
                says,
            ))
        })
        .collect()
}

fn find_conditions(selection: &Selection<'_>) -> Vec<TimelineEntry> {
    let conditions = selection
        .status()
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    let found = ConditionType::ALL
        .iter()
        .filter(|type_| type_.row().subject == Subject::Data)
        .filter_map(|type_| Some((type_, find_condition(conditions, *type_)?)));
    found
        .map(|(type_, condition)| {
            let alarming = !type_.is_normal(&condition.status);
            let says = format!(
                "{} is {} ({}) since then",
                condition.type_, condition.status, condition.reason
            );
            entry(
                &condition.last_transition_time,
                EntryKind::Condition,
                alarming,
                says,
            )
        })
        .collect()
}
