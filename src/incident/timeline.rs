//! Everything that happened, in one list: what was made, starts, checks, volume changes, backups,
//! restores, events. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::looks::{Account, time_of, verdict_of};
use super::updates::{find_server_versions, find_template_changes};
use super::{BackupTold, EventsTold, Line, Moment, MomentKind, StartTold, Timeline, VolumeTold};
use crate::api::{BackupState, CheckOutcome, ConditionType, RestoreState, Subject, find_condition};
use crate::wording::count;

/// The most moments that are listed.
const LISTED: usize = 200;

/// Builds the list.
pub(super) fn build_timeline(
    account: &Account<'_>,
    starts: &[StartTold],
    volumes: &[VolumeTold],
    backups: &[BackupTold],
    events: &EventsTold,
) -> Timeline {
    let mut moments = find_made(account, volumes);
    moments.extend(find_template_changes(account.gathered));
    moments.extend(find_server_versions(account));
    moments.extend(starts.iter().flat_map(tell_start));
    moments.extend(find_checks(account));
    moments.extend(backups.iter().filter_map(tell_backup));
    moments.extend(find_restores(account));
    moments.extend(find_conditions(account));
    moments.extend(find_ends(account));
    moments.extend(find_nodes(account));
    moments.extend(events.listed.iter().map(|event| {
        let times = if event.count > 1 {
            format!(" ({} times)", event.count)
        } else {
            String::new()
        };
        let kind = if event.object.as_str().starts_with("Node ") {
            MomentKind::Node
        } else {
            MomentKind::Event
        };
        moment(
            &event.time,
            kind,
            event.warning,
            format!(
                "{} {}: {}{times}",
                event.object, event.reason, event.message
            ),
        )
    }));
    moments.sort_by(|one, other| {
        (one.time.0, one.kind, &one.says).cmp(&(other.time.0, other.kind, &other.says))
    });
    moments.dedup();
    let left_out = moments.len().saturating_sub(LISTED);
    moments.drain(..left_out);
    Timeline { left_out, moments }
}

fn moment(time: &Time, kind: MomentKind, alarming: bool, says: impl Into<Line>) -> Moment {
    Moment {
        time: time.clone(),
        kind,
        alarming,
        says: says.into(),
    }
}

/// When volumes, claims and clusters of data were made.
fn find_made(account: &Account<'_>, volumes: &[VolumeTold]) -> Vec<Moment> {
    let made = |time: &Time, says: String| moment(time, MomentKind::Made, false, says);
    let mut moments: Vec<Moment> = volumes
        .iter()
        .filter_map(|volume| {
            Some(made(
                volume.created_at.as_ref()?,
                format!(
                    "volume {} was created, for claim {}",
                    volume.volume, volume.claim
                ),
            ))
        })
        .collect();
    let evidence = account.checks.iter().filter_map(|check| check.evidence());
    let evidence = evidence.chain(account.expected.as_ref().and_then(|seen| seen.evidence));
    let mut identifiers: Vec<&str> = Vec::new();
    for identity in evidence.map(|evidence| &evidence.identity) {
        if !identifiers.contains(&identity.system_identifier.as_str()) {
            identifiers.push(&identity.system_identifier);
            moments.push(made(
                &identity.initialized_at,
                format!(
                    "initdb made the cluster of data {}",
                    identity.system_identifier
                ),
            ));
        }
    }
    moments
}

fn tell_start(start: &StartTold) -> Vec<Moment> {
    let seen = if start.is_exact {
        "server started"
    } else {
        "start first seen"
    };
    let mut moments = vec![moment(
        &start.time,
        MomentKind::Start,
        false,
        format!("{seen} in pod {}: {}", start.pod, start.change),
    )];
    if start.volume_changed {
        let volume = start.data_volume.clone().unwrap_or_default();
        moments.push(moment(
            &start.time,
            MomentKind::Volume,
            true,
            format!("the data directory lies on volume {volume} from here on"),
        ));
    }
    moments
}

fn find_checks(account: &Account<'_>) -> Vec<Moment> {
    let checks = account.checks.iter().map(|check| {
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
        moment(
            &Time(time_of(check)),
            MomentKind::Check,
            alarming,
            format!("check {name} ({:?}): {said}{rows}", check.spec.trigger),
        )
    });
    checks.collect()
}

fn tell_backup(backup: &BackupTold) -> Option<Moment> {
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
    Some(moment(
        backup.time.as_ref()?,
        MomentKind::Backup,
        alarming,
        format!("backup {}: {state}{rows}", backup.name),
    ))
}

fn find_restores(account: &Account<'_>) -> Vec<Moment> {
    let restores = account.gathered.restores.known().into_iter().flatten();
    restores
        .flat_map(|restore| {
            let name = restore.metadata.name.as_deref().unwrap_or_default();
            let status = restore.status.clone().unwrap_or_default();
            let began = status.start_time.map(|time| {
                moment(
                    &time,
                    MomentKind::Restore,
                    false,
                    format!("restore {name} began"),
                )
            });
            let bound = status.bound_time.map(|time| {
                moment(
                    &time,
                    MomentKind::Restore,
                    false,
                    format!("restore {name}: the claim is on its volume again"),
                )
            });
            let ended = status
                .completion_time
                .zip(status.state)
                .map(|(time, state)| {
                    moment(
                        &time,
                        MomentKind::Restore,
                        state == RestoreState::Failed,
                        format!("restore {name} ended: {state:?}"),
                    )
                });
            [began, bound, ended].into_iter().flatten()
        })
        .collect()
}

/// When containers ended that the pods of now still remember.
fn find_ends(account: &Account<'_>) -> Vec<Moment> {
    let pods = account.gathered.pods.known().into_iter().flatten();
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
            Some(moment(
                ended.finished_at.as_ref()?,
                MomentKind::Start,
                ended.exit_code != 0,
                says,
            ))
        })
        .collect()
}

fn find_nodes(account: &Account<'_>) -> Vec<Moment> {
    let nodes = account
        .gathered
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
            Some(moment(
                condition.last_transition_time.as_ref()?,
                MomentKind::Node,
                alarming,
                says,
            ))
        })
        .collect()
}

fn find_conditions(account: &Account<'_>) -> Vec<Moment> {
    let conditions = account
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
            moment(
                &condition.last_transition_time,
                MomentKind::Condition,
                alarming,
                says,
            )
        })
        .collect()
}
