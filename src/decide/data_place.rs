//! Whether the data lies on a claim, said before anything is lost: what lies in a volume of the image
//! goes with the container, other volumes go with the pod. Pure.

use super::area::guard_wanted;
use super::gap::Gap;
use super::judge::{Judged, JudgedCheck, is_of, order};
use crate::api::{CheckTarget, MountedVolume, reasons};
use crate::guard;
use crate::plan::{MountRepairStep, Plan, Step};
use crate::resources::known_image_volumes;
use crate::verdict::{DataPlace, Mounts};
use crate::wording::{lies_under, rest_below};
use crate::world::{ContainerFact, Observed, PodFact, RunningContainer};

/// The directory on the claim that the data is copied to. The root of a claim is no data directory: it
/// may hold other things, and belong to somebody else.
const COPY_DIRECTORY: &str = "pgdata";

/// Where the data of one start lies, as far as it is known.
enum Place<'a> {
    /// On a claim.
    OnClaim,
    /// In a volume of the image below this claim.
    InImageVolume {
        volume: String,
        /// Empty if it is not known.
        directory: String,
        claim: &'a MountedVolume,
    },
    /// On no claim, and none is mounted above it.
    Elsewhere {
        directory: String,
    },
    Unknown,
}

/// Says where the data lies beside the claims, and notes on the workload which change of its mount
/// repairs that.
pub fn off_claim(observed: &Observed, judged: &Judged<'_>, plan: &mut Plan) -> Option<Gap> {
    let pods = observed.pods.known()?.iter().filter(|pod| !pod.terminating);
    let starts = pods.flat_map(|pod| pod.running.iter().map(move |container| (pod, container)));
    let mut is_on_claim = false;
    let mut gap = None;
    let mut repair = None;
    for (pod, container) in starts {
        match place_of(judged, pod, container) {
            Place::OnClaim => is_on_claim = true,
            Place::InImageVolume {
                volume,
                directory,
                claim,
            } => {
                // Where it is not known where the data is, no change of a mount is sure to be right.
                if !directory.is_empty() {
                    repair.get_or_insert_with(|| {
                        format!("{} {} -> {volume}", container.name, claim.mount_path)
                    });
                }
                gap.get_or_insert_with(|| {
                    in_image_volume(observed, pod, container, &volume, &directory, claim)
                });
            }
            Place::Elsewhere { directory } => {
                gap.get_or_insert_with(|| elsewhere(observed, pod, &directory));
            }
            Place::Unknown => {}
        }
    }
    if repair.is_some() || is_on_claim {
        note_repair(observed, repair.as_deref(), plan);
    }
    gap
}

/// As long as nothing says that the data is on a claim, the note stays: the repair may be made
/// while no pod runs.
fn note_repair(observed: &Observed, repair: Option<&str>, plan: &mut Plan) {
    let Some(workload) = observed.workload_found() else {
        return;
    };
    let metadata = &workload.metadata;
    // Whoever controls the workload compares its annotations, and takes the change back anyway.
    let mut owners = metadata.owner_references.iter().flatten();
    let is_controlled = owners.any(|owner| owner.controller == Some(true));
    let repair = repair.filter(|_| !is_controlled);
    if guard_wanted(observed)
        && guard::is_labelled(metadata)
        && observed.owns_workload()
        && metadata.deletion_timestamp.is_none()
        && guard::mount_repair(metadata) != repair
    {
        plan.steps.push(Step::NoteMountRepair(MountRepairStep {
            kind: workload.kind,
            metadata: Box::new(metadata.clone()),
            repair: repair.map(ToOwned::to_owned),
        }));
    }
}

fn place_of<'a>(judged: &'a Judged<'_>, pod: &PodFact, container: &RunningContainer) -> Place<'a> {
    let mut checks: Vec<&JudgedCheck<'_>> = judged
        .verdicts
        .values()
        .filter(|judged| is_of(judged.check, &pod.uid, &container.id))
        .collect();
    checks.sort_by_key(|judged| std::cmp::Reverse(order(judged.check)));
    let Some(target) = checks
        .first()
        .and_then(|newest| newest.check.spec.target.as_ref())
    else {
        return Place::Unknown;
    };
    let seen = checks.iter().find_map(|judged| judged.check.image());
    // An agent from before looked at no image; what is published of it is all there is.
    let declared = match seen {
        Some(image) => image.volumes.clone(),
        None => known_image_volumes(&container.image),
    };
    let told = checks
        .iter()
        .filter_map(|judged| judged.check.own_evidence())
        .map(|evidence| evidence.identity.data_directory.as_str())
        .find(|directory| !directory.is_empty());
    let configured = [
        Some(container.configured_directory.as_str()),
        seen.map(|image| image.data_directory.as_str()),
    ];
    let by_variable = configured
        .into_iter()
        .flatten()
        .find(|directory| !directory.is_empty());
    judge_place(target, &declared, told, by_variable)
}

/// `told` is what the server says of its data directory, `by_variable` what `PGDATA` does.
fn judge_place<'a>(
    target: &'a CheckTarget,
    declared: &[String],
    told: Option<&str>,
    by_variable: Option<&str>,
) -> Place<'a> {
    let mounts = Mounts {
        claims: &[],
        image: declared,
        other: &target.other_mounts,
    };
    let claims = Mounts {
        claims: &target.volumes,
        ..Mounts::default()
    };
    let all = Mounts {
        claims: &target.volumes,
        ..mounts
    };
    if let Some(directory) = told.or(by_variable) {
        let place = all.place_of(directory);
        return match (place, claims.claim_under(directory)) {
            (DataPlace::Claim(_), _) if told.is_some() => Place::OnClaim,
            (DataPlace::ImageVolume(volume), Some(claim)) => Place::InImageVolume {
                volume: volume.to_owned(),
                directory: directory.to_owned(),
                claim,
            },
            (DataPlace::Claim(_), _) => Place::Unknown,
            // What a variable says is not sure enough to say that no claim is there.
            _ if told.is_none() => Place::Unknown,
            _ => Place::Elsewhere {
                directory: directory.to_owned(),
            },
        };
    }
    // Nobody says where the data is, and the image keeps something below a claim.
    let below = declared.iter().find_map(|volume| {
        let claim = claims.claim_under(volume)?;
        let is_covered = lies_under(&claim.mount_path, volume);
        (!is_covered).then_some((volume, claim))
    });
    match below {
        Some((volume, claim)) => Place::InImageVolume {
            volume: volume.clone(),
            directory: String::new(),
            claim,
        },
        None => Place::Unknown,
    }
}

fn elsewhere(observed: &Observed, pod: &PodFact, directory: &str) -> Gap {
    Gap {
        reason: reasons::DATA_OFF_VOLUME,
        message: format!(
            "the data directory {directory} of pod {} is not on a PersistentVolumeClaim: nothing \
             guards it, and it may be lost with the pod. Back it up, then mount a claim there, or \
             set PGDATA to a directory on the claim that is mounted: kubectl -n {} describe pod {}",
            pod.name,
            observed.namespace_name(),
            pod.name
        ),
    }
}

fn in_image_volume(
    observed: &Observed,
    pod: &PodFact,
    container: &RunningContainer,
    volume: &str,
    directory: &str,
    claim: &MountedVolume,
) -> Gap {
    let (namespace, pod) = (observed.namespace_name(), &pod.name);
    let (image, above) = (&container.image, &claim.mount_path);
    let cause = format!(
        "image {image} declares VOLUME {volume}, so the container runtime mounts an empty \
         directory there, over PersistentVolumeClaim {} at {above}",
        claim.claim
    );
    let message = if directory.is_empty() {
        format!(
            "it is not known whether the data of pod {pod} is on a PersistentVolumeClaim: {cause}. \
             What is in it is lost with the next restart of the container. See where the data is: \
             kubectl -n {namespace} exec {pod} -c {} -- printenv PGDATA, and let the role see it: \
             kubectl holdfast grant-sql {} -n {namespace}",
            container.name,
            observed.name()
        )
    } else {
        format!(
            "the data directory {directory} of pod {pod} is not on a PersistentVolumeClaim: \
             {cause}. The data is lost with the next restart of the container: do not restart the \
             pod. Stop what writes to the database and copy the data onto the claim; then change \
             the mount of {above} to mountPath: {volume} with subPath: {}. The copy: {}. The \
             change, which restarts the pod: kubectl -n {namespace} edit {}",
            sub_path(observed, container, above),
            copy_command(namespace, pod, container, volume, directory, above),
            workload(observed)
        )
    };
    Gap {
        reason: reasons::DATA_IN_IMAGE_VOLUME,
        message,
    }
}

/// The directory below what of the claim is mounted now.
fn sub_path(observed: &Observed, container: &RunningContainer, above: &str) -> String {
    let of_template = |template: &ContainerFact| {
        let mut mounts = template.mounts.iter();
        let mount = mounts.find(|mount| mount.mount_path == above)?;
        mount.sub_path.clone()
    };
    let mut containers = observed.containers().iter();
    let present = containers
        .find(|template| template.name == container.name)
        .and_then(of_template);
    present.filter(|path| !path.is_empty()).map_or_else(
        || COPY_DIRECTORY.to_owned(),
        |path| format!("{path}/{COPY_DIRECTORY}"),
    )
}

/// `pg_basebackup` is consistent while the server runs; a copy by root belongs to the server's user
/// afterwards.
fn copy_command(
    namespace: &str,
    pod: &str,
    container: &RunningContainer,
    volume: &str,
    directory: &str,
    above: &str,
) -> String {
    let copied = format!("{}/{COPY_DIRECTORY}", above.trim_end_matches('/'));
    let rest = rest_below(directory, volume);
    let target = if rest.is_empty() {
        copied.clone()
    } else {
        format!("{copied}/{rest}")
    };
    format!(
        "kubectl -n {namespace} exec {pod} -c {} -- sh -c 'pg_basebackup -U \
         ${{POSTGRES_USER:-postgres}} -c fast -D {target} && chown -R $(stat -c %u:%g {directory}) \
         {copied}'",
        container.name
    )
}

fn workload(observed: &Observed) -> String {
    observed.workload_found().map_or_else(
        || format!("pods -l {}", observed.database.spec.workload.called()),
        |workload| {
            format!(
                "{} {}",
                workload.kind.to_string().to_lowercase(),
                workload.name()
            )
        },
    )
}
