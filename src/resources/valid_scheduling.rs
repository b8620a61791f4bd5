//! Tolerations, affinity and topology of agents that the API server would refuse in a pod. Each function
//! says what is wrong first. Pure.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{
    Affinity, NodeSelectorRequirement, NodeSelectorTerm, PodAffinityTerm, Toleration,
    TopologySpreadConstraint, WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::api::{is_label_key, is_label_value, is_namespace_name, is_object_name};

const EFFECTS: &[&str] = &["", "NoSchedule", "PreferNoSchedule", "NoExecute"];
const HONOURED: &[&str] = &["Honor", "Ignore"];

/// What is wrong with tolerations.
pub fn tolerations_wrong(tolerations: &[Toleration]) -> Option<String> {
    tolerations.iter().find_map(|toleration| {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let (key, value) = (text(&toleration.key), text(&toleration.value));
        let (operator, effect) = (text(&toleration.operator), text(&toleration.effect));
        let exists = operator == "Exists";
        if !exists && !["", "Equal"].contains(&operator.as_str()) {
            Some(format!("operator {operator:?}; write Equal or Exists"))
        } else if !EFFECTS.contains(&effect.as_str()) {
            Some(format!(
                "effect {effect:?}; write NoSchedule, PreferNoSchedule or NoExecute"
            ))
        } else if !key.is_empty() && !is_label_key(&key) {
            Some(format!("key {key:?} can't be the key of a taint"))
        } else if key.is_empty() && !exists {
            Some("without a key the operator must be Exists".to_owned())
        } else if exists && !value.is_empty() {
            Some(format!("{key}: with the operator Exists there is no value"))
        } else if !is_label_value(&value) {
            Some(format!("{key}: {value:?} can't be the value of a taint"))
        } else if toleration.toleration_seconds.is_some() && effect != "NoExecute" {
            Some(format!(
                "{key}: tolerationSeconds needs the effect NoExecute"
            ))
        } else {
            None
        }
    })
}

/// What is wrong with an affinity.
pub fn affinity_wrong(affinity: &Affinity) -> Option<String> {
    let nodes = affinity.node_affinity.iter().flat_map(|nodes| {
        let required = nodes
            .required_during_scheduling_ignored_during_execution
            .iter();
        let preferred = nodes
            .preferred_during_scheduling_ignored_during_execution
            .iter()
            .flatten();
        let required = required.flat_map(|all| {
            let none = all.node_selector_terms.is_empty();
            let none = none.then(|| "nodeAffinity: there are no nodeSelectorTerms".to_owned());
            none.into_iter()
                .chain(all.node_selector_terms.iter().filter_map(term_wrong))
        });
        let preferred = preferred
            .filter_map(|some| weight_wrong(some.weight).or_else(|| term_wrong(&some.preference)));
        required.chain(preferred).collect::<Vec<_>>()
    });
    let pods = affinity.pod_affinity.iter().flat_map(|pods| {
        weighted(
            pods.required_during_scheduling_ignored_during_execution
                .as_deref(),
            pods.preferred_during_scheduling_ignored_during_execution
                .as_deref(),
        )
    });
    let others = affinity.pod_anti_affinity.iter().flat_map(|pods| {
        weighted(
            pods.required_during_scheduling_ignored_during_execution
                .as_deref(),
            pods.preferred_during_scheduling_ignored_during_execution
                .as_deref(),
        )
    });
    let of_pods = pods.chain(others).filter_map(|(weight, term)| {
        weight
            .and_then(weight_wrong)
            .or_else(|| neighbours_wrong(term))
    });
    nodes.chain(of_pods).next()
}

/// The terms of a pod affinity or anti-affinity, those that are preferred with their weights.
fn weighted<'a>(
    required: Option<&'a [PodAffinityTerm]>,
    preferred: Option<&'a [WeightedPodAffinityTerm]>,
) -> impl Iterator<Item = (Option<i32>, &'a PodAffinityTerm)> {
    let preferred = preferred.into_iter().flatten();
    let preferred = preferred.map(|some| (Some(some.weight), &some.pod_affinity_term));
    let required = required.into_iter().flatten().map(|term| (None, term));
    required.chain(preferred)
}

fn weight_wrong(weight: i32) -> Option<String> {
    (!(1..=100).contains(&weight)).then(|| format!("weight {weight}; write 1 to 100"))
}

fn term_wrong(term: &NodeSelectorTerm) -> Option<String> {
    let labels = term.match_expressions.iter().flatten();
    let mut labels = labels.filter_map(|asked| {
        if is_label_key(&asked.key) {
            requirement_wrong(asked)
        } else {
            Some(format!("key {:?} can't be the key of a label", asked.key))
        }
    });
    let fields = term.match_fields.iter().flatten();
    let mut fields = fields.filter_map(|asked| {
        let values = asked.values.as_deref().unwrap_or_default();
        let is_one = asked.key == "metadata.name"
            && ["In", "NotIn"].contains(&asked.operator.as_str())
            && values.len() == 1
            && values.iter().all(|value| is_object_name(value));
        (!is_one).then(|| "matchFields: write metadata.name, In or NotIn, and one name".to_owned())
    });
    labels.next().or_else(|| fields.next())
}

fn requirement_wrong(asked: &NodeSelectorRequirement) -> Option<String> {
    let values = asked.values.as_deref().unwrap_or_default();
    let (key, operator) = (&asked.key, asked.operator.as_str());
    match operator {
        "In" | "NotIn" if values.is_empty() => Some(format!("{key}: {operator} needs values")),
        "In" | "NotIn" => values
            .iter()
            .find(|value| !is_label_value(value))
            .map(|value| format!("{key}: {value:?} can't be the value of a label")),
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            Some(format!("{key}: with {operator} there are no values"))
        }
        "Exists" | "DoesNotExist" => None,
        "Gt" | "Lt" => {
            let is_number = matches!(values, [one] if one.parse::<i64>().is_ok());
            (!is_number).then(|| format!("{key}: {operator} needs one whole number"))
        }
        other => Some(format!(
            "{key}: operator {other:?}; write In, NotIn, Exists, DoesNotExist, Gt or Lt"
        )),
    }
}

fn neighbours_wrong(term: &PodAffinityTerm) -> Option<String> {
    if !is_label_key(&term.topology_key) {
        return Some(format!(
            "topologyKey {:?} can't be the key of a label",
            term.topology_key
        ));
    }
    let namespaces = term.namespaces.iter().flatten();
    let mut namespaces = namespaces.filter(|name| !is_namespace_name(name));
    if let Some(name) = namespaces.next() {
        return Some(format!("{name:?} can't be the name of a namespace"));
    }
    let selectors = [&term.label_selector, &term.namespace_selector];
    let keys = [&term.match_label_keys, &term.mismatch_label_keys].map(Option::as_ref);
    let found = selectors.into_iter().flatten().find_map(selector_wrong);
    found
        .or_else(|| {
            keys_wrong(
                keys.into_iter().flatten().flatten(),
                term.label_selector.is_some(),
            )
        })
        .or_else(|| {
            let of = |keys: &Option<Vec<String>>| -> BTreeSet<String> {
                keys.iter().flatten().cloned().collect()
            };
            let both = of(&term.match_label_keys)
                .intersection(&of(&term.mismatch_label_keys))
                .next()
                .cloned();
            both.map(|key| format!("{key} is in both matchLabelKeys and mismatchLabelKeys"))
        })
}

fn selector_wrong(selector: &LabelSelector) -> Option<String> {
    let pairs = selector.match_labels.iter().flatten();
    let mut pairs = pairs.filter_map(|(key, value)| pair_wrong(key, value));
    let asked = selector.match_expressions.iter().flatten();
    let mut asked = asked.filter_map(|asked| {
        if !is_label_key(&asked.key) {
            return Some(format!("key {:?} can't be the key of a label", asked.key));
        }
        if ["Gt", "Lt"].contains(&asked.operator.as_str()) {
            return Some(format!("{}: pods are not compared by numbers", asked.key));
        }
        requirement_wrong(&NodeSelectorRequirement {
            key: asked.key.clone(),
            operator: asked.operator.clone(),
            values: asked.values.clone(),
        })
    });
    pairs.next().or_else(|| asked.next())
}

/// Keys of labels that the pod itself is compared by.
fn keys_wrong<'a>(
    mut keys: impl Iterator<Item = &'a String>,
    has_selector: bool,
) -> Option<String> {
    keys.find_map(|key| {
        if !is_label_key(key) {
            Some(format!("{key:?} can't be the key of a label"))
        } else if !has_selector {
            Some("matchLabelKeys and mismatchLabelKeys need a labelSelector".to_owned())
        } else {
            None
        }
    })
}

/// What is wrong with the pair of a label.
pub fn pair_wrong(key: &str, value: &str) -> Option<String> {
    if !is_label_key(key) {
        Some(format!("{key:?} can't be the key of a label"))
    } else if !is_label_value(value) {
        Some(format!("{key}: {value:?} can't be the value of a label"))
    } else {
        None
    }
}

/// What is wrong with how pods are spread.
pub fn spread_wrong(constraints: &[TopologySpreadConstraint]) -> Option<String> {
    let mut seen = BTreeSet::new();
    constraints.iter().find_map(|constraint| {
        let (key, unsatisfiable) = (&constraint.topology_key, &constraint.when_unsatisfiable);
        let policies = [
            &constraint.node_affinity_policy,
            &constraint.node_taints_policy,
        ];
        let mut policies = policies.into_iter().flatten();
        if constraint.max_skew < 1 {
            return Some(format!("maxSkew {}; write 1 or more", constraint.max_skew));
        }
        if !is_label_key(key) {
            return Some(format!("topologyKey {key:?} can't be the key of a label"));
        }
        if !["DoNotSchedule", "ScheduleAnyway"].contains(&unsatisfiable.as_str()) {
            return Some(format!(
                "whenUnsatisfiable {unsatisfiable:?}; write DoNotSchedule or ScheduleAnyway"
            ));
        }
        if !seen.insert((key, unsatisfiable)) {
            return Some(format!("{key} is there twice with {unsatisfiable}"));
        }
        if let Some(least) = constraint.min_domains
            && (least < 1 || unsatisfiable != "DoNotSchedule")
        {
            return Some(format!(
                "minDomains {least}; it is 1 or more, and needs DoNotSchedule"
            ));
        }
        if let Some(policy) = policies.find(|policy| !HONOURED.contains(&policy.as_str())) {
            return Some(format!("policy {policy:?}; write Honor or Ignore"));
        }
        let keys = constraint.match_label_keys.iter().flatten();
        constraint
            .label_selector
            .as_ref()
            .and_then(selector_wrong)
            .or_else(|| keys_wrong(keys, constraint.label_selector.is_some()))
    })
}
