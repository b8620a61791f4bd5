//! The report about one Postgres: what protects it, and what endangers its data. Pure.

use serde::Serialize;

use super::{BackupCover, ClaimFound, Cover, PostgresTemplate, PostgresWorkload, judge_servers};
use crate::guard::RETAIN;
use crate::wording::escaped;

/// The report about one Postgres.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PostgresReport {
    pub namespace: String,
    /// StatefulSet or Deployment, or what else controls the pods.
    pub kind: String,
    pub name: String,
    /// What its pod template says.
    pub template: PostgresTemplate,
    pub claims: Vec<ClaimFound>,
    /// The ProtectedDatabase that covers it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protected_by: Option<String>,
    /// What you should change, and how.
    pub findings: Vec<String>,
    /// What would be better still.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suggestions: Vec<String>,
    /// What could not be found out.
    pub not_known: Vec<String>,
    /// What would protect it, if nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
}

/// Judges a workload.
pub fn judge(workload: PostgresWorkload, cover: Option<&Cover>) -> PostgresReport {
    let manifest = cover.is_none().then(|| super::build_manifest(&workload));
    let mut findings = Vec::new();
    judge_cover(&workload.namespace, cover, &mut findings);
    let kind = workload.kind.to_string().to_lowercase();
    let exec = format!("{kind}/{}", workload.name);
    let place = (workload.namespace.as_str(), exec.as_str());
    judge_data(place, &workload.template, &mut findings);
    judge_volumes(&workload.claims, &mut findings);
    judge_retention(&workload, &mut findings);
    findings.extend(judge_servers(&workload));
    let mut not_known: Vec<String> = workload
        .claims
        .iter()
        .filter_map(|claim| claim.unknown.clone())
        .collect();
    if workload.template.data.is_empty() {
        not_known.push(
            "which directory holds the data: no PGDATA in the template, and the image is not known"
                .to_owned(),
        );
    }
    PostgresReport {
        namespace: workload.namespace,
        kind: workload.kind.to_string(),
        name: workload.name,
        template: workload.template,
        claims: workload.claims,
        protected_by: cover.map(|cover| format!("{}/{}", cover.namespace, cover.name)),
        findings,
        suggestions: suggest_drills(cover).into_iter().collect(),
        not_known,
        manifest,
    }
}

/// What its ProtectedDatabase says, or that it has none.
pub(super) fn judge_cover(namespace: &str, cover: Option<&Cover>, findings: &mut Vec<String>) {
    let Some(cover) = cover else {
        findings.push(
            "no ProtectedDatabase covers it: nothing refuses its deletion, and nothing reports \
            when its data is gone"
                .to_owned(),
        );
        return;
    };
    let name = &cover.name;
    if !cover.denies_deletion {
        findings.push(format!(
            "ProtectedDatabase {name} has spec.guard.deletion Off: nothing refuses the deletion of \
             its data; remove that with `kubectl -n {namespace} edit protdb {name}`"
        ));
    }
    if let Some(message) = &cover.guard_says {
        findings.push(message.clone());
    }
    match cover.backup {
        BackupCover::NotAskedFor => findings.push(format!(
            "ProtectedDatabase {name} has no spec.backup: if the volume is lost, the data is lost; \
             add it with `kubectl -n {namespace} edit protdb {name}`, and see `kubectl explain \
             protdb.spec.backup`"
        )),
        BackupCover::None => findings.push(format!(
            "ProtectedDatabase {name} has no good backup yet; see why with `kubectl holdfast status \
             {name} -n {namespace}`"
        )),
        BackupCover::Taken => {}
    }
    for obstacle in &cover.restore_obstacles {
        findings.push(format!(
            "there are backups of ProtectedDatabase {name}, and a restore of them is refused: {}. They can be \
             fetched, and restored by hand: `holdfast backup fetch --help`",
            escaped(obstacle)
        ));
    }
    if !cover.ready {
        findings.push(format!(
            "ProtectedDatabase {name} is not Ready; see why with `kubectl holdfast status {name} \
            -n {namespace}`"
        ));
    }
}

/// A schedule of drills where there are backups and none.
pub(super) fn suggest_drills(cover: Option<&Cover>) -> Option<String> {
    let cover = cover.filter(|cover| cover.backup == BackupCover::Taken && !cover.drills)?;
    Some(format!(
        "there are backups of ProtectedDatabase {name}, and no schedule of drills, which restore one into a \
         throwaway server to prove that it can be restored. Every Sunday: kubectl -n {namespace} patch protdb \
         {name} --type=merge -p '{{\"spec\":{{\"drill\":{{\"schedule\":\"0 5 * * 0\"}}}}}}'. Just one, now: \
         kubectl holdfast drill {name} -n {namespace}",
        name = cover.name,
        namespace = cover.namespace
    ))
}

/// Whether the data is on a claim. `place` is the namespace, and what `kubectl exec` takes.
pub(super) fn judge_data(
    place: (&str, &str),
    template: &PostgresTemplate,
    findings: &mut Vec<String>,
) {
    let data = &template.data;
    let off: Vec<String> = data
        .iter()
        .filter(|place| !place.on_claim)
        .map(|place| format!("{} is on {}", place.directory, place.on))
        .collect();
    if off.is_empty() {
        return;
    }
    let right_path = data.iter().find_map(|place| place.right_path.as_ref());
    let remedy = match right_path {
        Some(path) => format!(
            "copy the data onto the claim, then mount it at {path}; the status of a \
             ProtectedDatabase has both commands; until then do not restart the pod"
        ),
        None => "mount a claim there, or set PGDATA to a directory on one, and move the data \
            before the next restart"
            .to_owned(),
    };
    if off.len() == data.len() {
        findings.push(format!(
            "the data directory is on no claim: {}; {remedy}",
            off.join(", or ")
        ));
    } else {
        findings.push(format!(
            "the data directory may be on no claim: image {} does not say its version, and {}; \
             see where it is with `kubectl -n {} exec {} -c {} -- printenv PGDATA`, and name \
             the version in the image's tag",
            template.image,
            off.join(", or "),
            place.0,
            place.1,
            template.container
        ));
    }
}

/// Volumes that would be deleted with their claim.
pub(super) fn judge_volumes(claims: &[ClaimFound], findings: &mut Vec<String>) {
    for claim in claims {
        let policy = claim.reclaim_policy.as_deref();
        // Recycle deletes the files too.
        if let (Some(volume), Some(policy)) =
            (&claim.volume, policy.filter(|policy| *policy != RETAIN))
        {
            findings.push(format!(
                "volume {volume} of claim {} has reclaim policy {policy}: its files are deleted \
                 with the claim; a ProtectedDatabase sets it to Retain, or do it yourself: kubectl \
                 patch pv {volume} -p \
                 '{{\"spec\":{{\"persistentVolumeReclaimPolicy\":\"Retain\"}}}}'",
                claim.name
            ));
        }
    }
}

fn judge_retention(workload: &PostgresWorkload, findings: &mut Vec<String>) {
    for when in &workload.claims_deleted_when {
        let moment = if *when == "whenScaled" {
            "scaled down"
        } else {
            "deleted"
        };
        findings.push(format!(
            "persistentVolumeClaimRetentionPolicy.{when} is Delete: its claims are deleted when \
             the StatefulSet is {moment}; keep them: kubectl -n {} patch statefulset {} -p \
             '{{\"spec\":{{\"persistentVolumeClaimRetentionPolicy\":{{\"{when}\":\"Retain\"}}}}}}'",
            workload.namespace, workload.name
        ));
    }
}

#[cfg(test)]
#[path = "findings_tests.rs"]
mod tests;
