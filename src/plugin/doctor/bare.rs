//! Postgres pods that no StatefulSet or Deployment runs: those of another operator, of a DaemonSet, or
//! of nobody. Grouped by what controls them.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Pod, PodSpec};
use kube::ResourceExt as _;
use serde_json::{Value, json};

use super::findings::{judge_cover, judge_data, judge_volumes, suggest_drills};
use super::suggestion::build_manifest_of;
use super::volumes::fetch_claims;
use super::{
    ClaimFound, Cover, EnvSources, NotJudged, PostgresReport, PostgresTemplate, VolumesSeen,
    find_cover_of_pods, recognise_postgres,
};
use crate::plugin::connect::Cluster;
use crate::resources;
use crate::world::OwnerName;

/// The most labels of a selector.
const LABEL_LIMIT: usize = 8;
/// Values of a label that say that a pod is the primary.
const PRIMARY_WORDS: &[&str] = &["primary", "master", "leader"];
/// Values of a label that say that it is not.
const REPLICA_WORDS: &[&str] = &["replica", "standby", "secondary", "follower", "slave"];
/// Labels that differ from pod to pod, or from version to version.
const OF_A_POD: &[&str] = &[
    "pod-template-hash",
    "rollouts-pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "cnpg.io/instanceName",
];

/// What controls the pods of one rollout only: the next one has another name.
const OF_A_ROLLOUT: &[&str] = &["ReplicationController", "ReplicaSet"];

/// Pods that no listed workload controls. Of all others nothing but the names of workloads is kept.
#[derive(Debug, Default)]
pub struct PodsSeen {
    /// Names of StatefulSets and Deployments: namespace and name.
    workloads: BTreeSet<(String, String)>,
    pods: Vec<Pod>,
}

/// Pods of one owner that run a Postgres.
#[derive(Clone, Debug, PartialEq)]
struct Group {
    namespace: String,
    kind: String,
    name: String,
    template: PostgresTemplate,
    unread: Vec<String>,
    claims: Vec<String>,
    /// Name and labels of each pod.
    pods: Vec<(String, BTreeMap<String, String>)>,
}

impl PodsSeen {
    /// Remembers a workload, whatever it runs: what it controls is not bare.
    pub fn keep_workload(&mut self, namespace: Option<String>, name: String) {
        self.workloads.insert((namespace.unwrap_or_default(), name));
    }

    /// Keeps a pod that may run a server and that nothing of what was listed controls. The pods of Jobs
    /// end.
    pub fn keep_pod(&mut self, pod: &Pod) {
        let phase = pod
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref());
        let has_ended = matches!(phase, Some("Succeeded" | "Failed"));
        let mut owners = pod.owner_references().iter();
        let is_of_job = owners.any(|owner| owner.controller == Some(true) && owner.kind == "Job");
        let namespace = pod.namespace().unwrap_or_default();
        let workload = resources::workload_of(&pod.metadata);
        let is_listed =
            workload.is_some_and(|name| self.workloads.contains(&(namespace, name.to_owned())));
        if !has_ended && !is_of_job && !is_listed {
            let mut pod = pod.clone();
            pod.metadata.managed_fields = None;
            pod.status = None;
            self.pods.push(pod);
        }
    }
}

/// Reports on the Postgres pods that no StatefulSet or Deployment runs.
pub async fn fetch_bare_reports(
    cluster: &Cluster,
    (seen, volumes): (&PodsSeen, &VolumesSeen),
    sources: &mut EnvSources,
    covers: &[Cover],
    not_judged: &mut NotJudged,
) -> Vec<PostgresReport> {
    let mut groups: Vec<Group> = Vec::new();
    for pod in &seen.pods {
        let Some(spec) = &pod.spec else { continue };
        let namespace = pod.namespace().unwrap_or_default();
        let (spec, unread) = sources.fill_in(cluster, &namespace, spec).await;
        add_pod(&mut groups, pod, &spec, unread, not_judged);
    }
    let mut reports = Vec::with_capacity(groups.len());
    for group in groups {
        let namespace = group.namespace.clone();
        let claims = fetch_claims(cluster, &namespace, &group.claims).await;
        let whole = |_: &str| vec![String::new()];
        let twins = volumes.judge(cluster, &namespace, &claims, whole).await;
        let mut report = judge(group, claims, covers);
        report.findings.extend(twins.findings);
        report.not_known.extend(twins.not_known);
        reports.push(report);
    }
    reports
}

fn add_pod(
    groups: &mut Vec<Group>,
    pod: &Pod,
    spec: &PodSpec,
    unread: Vec<String>,
    not_judged: &mut NotJudged,
) {
    let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
    let Some(template) = recognise_postgres(spec, &[]) else {
        not_judged.keep((&namespace, name), spec, &[], unread);
        return;
    };
    let mut owners = pod.owner_references().iter();
    let owner = owners.find(|owner| owner.controller == Some(true));
    let owner = owner.and_then(OwnerName::of);
    let (kind, owner) = owner.map_or_else(
        || ("Pod".to_owned(), name.clone()),
        |owner| (owner.kind, owner.name),
    );
    let volumes = spec.volumes.iter().flatten();
    let claims = volumes.filter_map(|volume| volume.persistent_volume_claim.as_ref());
    let claims: Vec<String> = claims.map(|claim| claim.claim_name.clone()).collect();
    let is_same = |group: &&mut Group| {
        (&group.namespace, &group.kind, &group.name) == (&namespace, &kind, &owner)
    };
    let labels = pod.labels().clone();
    if let Some(group) = groups.iter_mut().find(is_same) {
        group.claims.extend(claims);
        group.pods.push((name, labels));
        return;
    }
    groups.push(Group {
        namespace,
        kind,
        name: owner,
        template,
        unread,
        claims,
        pods: vec![(name, labels)],
    });
}

fn judge(group: Group, claims: Vec<ClaimFound>, covers: &[Cover]) -> PostgresReport {
    let mut pods = group.pods.iter();
    let cover = pods.find_map(|(_, labels)| find_cover_of_pods(covers, &group.namespace, labels));
    let mut findings = Vec::new();
    judge_cover(&group.namespace, cover, &mut findings);
    let exec = group.pods.first().map(|(name, _)| name.clone());
    let exec = exec.unwrap_or_default();
    let place = (group.namespace.as_str(), exec.as_str());
    judge_data(place, &group.template, &mut findings);
    judge_volumes(&claims, &mut findings);
    let mut not_known: Vec<String> = claims
        .iter()
        .filter_map(|claim| claim.unknown.clone())
        .chain(group.unread.iter().cloned())
        .collect();
    if group.template.data.is_empty() {
        not_known.push(
            "which directory holds the data: no PGDATA in the pod, and the image is not known"
                .to_owned(),
        );
    }
    let (workload, comments) = select(&group);
    let manifest = cover.is_none().then(|| {
        let runs = (group.kind.as_str(), group.name.as_str());
        build_manifest_of(
            &group.namespace,
            runs,
            (&workload, comments),
            &group.template,
        )
    });
    PostgresReport {
        namespace: group.namespace,
        kind: group.kind,
        name: group.name,
        template: group.template,
        claims,
        protected_by: cover.map(|cover| format!("{}/{}", cover.namespace, cover.name)),
        findings,
        suggestions: suggest_drills(cover).into_iter().collect(),
        not_known,
        manifest,
    }
}

/// `spec.workload` for a group, and what has to be said about it.
fn select(group: &Group) -> (Value, Vec<String>) {
    let Some((_, first)) = group.pods.first() else {
        return (Value::Null, Vec::new());
    };
    let is_common = |key: &str, value: &str| {
        let mut others = group.pods.iter();
        others.all(|(_, labels)| labels.get(key).map(String::as_str) == Some(value))
    };
    let is_role = |value: &str| PRIMARY_WORDS.contains(&value) || REPLICA_WORDS.contains(&value);
    let is_stable = |key: &str, value: &str| {
        let is_stable = !OF_A_POD.contains(&key) && !is_of_rollout(group, key, value, first);
        is_common(key, value) && !is_role(value) && is_stable
    };
    // One label of the operator says more than those that a chart gives to everything.
    let cluster = first.iter().find(|(key, value)| {
        let key = key.as_str();
        let names_cluster = [
            "cnpg.io/cluster",
            "stackgres.io/cluster-name",
            "cluster-name",
        ];
        (names_cluster.contains(&key) || key.ends_with("crunchydata.com/cluster"))
            && is_stable(key, value)
    });
    let labels: BTreeMap<&String, &String> = match cluster {
        Some((key, value)) => [(key, value)].into(),
        None => first
            .iter()
            .filter(|(key, value)| is_stable(key, value))
            .take(LABEL_LIMIT)
            .collect(),
    };
    let mut comments = vec![
        "Holdfast stops and starts no pods that another operator runs: see docs/bare-pods.md."
            .to_owned(),
    ];
    let mut workload = json!({"selector": {"matchLabels": labels}});
    if labels.is_empty() {
        comments.push(format!(
            "The pods have no label in common. Give them one, and write it into \
             spec.workload.selector: kubectl -n {} label pod {} database={}",
            group.namespace,
            group
                .pods
                .iter()
                .map(|(name, _)| name.as_str())
                .collect::<Vec<_>>()
                .join(" "),
            group.name
        ));
        workload["selector"]["matchLabels"] = json!({"database": group.name});
    }
    let mut roles = group.pods.iter().flat_map(|(_, labels)| labels);
    let role = roles.find(|(_, value)| PRIMARY_WORDS.contains(&value.as_str()));
    match role {
        Some((key, value)) => {
            workload["primary"] = json!({"matchLabels": {key.as_str(): value}});
        }
        None if group.pods.len() > 1 => comments.push(
            "No label says which pod is the primary; if one does, write it into \
             spec.workload.primary."
                .to_owned(),
        ),
        None => {}
    }
    workload["container"] = group.template.container.as_str().into();
    (workload, comments)
}

/// Whether a label has the name of one rollout, as `deployment: db-2` of a `DeploymentConfig` beside
/// `deploymentconfig: db`: after the next one it selects no pod.
fn is_of_rollout(group: &Group, key: &str, value: &str, labels: &BTreeMap<String, String>) -> bool {
    if key == "deployment" && labels.contains_key("deploymentconfig") {
        return true;
    }
    let is_revision = |end: &str| {
        let is_number = end.bytes().all(|byte| byte.is_ascii_digit());
        let mut hashes = labels
            .iter()
            .filter(|(key, _)| OF_A_POD.contains(&key.as_str()));
        !end.is_empty() && (is_number || hashes.any(|(_, hash)| hash == end))
    };
    let mut others = labels.values();
    OF_A_ROLLOUT.contains(&group.kind.as_str())
        && value == group.name
        && others.any(|other| {
            let end = value.strip_prefix(other.as_str());
            end.and_then(|end| end.strip_prefix('-'))
                .is_some_and(is_revision)
        })
}

#[cfg(test)]
#[path = "bare_tests.rs"]
mod tests;
