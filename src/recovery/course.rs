//! From what was read to the steps that bring it back, and what stands in the way. Pure.

use serde_json::json;

use super::places::restore_place;
use super::{Situation, Step, WorkloadState};
use crate::guard;

/// What keeps a recovery from going on, and what a person can do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Obstacle(String);

impl Obstacle {
    /// An obstacle in the words that a person reads.
    pub(super) fn new(message: String) -> Self {
        Self(message)
    }
}

/// What is to be done, in order. After a [`Step::Await`] everything is read again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Course {
    /// The steps; none when everything is where it belongs.
    pub steps: Vec<Step>,
    /// What was found, a sentence each.
    pub findings: Vec<String>,
    /// What a person should know and the steps don't do.
    pub notes: Vec<String>,
}

/// Plans how to bring a database back.
///
/// # Errors
/// What stands in the way; then nothing is to be done.
pub fn plan(situation: &Situation) -> Result<Course, Obstacle> {
    let mut course = Course::default();
    bring_namespace(situation, &mut course);
    for place in &situation.places {
        restore_place(situation, place, &mut course)?;
    }
    mount_again(situation, &mut course)?;
    bring_database(situation, &mut course);
    scale_up(situation, &mut course);
    Ok(course)
}

fn bring_namespace(situation: &Situation, course: &mut Course) {
    let name = &situation.namespace_name;
    let remembered = situation
        .ledger
        .status
        .as_ref()
        .map(|status| status.namespace_manifest.clone())
        .filter(|manifest| !manifest.is_null());
    let create = || {
        let manifest = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        Step::CreateNamespace(remembered.unwrap_or(manifest))
    };
    match &situation.namespace {
        None => {
            course.findings.push(format!("Namespace {name}: gone"));
            course.steps.push(create());
        }
        Some(metadata) if metadata.deletion_timestamp.is_some() => {
            course.findings.push(format!(
                "Namespace {name}: Terminating; what is guarded in it is held"
            ));
            if guard::is_labelled(metadata) && !guard::deletion_confirmed(metadata) {
                course
                    .steps
                    .push(Step::ConfirmNamespace(Box::new(metadata.clone())));
            }
            course
                .steps
                .push(Step::FinalizeNamespace(Box::new(metadata.clone())));
            course.steps.push(create());
        }
        Some(_) => {}
    }
}

/// Lets the workload mount the claim again that the data was on at the last good check.
fn mount_again(situation: &Situation, course: &mut Course) -> Result<(), Obstacle> {
    let Some(workload) = &situation.workload else {
        return Ok(());
    };
    for wanted in situation.places.iter().map(|place| &place.wanted) {
        let Some(path) = wanted
            .mount_path
            .as_ref()
            .filter(|_| !workload.mounts_claim(&wanted.claim))
        else {
            continue;
        };
        let mounted = workload
            .mounts
            .iter()
            .find(|mount| &mount.mount_path == path)
            .map(|mount| mount.name.as_str());
        let found = workload
            .volumes
            .iter()
            .enumerate()
            .find(|(_, volume)| Some(volume.name.as_str()) == mounted);
        if let Some((index, volume)) = found {
            let instead = volume
                .persistent_volume_claim
                .as_ref()
                .map_or("no claim", |source| source.claim_name.as_str());
            course.findings.push(format!(
                "{} {}: mounts {instead} at {path} in place of claim {}",
                workload.kind,
                workload.name(),
                wanted.claim
            ));
            course.notes.push(format!(
                "if {} {} comes from Git or a chart, name claim {} there too, or the next sync \
                 takes it away again",
                workload.kind,
                workload.name(),
                wanted.claim
            ));
            // A pod that never became ready would hold a rolling update up, so all of them stop
            // first.
            if !situation.workload_pods.is_empty() {
                scale_down(situation, workload, course)?;
                course.steps.push(Step::Await(format!(
                    "the pods of {} to stop: {}",
                    workload.name(),
                    situation.workload_pods.join(", ")
                )));
            }
            course.steps.push(Step::Remount {
                kind: workload.kind,
                metadata: Box::new(workload.metadata.clone()),
                index,
                volume: Box::new(volume.clone()),
                claim: wanted.claim.clone(),
            });
        } else {
            course.notes.push(format!(
                "{} {} does not mount claim {} at {path}, and its template has no volume there \
                 that could be changed: apply it as it was before",
                workload.kind,
                workload.name(),
                wanted.claim
            ));
        }
    }
    Ok(())
}

fn bring_database(situation: &Situation, course: &mut Course) {
    let name = &situation.name;
    let remembered = situation
        .ledger
        .status
        .as_ref()
        .map(|status| &status.database_manifest)
        .filter(|manifest| !manifest.is_null());
    let create = |course: &mut Course| match remembered {
        Some(manifest) => course.steps.push(Step::CreateDatabase(guard::with_marks(
            manifest.clone(),
            &situation.owner(),
        ))),
        None => course.notes.push(format!(
            "the ledger does not remember ProtectedDatabase {name}: apply it again, so that the \
             data is checked and backed up"
        )),
    };
    match situation
        .database
        .as_ref()
        .map(|database| &database.metadata)
    {
        None => {
            course
                .findings
                .push(format!("ProtectedDatabase {name}: gone"));
            create(course);
        }
        Some(metadata) if metadata.deletion_timestamp.is_some() => {
            course
                .findings
                .push(format!("ProtectedDatabase {name}: Terminating"));
            if !guard::deletion_confirmed(metadata) {
                course
                    .steps
                    .push(Step::ConfirmDatabase(Box::new(metadata.clone())));
            }
            if guard::is_held(metadata) {
                course
                    .steps
                    .push(Step::LetDatabaseGo(Box::new(metadata.clone())));
            }
            course
                .steps
                .push(Step::Await(format!("ProtectedDatabase {name} to go")));
            create(course);
        }
        Some(_) => {}
    }
}

fn scale_up(situation: &Situation, course: &mut Course) {
    let Some(workload) = &situation.workload else {
        course.notes.push(
            "the workload is not there: apply it again from where you keep it; its claims wait for \
            it"
                .to_owned(),
        );
        return;
    };
    let scales_down = course.steps.iter().find_map(|step| match step {
        Step::ScaleDown { replicas, .. } => Some(*replicas),
        _ => None,
    });
    if let Some(replicas) = scales_down.or(workload.replicas_before()) {
        course.steps.push(Step::ScaleUp {
            kind: workload.kind,
            metadata: Box::new(workload.metadata.clone()),
            replicas,
        });
    } else if workload.replicas == 0 {
        let (kind, name) = (workload.kind.to_string().to_lowercase(), workload.name());
        course.notes.push(format!(
            "{} {name} is scaled to 0: kubectl -n {} scale {kind} {name} --replicas=1",
            workload.kind, situation.namespace_name
        ));
    }
}

/// Plans to stop the pods of the workload, once.
pub(super) fn scale_down(
    situation: &Situation,
    workload: &WorkloadState,
    course: &mut Course,
) -> Result<(), Obstacle> {
    if workload.deletes_claims_when_scaled {
        return Err(Obstacle::new(format!(
            "StatefulSet {workload} deletes its claims when it is scaled down, and its pods must \
             stop. Set that to Retain first: kubectl -n {} patch statefulset {workload} \
             --type=merge -p \
             '{{\"spec\":{{\"persistentVolumeClaimRetentionPolicy\":{{\"whenScaled\":\"Retain\"}}}}}}'",
            situation.namespace_name,
            workload = workload.name()
        )));
    }
    if workload.replicas > 0
        && !course
            .steps
            .iter()
            .any(|step| matches!(step, Step::ScaleDown { .. }))
    {
        let metadata = Box::new(workload.metadata.clone());
        course.steps.push(Step::ScaleDown {
            kind: workload.kind,
            metadata,
            replicas: workload.replicas,
        });
    }
    Ok(())
}
