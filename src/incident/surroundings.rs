//! What happened around the database: disks that are full, pod templates, server versions and nodes
//! that changed. How full a volume is, Kubernetes does not say. Pure.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Node, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::facts::Facts;
use super::model::{EntryKind, EventEntry, EventList, Question, TimelineEntry};
use super::safe_text::{SafeText, shell_word};
use super::selection::{Selection, time_of};
use crate::wording::date;
use crate::world::Fact;

/// Words in reasons and messages of events about disks that are full.
const DISK_WORDS: &[&str] = &[
    "evict",
    "diskpressure",
    "disk pressure",
    "no space left",
    "freediskspace",
    "imagegc",
    "ephemeral-storage",
    "filesystemresize",
];

/// The third question.
pub(super) fn answer_disk(selection: &Selection<'_>, events: &EventList) -> Question {
    let about_disk: Vec<&EventEntry> = events
        .listed
        .iter()
        .filter(|event| is_about_disk(event))
        .collect();
    let nodes: Vec<(&str, &Node)> = selection
        .facts
        .nodes
        .iter()
        .filter_map(|node| Some((node.name.as_str(), node.found.known()?.as_ref()?)))
        .collect();
    let under_pressure: Vec<&str> = nodes
        .iter()
        .filter(|(_, node)| pressure(node).is_some_and(|found| found.0 == "True"))
        .map(|(name, _)| *name)
        .collect();
    let mut facts = describe_capacities(selection);
    facts.extend(nodes.iter().filter_map(|(name, node)| {
        let (status, since) = pressure(node)?;
        Some(SafeText::from(format!(
            "node {name}: DiskPressure is {status}{since}"
        )))
    }));
    facts.extend(about_disk.iter().map(|event| {
        SafeText::from(format!(
            "{}: {} {}: {}",
            date(&event.time),
            event.object,
            event.reason,
            event.message
        ))
    }));
    let answer = if !under_pressure.is_empty() {
        format!(
            "A disk is nearly full: DiskPressure is True on node {}",
            under_pressure.join(", ")
        )
    } else if let Some(event) = about_disk.last() {
        format!(
            "There are events about a disk, the last at {}: {}",
            date(&event.time),
            event.reason
        )
    } else if nodes.is_empty() {
        "Not known: no node of a pod could be read, and no event is about a disk".to_owned()
    } else {
        "No sign of a full disk: no DiskPressure on the node now, and no event about it".to_owned()
    };
    let mut unknown = vec![SafeText::from(
        "how full a volume is: Kubernetes' objects don't say; the command below asks the container \
         itself",
    )];
    let asked = selection
        .facts
        .nodes
        .iter()
        .filter_map(|node| node.found.unknown());
    unknown.extend(asked.map(SafeText::from));
    Question {
        question: "What about disk space?".into(),
        answer: answer.into(),
        facts,
        unknown,
        commands: commands(selection)
            .into_iter()
            .map(SafeText::from)
            .collect(),
    }
}

fn describe_capacities(selection: &Selection<'_>) -> Vec<SafeText> {
    let claims = selection
        .facts
        .claims
        .iter()
        .filter_map(|claim| Some((claim, claim.found.known()?.as_ref()?)));
    claims
        .map(|(claim, object)| {
            let status = object.status.clone().unwrap_or_default();
            let capacity = status
                .capacity
                .and_then(|capacity| capacity.get("storage").map(|storage| storage.0.clone()));
            let requests = object
                .spec
                .clone()
                .and_then(|spec| spec.resources)
                .and_then(|resources| resources.requests);
            let asked = requests
                .and_then(|requests| requests.get("storage").map(|storage| storage.0.clone()));
            let resizing: Vec<String> = status
                .conditions
                .iter()
                .flatten()
                .map(|condition| format!("{} is {}", condition.type_, condition.status))
                .collect();
            let resizing = if resizing.is_empty() {
                String::new()
            } else {
                format!("; {}", resizing.join(", "))
            };
            let (capacity, asked) = (
                capacity.unwrap_or_else(|| "not known".to_owned()),
                asked.unwrap_or_else(|| "nothing".to_owned()),
            );
            format!(
                "claim {}: capacity {capacity}, requested {asked}{resizing}",
                claim.name
            )
            .into()
        })
        .collect()
}

fn pressure(node: &Node) -> Option<(&str, String)> {
    let condition = node
        .status
        .as_ref()?
        .conditions
        .as_ref()?
        .iter()
        .find(|condition| condition.type_ == "DiskPressure")?;
    let since = condition
        .last_transition_time
        .as_ref()
        .map(|time| format!(" since {}", date(time)))
        .unwrap_or_default();
    Some((&condition.status, since))
}

fn is_about_disk(event: &EventEntry) -> bool {
    let text = format!("{} {}", event.reason, event.message).to_lowercase();
    DISK_WORDS.iter().any(|word| text.contains(word))
}

fn commands(selection: &Selection<'_>) -> Vec<String> {
    let seen = selection
        .checks
        .iter()
        .rev()
        .find_map(|check| check.spec.target.as_ref());
    let running = selection
        .facts
        .pods
        .known()
        .and_then(|pods| pods.first())
        .and_then(|pod| pod.metadata.name.clone());
    let Some(target) = seen else {
        return Vec::new();
    };
    let pod = running.unwrap_or_else(|| target.pod.clone());
    let mounts: Vec<String> = target
        .volumes
        .iter()
        .map(|volume| shell_word(&volume.mount_path))
        .collect();
    let space = selection.kubectl(&format!(
        "exec {} -c {} -- df -h {}",
        shell_word(&pod),
        shell_word(&target.container),
        mounts.join(" ")
    ));
    let mut commands = vec![space];
    commands.extend(
        selection
            .facts
            .nodes
            .iter()
            .filter(|node| !matches!(node.found, Fact::Known(None)))
            .map(|node| {
                selection.kubectl_cluster(&format!(
                    "get --raw /api/v1/nodes/{}/proxy/stats/summary",
                    shell_word(&node.name)
                ))
            }),
    );
    commands
}

/// Reasons of events about nodes that stop and start, as kubelet and node controller write them.
const NODE_EVENTS: &[&str] = &[
    "Rebooted",
    "Starting",
    "NodeNotReady",
    "NodeReady",
    "NodeNotSchedulable",
    "Shutdown",
];

/// The fifth question.
pub(super) fn answer_updates(selection: &Selection<'_>, events: &EventList) -> Question {
    let changes = find_template_changes(selection.facts);
    let versions = find_server_versions(selection);
    let node_events: Vec<&EventEntry> = events
        .listed
        .iter()
        .filter(|event| is_about_node(event))
        .collect();
    let mut facts: Vec<SafeText> = changes
        .iter()
        .map(|moment| format!("{}: {}", date(&moment.time), moment.says).into())
        .collect();
    facts.extend(
        versions
            .iter()
            .map(|moment| format!("{}: {}", date(&moment.time), moment.says).into()),
    );
    facts.extend(describe_images(selection.facts));
    facts.extend(describe_writers(selection.facts));
    for node in &selection.facts.nodes {
        if let Fact::Known(Some(object)) = &node.found {
            facts.push(describe_node(&node.name, object));
        }
    }
    facts.extend(node_events.iter().map(|event| {
        SafeText::from(format!(
            "{}: {} {}: {}",
            date(&event.time),
            event.object,
            event.reason,
            event.message
        ))
    }));
    let count = changes.len() + versions.len() + node_events.len();
    let answer = match (count, selection.facts.revisions.known(), changes.last()) {
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
            else shows a change"
            .to_owned(),
    };
    let mut unknown = vec![SafeText::from(
        "whether a node was rebooted: Kubernetes keeps only the present boot id; Ready may also \
         change without a reboot",
    )];
    unknown.extend(selection.facts.revisions.unknown().map(SafeText::from));
    unknown.extend(
        selection
            .facts
            .nodes
            .iter()
            .filter_map(|node| node.found.unknown())
            .map(SafeText::from),
    );
    let database = selection.facts.database.known().and_then(Option::as_ref);
    let selector = database.and_then(|database| database.spec.workload.selector.as_ref()?.query());
    // Pods by their labels have no revisions.
    let history = selector.map_or_else(
        || format!("rollout history {}", workload(selection.facts)),
        |query| format!("get pods -l {}", shell_word(&query)),
    );
    let mut commands = vec![selection.kubectl(&history)];
    commands.extend(selection.facts.nodes.iter().map(|node| {
        selection.kubectl_cluster(&format!("describe node {}", shell_word(&node.name)))
    }));
    commands.push("last reboot; uptime    # on the node".to_owned());
    Question {
        question: "Was there an update or a reboot?".into(),
        answer: answer.into(),
        facts,
        unknown,
        commands: commands.into_iter().map(SafeText::from).collect(),
    }
}

/// `statefulset/knowledge-postgres`, as kubectl takes it.
pub(super) fn workload(facts: &Facts) -> String {
    let seen = facts.workload.known().and_then(Option::as_ref);
    let named = facts
        .database
        .known()
        .and_then(Option::as_ref)
        .map(|database| database.spec.workload.name.as_str());
    match seen {
        Some(seen) => {
            format!(
                "{}/{}",
                seen.kind.to_string().to_lowercase(),
                shell_word(seen.metadata.name.as_deref().unwrap_or_default())
            )
        }
        None => format!("statefulset/{}", shell_word(named.unwrap_or("NAME"))),
    }
}

/// Each change of images or claims from one revision of the pod template to the next.
pub(super) fn find_template_changes(facts: &Facts) -> Vec<TimelineEntry> {
    let mut revisions: Vec<_> = facts.revisions.known().into_iter().flatten().collect();
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
            Some(TimelineEntry {
                time,
                kind: EntryKind::Template,
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
pub(super) fn find_server_versions(selection: &Selection<'_>) -> Vec<TimelineEntry> {
    let checked: Vec<_> = selection
        .checks
        .iter()
        .filter_map(|check| Some((check, &check.evidence()?.identity.server_version)))
        .collect();
    let pairs = checked
        .windows(2)
        .filter_map(|pair| Some((pair.first()?, pair.last()?)));
    pairs
        .filter(|(before, now)| before.1 != now.1)
        .map(|(before, now)| TimelineEntry {
            time: Time(time_of(now.0)),
            kind: EntryKind::Template,
            alarming: false,
            says: format!("server version {} -> {}", before.1, now.1).into(),
        })
        .collect()
}

fn describe_images(facts: &Facts) -> Option<SafeText> {
    let workload = facts.workload.known()?.as_ref()?;
    Some(
        format!(
            "the pod template now has image {} and claim {}",
            join(&images(&workload.template)),
            join(&claims(&workload.template))
        )
        .into(),
    )
}

/// Who wrote the workload last: the API server keeps the newest write of each manager.
fn describe_writers(facts: &Facts) -> Vec<SafeText> {
    let Some(workload) = facts.workload.known().and_then(Option::as_ref) else {
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

fn describe_node(name: &str, node: &Node) -> SafeText {
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

fn is_about_node(event: &EventEntry) -> bool {
    event.object.as_str().starts_with("Node ") && NODE_EVENTS.contains(&event.reason.as_str())
}
