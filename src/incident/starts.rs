//! The starts of the database's container, as the checks' targets tell them: pod, container,
//! volumes. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::looks::{Account, data_volume, describe_volume, time_of};
use super::{Line, StartTold};
use crate::api::{CheckTarget, DatabaseCheck, MountedVolume};
use crate::verdict::is_same_volume;

/// A start, its first check, and where its data was.
struct Start<'a> {
    time: Time,
    is_exact: bool,
    target: &'a CheckTarget,
    check: &'a DatabaseCheck,
    data: Option<&'a MountedVolume>,
}

/// Every start that a check has looked at, oldest first.
pub(super) fn tell_starts(account: &Account<'_>) -> Vec<StartTold> {
    let starts = find_starts(account);
    let mut told: Vec<StartTold> = Vec::new();
    for (position, start) in starts.iter().enumerate() {
        let before = position
            .checked_sub(1)
            .and_then(|position| starts.get(position));
        told.push(tell(start, before));
    }
    told
}

fn find_starts<'a>(account: &Account<'a>) -> Vec<Start<'a>> {
    let mut starts: Vec<Start<'_>> = Vec::new();
    for check in account.checks.iter().copied() {
        let Some(target) = &check.spec.target else {
            continue;
        };
        let evidence = check.evidence();
        let data = data_volume(&target.volumes, evidence);
        let known = starts.iter_mut().find(|start| {
            (&start.target.pod_uid, &start.target.container_id)
                == (&target.pod_uid, &target.container_id)
        });
        if let Some(known) = known {
            known.data = known.data.or(data);
            continue;
        }
        let exact = evidence.map(|evidence| evidence.identity.postmaster_started_at.clone());
        let time = exact
            .clone()
            .or_else(|| check.metadata.creation_timestamp.clone())
            .unwrap_or_else(|| Time(time_of(check)));
        starts.push(Start {
            time,
            is_exact: exact.is_some(),
            target,
            check,
            data,
        });
    }
    starts.sort_by_key(|start| start.time.0);
    starts
}

fn tell(start: &Start<'_>, before: Option<&Start<'_>>) -> StartTold {
    let volume_changed = before
        .and_then(|before| before.data.zip(start.data))
        .is_some_and(|(before, now)| !is_same_volume(before, now));
    let mut change = match before {
        None => "the first start that a check has seen".to_owned(),
        Some(before) if before.target.pod_uid == start.target.pod_uid => {
            "the container was restarted in the same pod".to_owned()
        }
        Some(_) => "a new pod".to_owned(),
    };
    if volume_changed {
        let was = describe_volume(before.and_then(|before| before.data));
        change = format!(
            "{change}, on {} instead of {was}",
            describe_volume(start.data)
        );
    }
    StartTold {
        time: start.time.clone(),
        is_exact: start.is_exact,
        pod: start.target.pod.as_str().into(),
        pod_uid: start.target.pod_uid.as_str().into(),
        container_id: start.target.container_id.as_str().into(),
        check: start
            .check
            .metadata
            .name
            .as_deref()
            .unwrap_or_default()
            .into(),
        volumes: start.target.volumes.iter().map(describe_mount).collect(),
        data_volume: start.data.map(|volume| volume.volume.as_str().into()),
        change: change.into(),
        volume_changed,
    }
}

fn describe_mount(volume: &MountedVolume) -> Line {
    format!(
        "volume {} of claim {} at {}",
        volume.volume, volume.claim, volume.mount_path
    )
    .into()
}
