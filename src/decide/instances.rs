//! Other instances of the cluster that the protected pods are of: one follows the other, all have the
//! same data, and none of them must be stopped. Pure.

use super::gap::Gap;
use super::pods::describe_pod;
use crate::api::{PodLabels, reasons};
use crate::world::{
    LabelledRole, NeighbourFact, Observed, PodFact, labelled_role, primary_label, same_cluster,
};

/// Whether a gap ends with what others run. That is not watched.
pub fn is_about_others(reason: &str) -> bool {
    [
        reasons::CLAIM_MOUNTED_TWICE,
        reasons::OTHER_SERVER_SELECTED,
        reasons::SECOND_SERVER,
        reasons::PRIMARY_NOT_NAMED,
    ]
    .contains(&reason)
}

/// The ProtectedDatabase that protects a pod, if another one does.
pub fn protector<'a>(observed: &'a Observed, pod: &PodFact) -> Option<&'a NeighbourFact> {
    let mut neighbours = observed.neighbours.known()?.iter();
    neighbours.find(|neighbour| {
        let selector = neighbour.selector.as_ref();
        let controller = pod.controller.as_ref();
        selector.is_some_and(|selector| selector.select(&pod.labels))
            || controller.is_some_and(|controller| controller.name == neighbour.workload)
    })
}

/// Whether a pod is an instance of the cluster that the protected pods are of: its labels say so, or the
/// system identifier that the checks of its own ProtectedDatabase have seen.
pub fn is_instance(observed: &Observed, pod: &PodFact) -> bool {
    let status = observed.database.status.as_ref();
    let own = status.and_then(|status| status.baseline.as_ref());
    let own = own.map(|baseline| baseline.system_identifier.as_str());
    let theirs =
        protector(observed, pod).and_then(|neighbour| neighbour.system_identifier.as_deref());
    own.is_some() && own == theirs || cluster_label(observed, pod).is_some()
}

/// The label that a pod has in common with the protected ones, as the same cluster's instances have.
fn cluster_label<'a>(observed: &Observed, pod: &'a PodFact) -> Option<(&'a str, &'a str)> {
    let ours = observed.pods.known().into_iter().flatten();
    let of_pods = ours.map(|pod| &pod.labels);
    let workload = observed.workload_found();
    let of_template = workload.map(|workload| &workload.template_labels);
    let of_selector = observed
        .pods_found()
        .map(|found| &found.selector.match_labels);
    let mut all = of_pods.chain(of_template).chain(of_selector);
    all.find_map(|labels| same_cluster(labels, &pod.labels))
}

/// Says that the primary of the cluster is a pod that the spec does not name: each instance of some
/// operators has a StatefulSet of its own.
pub fn unnamed_primary(observed: &Observed) -> Option<Gap> {
    let others = observed.other_pods.known()?.iter();
    let mut primaries = others.filter(|pod| {
        labelled_role(&pod.labels) == Some(LabelledRole::Primary)
            && pod.server.is_some()
            && !pod.ended
            && !pod.terminating
            && protector(observed, pod).is_none()
    });
    let (pod, (key, value)) =
        primaries.find_map(|pod| Some((pod, cluster_label(observed, pod)?)))?;
    let of_one = |key: &str, value: &str| {
        let labels = PodLabels {
            match_labels: [(key.to_owned(), value.to_owned())].into(),
        };
        labels
            .query()
            .map(|_| format!("{{matchLabels: {{{key}: {value}}}}}"))
    };
    let selector = of_one(key, value)?;
    let (role, primary) = primary_label(&pod.labels)?;
    let primary = of_one(role, primary)?;
    let (namespace, name) = (observed.namespace_name(), observed.name());
    Some(Gap {
        reason: reasons::PRIMARY_NOT_NAMED,
        message: format!(
            "{} is the primary of the same cluster, and spec.workload does not name it: what clients \
             write there is not checked or backed up, and its claims are not guarded. Do not stop it. \
             Let spec.workload select all instances, with selector: {selector} and primary: {primary} \
             instead of a name: kubectl -n {namespace} edit protdb {name}",
            describe_pod(pod)
        ),
    })
}
