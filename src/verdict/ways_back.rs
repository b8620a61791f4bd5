//! What to do about a reset that is suspected: the steps back to data that may still exist, the
//! shortest first.

use crate::api::{Finding, MountedVolume, default_region};
use crate::wording::shell_word;

use super::input::{Baseline, Input};
use super::unread::{is_other_instance, other_ordinal};
use super::volumes::place_on;

/// Mounts the volume with the data again.
pub(super) fn mount_back(
    input: &Input<'_>,
    baseline: &Baseline<'_>,
    before: &MountedVolume,
    now: Option<&MountedVolume>,
) -> Vec<String> {
    let (namespace, workload) = (input.namespace, &input.spec.workload.called());
    let present = now
        .map(|now| format!(" {}", now.volume))
        .unwrap_or_default();
    let claim = &before.claim;
    let see = format!(
        "See whether it exists: kubectl get pv {}{present}, and what the pod mounts: kubectl -n \
         {namespace} describe pod {}",
        before.volume, input.target.pod
    );
    let gone = format!(
        "If the volume is gone, restore from a backup: {}",
        restore_command(input)
    );
    if let Some(way) = now.and_then(|now| special_way(input, before, now)) {
        return vec![way, see, gone];
    }
    let way = match now {
        Some(now) if now.claim == *claim => {
            format!("bind claim {claim} to volume {} again", before.volume)
        }
        Some(_) => format!("let {workload} mount claim {claim} again"),
        None => format!(
            "put its data directory on claim {claim} again (it was mounted at {})",
            before.mount_path
        ),
    };
    vec![
        format!(
            "bring volume {} back, which has the data of {}: kubectl holdfast recover {} -n \
             {namespace}",
            before.volume, baseline.source, input.database
        ),
        see,
        if input.spec.workload.selector.is_some() {
            format!(
                "By hand: stop the pods {workload} with the tool of their owner, {way}, start them"
            )
        } else {
            format!("By hand: scale {workload} to 0, {way}, scale it up")
        },
        gone,
    ]
}

/// The steps back where the pod has the volume that it had.
pub(super) fn on_same_volume(input: &Input<'_>, findings: &[Finding]) -> Vec<String> {
    let elsewhere = findings.iter().find_map(|finding| match finding {
        Finding::OtherDataDirectory { before, .. } => Some(before),
        Finding::RolledBack { before, now }
            if !now.data_directory.is_empty() && before.data_directory != now.data_directory =>
        {
            Some(before)
        }
        _ => None,
    });
    if let Some(before) = elsewhere {
        let place = before
            .volume
            .as_ref()
            .and_then(|volume| place_on(volume, &before.data_directory));
        return vec![
            format!(
                "put the directory back: let the pod use {} again (PGDATA, subPath, the mount path \
                 or the image was changed; on the volume it is {}): {}",
                before.data_directory,
                place.as_deref().unwrap_or("not known"),
                edit_command(input)
            ),
            format!("See what is on the volume: {}", find_command(input)),
        ];
    }
    let is_other_cluster = findings.iter().any(|finding| {
        matches!(
            finding,
            Finding::ClusterReinitialized { host: None, .. } | Finding::RoleChanged { .. }
        )
    });
    let mut steps = Vec::new();
    if is_other_cluster && !input.target.volumes.is_empty() {
        steps.push(format!(
            "see whether the data was moved to another directory of the volume: {}",
            find_command(input)
        ));
    }
    steps.push(format!(
        "{} from a backup: {}",
        if steps.is_empty() {
            "restore"
        } else {
            "Otherwise restore"
        },
        restore_command(input)
    ));
    steps
}

/// The command that restores a backup; without a bucket, the one that shows whether there is any.
fn restore_command(input: &Input<'_>) -> String {
    let (namespace, database) = (input.namespace, input.database);
    match input.spec.backup {
        // It has none of its own that could be restored by its name.
        Some(_) if input.baseline.is_none() && input.other_backups.is_some() => {
            adopt_command(input)
        }
        Some(_) => format!("kubectl holdfast restore {database} -n {namespace}"),
        None => format!("kubectl -n {namespace} get dbbackup"),
    }
}

/// The command that lists what the bucket has, whoever it is of.
pub(super) fn adopt_command(input: &Input<'_>) -> String {
    let Some(backup) = &input.spec.backup else {
        return "kubectl holdfast adopt --help".to_owned();
    };
    let storage = &backup.storage.s3;
    let mut place = format!(
        "s3://{}/{}",
        storage.bucket,
        storage.prefix.trim_matches('/')
    );
    place.truncate(place.trim_end_matches('/').len());
    let endpoint = storage.endpoint.as_ref();
    // Whoever wrote the ProtectedDatabase wrote these, and an administrator copies them.
    let endpoint = endpoint.map_or_else(String::new, |url| {
        format!(" --endpoint {}", shell_word(url))
    });
    let region = if storage.region == default_region() {
        String::new()
    } else {
        format!(" --region {}", shell_word(&storage.region))
    };
    let style = if storage.force_path_style {
        " --path-style"
    } else {
        ""
    };
    let place = shell_word(&place);
    format!("kubectl holdfast adopt {place}{endpoint}{region}{style}")
}

/// The command that changes the pod template. Of pods by their labels another operator has it.
fn edit_command(input: &Input<'_>) -> String {
    let (namespace, workload) = (input.namespace, &input.spec.workload);
    let kind = workload.kind.map_or_else(
        || "statefulset".to_owned(),
        |kind| kind.to_string().to_ascii_lowercase(),
    );
    match workload.selector {
        Some(_) => format!("kubectl -n {namespace} describe pod {}", input.target.pod),
        None => format!("kubectl -n {namespace} edit {kind} {}", workload.name),
    }
}

/// Lists every data directory below the mounts: each has one file of that name.
fn find_command(input: &Input<'_>) -> String {
    let mounts: Vec<&str> = input
        .target
        .volumes
        .iter()
        .map(|volume| volume.mount_path.as_str())
        .collect();
    format!(
        "kubectl -n {} exec {} -c {} -- find {} -name pg_control",
        input.namespace,
        input.target.pod,
        input.target.container,
        mounts.join(" ")
    )
}

/// How a volume gets back under the pod where binding a claim is not the way: another node, or
/// another pod of the StatefulSet.
fn special_way(input: &Input<'_>, before: &MountedVolume, now: &MountedVolume) -> Option<String> {
    let workload = &input.spec.workload.called();
    if !before.node.is_empty() && !now.node.is_empty() && before.node != now.node {
        return Some(format!(
            "let the pod of {workload} run on node {} again, where its files are",
            before.node
        ));
    }
    if is_other_instance(input, before, now) {
        return Some(format!(
            "let the instance whose claim {} has the data be the primary again, with the tool of what \
             controls the pods {workload}, and keep that claim",
            before.claim
        ));
    }
    let was = other_ordinal(&input.target.pod, before, now)?;
    Some(format!(
        "let the StatefulSet run pod {workload}-{was} again, whose claim {} has the data: put \
         spec.ordinals.start and spec.replicas of {workload} back",
        before.claim
    ))
}
