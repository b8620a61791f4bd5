//! What can't be asked of agents' pods, as the definition's schema refuses it too: this is for the
//! defaults of an installation, and for objects from before the schema did. Pure.

use std::collections::BTreeMap;

use super::spec_error::SpecError;
use super::valid_amounts::amounts_wrong;
use super::valid_scheduling::{affinity_wrong, pair_wrong, spread_wrong, tolerations_wrong};
use crate::api::{
    AgentSecurityContext, AgentVariable, Agents, RESERVED_KEYS, RESERVED_VARIABLES, is_label_key,
    is_object_name, names::MANAGED_BY_LABEL,
};

/// What Pod Security `restricted` allows for seccomp and AppArmor.
const PROFILES: &[&str] = &["RuntimeDefault", "Localhost"];
/// And as a type of SELinux.
const SELINUX_TYPES: &[&str] = &[
    "container_t",
    "container_init_t",
    "container_kvm_t",
    "container_engine_t",
];

/// Every field that can't be used, by its name below `parent`.
#[must_use]
pub fn agent_errors(parent: &str, agents: &Agents) -> Vec<SpecError> {
    let mut errors = Vec::new();
    let mut refuse = |field: &str, wrong: Option<String>| {
        errors.extend(wrong.map(|message| SpecError {
            field: format!("{parent}.{field}"),
            message,
        }));
    };
    refuse(
        "resources",
        agents.resources.as_ref().and_then(amounts_wrong),
    );
    refuse("labels", agents.labels.as_ref().and_then(labels_wrong));
    let annotations = agents.annotations.as_ref();
    refuse("annotations", annotations.and_then(annotations_wrong));
    refuse("env", agents.env.iter().flatten().find_map(variable_wrong));
    refuse(
        "nodeSelector",
        agents.node_selector.as_ref().and_then(nodes_wrong),
    );
    let tolerations = agents.tolerations.as_deref();
    refuse("tolerations", tolerations.and_then(tolerations_wrong));
    refuse(
        "affinity",
        agents.affinity.as_ref().and_then(affinity_wrong),
    );
    let spread = agents.topology_spread_constraints.as_deref();
    refuse("topologySpreadConstraints", spread.and_then(spread_wrong));
    for (field, name) in [
        ("priorityClassName", &agents.priority_class_name),
        ("runtimeClassName", &agents.runtime_class_name),
    ] {
        let name = name.as_ref().filter(|name| !name.is_empty());
        refuse(field, name.and_then(|name| name_wrong(name)));
    }
    let secrets = agents.image_pull_secrets.iter().flatten();
    let mut secrets = secrets.filter_map(|secret| name_wrong(&secret.name));
    refuse("imagePullSecrets", secrets.next());
    if let Some(context) = &agents.security_context {
        let has_ids = context.run_as_user.is_some()
            || context.run_as_group.is_some()
            || context.fs_group.is_some();
        let is_both = agents.assigned_user == Some(true) && has_ids;
        refuse("assignedUser", is_both.then(|| ASSIGNED.to_owned()));
        let wrong = weakens(context).then(|| WEAKENED.to_owned());
        refuse("securityContext", wrong.or_else(|| profile_wrong(context)));
    }
    errors
}

const ASSIGNED: &str =
    "it leaves user and groups to the cluster; remove runAsUser, runAsGroup and fsGroup";
const WEAKENED: &str =
    "an agent has no more than Pod Security restricted allows; remove what is more";
/// How many bytes all annotations of an object have at most, of which Holdfast needs some itself.
const ANNOTATION_BYTES: usize = 240 * 1024;

fn reserved(key: &str) -> Option<String> {
    let is_reserved = RESERVED_KEYS.iter().any(|prefix| key.starts_with(prefix));
    is_reserved.then(|| format!("{key} is set by Holdfast or by Kubernetes; use another"))
}

fn labels_wrong(labels: &BTreeMap<String, String>) -> Option<String> {
    labels.iter().find_map(|(key, value)| {
        let own =
            (key == MANAGED_BY_LABEL).then(|| format!("{key} is set by Holdfast; use another"));
        own.or_else(|| reserved(key))
            .or_else(|| pair_wrong(key, value))
    })
}

fn annotations_wrong(annotations: &BTreeMap<String, String>) -> Option<String> {
    let bytes: usize = annotations
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    let too_long = (bytes > ANNOTATION_BYTES)
        .then(|| format!("they have {bytes} bytes, more than an object can carry"));
    let mut keys = annotations.keys();
    keys.find_map(|key| {
        let lower = key.to_ascii_lowercase();
        let malformed = !is_label_key(&lower);
        reserved(key)
            .or_else(|| malformed.then(|| format!("{key:?} can't be the key of an annotation")))
    })
    .or(too_long)
}

fn variable_wrong(variable: &AgentVariable) -> Option<String> {
    let name = &variable.name;
    let is_reserved = RESERVED_VARIABLES
        .iter()
        .any(|prefix| name.starts_with(prefix))
        || name == "PATH";
    let is_name = !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_reserved {
        Some(format!("{name} is used by the agent itself; use another"))
    } else if !is_name {
        Some(format!(
            "{name:?} can't be the name of a variable: letters, digits and underscores"
        ))
    } else if variable.value.contains('\0') {
        Some(format!("{name}: no variable can hold a NUL character"))
    } else {
        None
    }
}

fn nodes_wrong(labels: &BTreeMap<String, String>) -> Option<String> {
    let system = labels.get("kubernetes.io/os");
    if system.is_some_and(|system| system != "linux") {
        return Some("agents run on Linux; remove kubernetes.io/os".to_owned());
    }
    let mut labels = labels.iter();
    labels.find_map(|(key, value)| pair_wrong(key, value))
}

fn name_wrong(name: &str) -> Option<String> {
    (!is_object_name(name)).then(|| format!("{name:?} can't be the name of an object"))
}

/// Whether a profile names a file exactly where it is one of the node, inside of its directory.
fn profile_wrong(context: &AgentSecurityContext) -> Option<String> {
    let wrong = |field: &str, type_: &str, file: Option<&String>| {
        let is_file = |file: &String| {
            !file.is_empty() && !file.starts_with('/') && !file.split('/').any(|part| part == "..")
        };
        let fits = match type_ {
            "Localhost" => file.is_some_and(is_file),
            _ => file.is_none_or(String::is_empty),
        };
        (!fits).then(|| {
            format!(
                "{field}: localhostProfile is a path of the node with Localhost, and not there else"
            )
        })
    };
    let seccomp = context.seccomp_profile.as_ref();
    let app_armor = context.app_armor_profile.as_ref();
    let seccomp = seccomp.and_then(|profile| {
        wrong(
            "seccompProfile",
            &profile.type_,
            profile.localhost_profile.as_ref(),
        )
    });
    seccomp.or_else(|| {
        app_armor.and_then(|profile| {
            wrong(
                "appArmorProfile",
                &profile.type_,
                profile.localhost_profile.as_ref(),
            )
        })
    })
}

/// Whether it is more than Pod Security `restricted` allows.
fn weakens(context: &AgentSecurityContext) -> bool {
    let ids = [context.run_as_user, context.run_as_group, context.fs_group];
    let mut ids = ids
        .into_iter()
        .flatten()
        .chain(context.supplemental_groups.iter().flatten().copied());
    let adds = context.capabilities.iter().flat_map(|all| &all.add);
    let seccomp = context.seccomp_profile.as_ref().map(|all| &all.type_);
    let app_armor = context.app_armor_profile.as_ref().map(|all| &all.type_);
    let mut profiles = seccomp.into_iter().chain(app_armor);
    context.privileged == Some(true)
        || context.allow_privilege_escalation == Some(true)
        || context.run_as_non_root == Some(false)
        || adds.into_iter().any(|added| !added.is_empty())
        || ids.any(|id| !(1..i64::from(u32::MAX)).contains(&id))
        || profiles.any(|profile| !PROFILES.contains(&profile.as_str()))
        || context.se_linux_options.as_ref().is_some_and(|options| {
            let is_type = |name: &String| SELINUX_TYPES.contains(&name.as_str());
            options.user.is_some()
                || options.role.is_some()
                || !options.type_.as_ref().is_none_or(is_type)
        })
}

#[cfg(test)]
#[path = "valid_agents_tests.rs"]
mod tests;
