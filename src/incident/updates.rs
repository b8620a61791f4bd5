//! Whether anything was updated or restarted underneath: pod templates, server versions, nodes.
//! Pure.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Node, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::looks::{Account, time_of};
use super::{Answer, EventTold, EventsTold, Gathered, Line, Moment, MomentKind};
use crate::wording::date;
use crate::world::Fact;

/// Words in events about nodes that come and go, as kubelet and node controller write them.
const NODE_EVENTS: &[&str] = &[
    "Rebooted",
    "Starting",
    "NodeNotReady",
    "NodeReady",
    "NodeNotSchedulable",
    "Shutdown",
];

/// The fifth question.
pub(super) fn answer(account: &Account<'_>, events: &EventsTold) -> Answer {
    let changes = find_template_changes(account.gathered);
    let versions = find_server_versions(account);
    let node_events: Vec<&EventTold> = events
        .listed
        .iter()
        .filter(|event| is_about_node(event))
        .collect();
    let mut facts: Vec<Line> = changes
        .iter()
        .map(|moment| format!("{}: {}", date(&moment.time), moment.says).into())
        .collect();
    facts.extend(
        versions
            .iter()
            .map(|moment| format!("{}: {}", date(&moment.time), moment.says).into()),
    );
    facts.extend(describe_images(account.gathered));
    facts.extend(describe_writers(account.gathered));
    for node in &account.gathered.nodes {
        if let Fact::Known(Some(object)) = &node.found {
            facts.push(describe_node(&node.name, object));
        }
    }
    facts.extend(node_events.iter().map(|event| {
        Line::from(format!(
            "{}: {} {}: {}",
            date(&event.time),
            event.object,
            event.reason,
            event.message
        ))
    }));
    let count = changes.len() + versions.len() + node_events.len();
    let answer = match (count, account.gathered.revisions.known(), changes.last()) {
        (_, _, Some(last)) => format!(
            "Yes: the pod template changed, last at {}: {}",
            date(&last.time),
            last.says
        ),
        (1.., _, None) => "Something changed; it is listed below".to_owned(),
        (0, Some(_), None) => "No change of the pod template, the server's version or a node was \
            found"
            .to_owned(),
        (0, None, None) => "Not known: the workload's revisions could not be read, and nothing \
            else tells of a change"
            .to_owned(),
    };
    let mut not_known = vec![Line::from(
        "whether a node was rebooted: Kubernetes tells its boot id of now and remembers none of \
         before; Ready may also change without a reboot",
    )];
    not_known.extend(account.gathered.revisions.unknown().map(Line::from));
    not_known.extend(
        account
            .gathered
            .nodes
            .iter()
            .filter_map(|node| node.found.unknown())
            .map(Line::from),
    );
    let mut commands =
        vec![account.kubectl(&format!("rollout history {}", workload(account.gathered)))];
    commands.extend(account.gathered.nodes.iter().map(|node| {
        account.kubectl_cluster(&format!("describe node {}", super::shell::word(&node.name)))
    }));
    commands.push("last reboot; uptime    # on the node".to_owned());
    Answer {
        question: "Was there an update or a reboot?".into(),
        answer: answer.into(),
        facts,
        not_known,
        commands: commands.into_iter().map(Line::from).collect(),
    }
}

/// `statefulset/knowledge-postgres`, as kubectl takes it.
pub(super) fn workload(gathered: &Gathered) -> String {
    let seen = gathered.workload.known().and_then(Option::as_ref);
    let named = gathered
        .database
        .known()
        .and_then(Option::as_ref)
        .map(|database| database.spec.workload.name.as_str());
    match seen {
        Some(seen) => {
            format!(
                "{}/{}",
                seen.kind.to_string().to_lowercase(),
                super::shell::word(seen.metadata.name.as_deref().unwrap_or_default())
            )
        }
        None => format!(
            "statefulset/{}",
            super::shell::word(named.unwrap_or("NAME"))
        ),
    }
}

/// Each change of images or claims from one revision of the pod template to the next.
pub(super) fn find_template_changes(gathered: &Gathered) -> Vec<Moment> {
    let mut revisions: Vec<_> = gathered.revisions.known().into_iter().flatten().collect();
    revisions.sort_by_key(|revision| revision.number);
    let pairs = revisions
        .windows(2)
        .filter_map(|pair| Some((pair.first()?, pair.last()?)));
    pairs
        .filter_map(|(before, now)| {
            let (time, was, is) = (
                now.created.clone()?,
                before.template.as_ref()?,
                now.template.as_ref()?,
            );
            let changed = describe_change(was, is);
            let says = if changed.is_empty() {
                "neither images nor claims".to_owned()
            } else {
                changed.join("; ")
            };
            Some(Moment {
                time,
                kind: MomentKind::Template,
                alarming: is_alarming(was, is),
                says: format!(
                    "pod template, revision {} ({}): {says}",
                    now.number, now.name
                )
                .into(),
            })
        })
        .collect()
}

fn describe_change(was: &PodTemplateSpec, is: &PodTemplateSpec) -> Vec<String> {
    [
        ("image", images(was), images(is)),
        ("claim", claims(was), claims(is)),
    ]
    .into_iter()
    .filter(|(_, was, is)| was != is)
    .map(|(what, was, is)| format!("{what} {} -> {}", join(&was), join(&is)))
    .collect()
}

/// Another claim is another place for the data; another image is an update.
fn is_alarming(was: &PodTemplateSpec, is: &PodTemplateSpec) -> bool {
    claims(was) != claims(is)
}

fn join(words: &BTreeSet<&str>) -> String {
    if words.is_empty() {
        "none".to_owned()
    } else {
        words.iter().copied().collect::<Vec<_>>().join(", ")
    }
}

fn images(template: &PodTemplateSpec) -> BTreeSet<&str> {
    template
        .spec
        .iter()
        .flat_map(|pod| &pod.containers)
        .filter_map(|container| container.image.as_deref())
        .collect()
}

fn claims(template: &PodTemplateSpec) -> BTreeSet<&str> {
    let volumes = template
        .spec
        .iter()
        .flat_map(|pod| pod.volumes.iter().flatten());
    volumes
        .filter_map(|volume| volume.persistent_volume_claim.as_ref())
        .map(|source| source.claim_name.as_str())
        .collect()
}

/// Each change of the server's version from one check to the next.
pub(super) fn find_server_versions(account: &Account<'_>) -> Vec<Moment> {
    let seen: Vec<_> = account
        .checks
        .iter()
        .filter_map(|check| Some((check, &check.evidence()?.identity.server_version)))
        .collect();
    let pairs = seen
        .windows(2)
        .filter_map(|pair| Some((pair.first()?, pair.last()?)));
    pairs
        .filter(|(before, now)| before.1 != now.1)
        .map(|(before, now)| Moment {
            time: Time(time_of(now.0)),
            kind: MomentKind::Template,
            alarming: false,
            says: format!("server version {} -> {}", before.1, now.1).into(),
        })
        .collect()
}

fn describe_images(gathered: &Gathered) -> Option<Line> {
    let workload = gathered.workload.known()?.as_ref()?;
    Some(
        format!(
            "the pod template asks for image {} and claim {} now",
            join(&images(&workload.template)),
            join(&claims(&workload.template))
        )
        .into(),
    )
}

/// Who wrote the workload last: the API server keeps the newest write of each manager.
fn describe_writers(gathered: &Gathered) -> Vec<Line> {
    let Some(workload) = gathered.workload.known().and_then(Option::as_ref) else {
        return Vec::new();
    };
    let mut entries: Vec<_> = workload
        .metadata
        .managed_fields
        .iter()
        .flatten()
        .filter(|entry| entry.subresource.is_none())
        .collect();
    entries.sort_by_key(|entry| entry.time.as_ref().map(|time| time.0));
    let newest = entries.iter().rev().take(3).rev();
    newest
        .filter_map(|entry| {
            let (manager, time) = (
                entry.manager.as_deref().unwrap_or("somebody"),
                entry.time.as_ref()?,
            );
            let name = workload.metadata.name.as_deref().unwrap_or_default();
            Some(
                format!(
                    "{}: {} {name} was last written by field manager {manager}",
                    date(time),
                    workload.kind
                )
                .into(),
            )
        })
        .collect()
}

fn describe_node(name: &str, node: &Node) -> Line {
    let status = node.status.clone().unwrap_or_default();
    let info = status.node_info.unwrap_or_default();
    let ready = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "Ready");
    let ready = ready.map_or_else(
        || "Ready is not known".to_owned(),
        |ready| {
            let since = ready
                .last_transition_time
                .as_ref()
                .map(|time| format!(" since {}", date(time)))
                .unwrap_or_default();
            format!("Ready is {}{since}", ready.status)
        },
    );
    format!(
        "node {name}: {ready}; boot id {}, kernel {}, kubelet {}, {}",
        info.boot_id, info.kernel_version, info.kubelet_version, info.os_image
    )
    .into()
}

fn is_about_node(event: &EventTold) -> bool {
    event.object.as_str().starts_with("Node ") && NODE_EVENTS.contains(&event.reason.as_str())
}
