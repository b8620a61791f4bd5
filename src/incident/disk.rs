//! What Kubernetes knows of disk space: capacities, pressure, evictions. How full a volume is, it
//! does not say. Pure.

use k8s_openapi::api::core::v1::Node;

use super::looks::Account;
use super::shell::word;
use super::{Answer, EventTold, EventsTold, Line};
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
pub(super) fn answer(account: &Account<'_>, events: &EventsTold) -> Answer {
    let about_disk: Vec<&EventTold> = events
        .listed
        .iter()
        .filter(|event| is_about_disk(event))
        .collect();
    let nodes: Vec<(&str, &Node)> = account
        .gathered
        .nodes
        .iter()
        .filter_map(|node| Some((node.name.as_str(), node.found.known()?.as_ref()?)))
        .collect();
    let under_pressure: Vec<&str> = nodes
        .iter()
        .filter(|(_, node)| pressure(node).is_some_and(|found| found.0 == "True"))
        .map(|(name, _)| *name)
        .collect();
    let mut facts = describe_capacities(account);
    facts.extend(nodes.iter().filter_map(|(name, node)| {
        let (status, since) = pressure(node)?;
        Some(Line::from(format!(
            "node {name}: DiskPressure is {status}{since}"
        )))
    }));
    facts.extend(about_disk.iter().map(|event| {
        Line::from(format!(
            "{}: {} {}: {}",
            date(&event.time),
            event.object,
            event.reason,
            event.message
        ))
    }));
    let answer = if !under_pressure.is_empty() {
        format!(
            "A disk is short: DiskPressure is True on node {}",
            under_pressure.join(", ")
        )
    } else if let Some(event) = about_disk.last() {
        format!(
            "Events speak of a disk, last at {}: {}",
            date(&event.time),
            event.reason
        )
    } else if nodes.is_empty() {
        "Not known: no node of a pod could be read, and no event speaks of a disk".to_owned()
    } else {
        "Nothing speaks of a full disk: no DiskPressure on the node now, and no event about it"
            .to_owned()
    };
    let mut not_known = vec![Line::from(
        "how full a volume is: Kubernetes' objects don't say; the command below asks the container \
         itself",
    )];
    let asked = account
        .gathered
        .nodes
        .iter()
        .filter_map(|node| node.found.unknown());
    not_known.extend(asked.map(Line::from));
    Answer {
        question: "What about disk space?".into(),
        answer: answer.into(),
        facts,
        not_known,
        commands: commands(account).into_iter().map(Line::from).collect(),
    }
}

fn describe_capacities(account: &Account<'_>) -> Vec<Line> {
    let claims = account
        .gathered
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
                "claim {}: capacity {capacity}, asked for {asked}{resizing}",
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

fn is_about_disk(event: &EventTold) -> bool {
    let text = format!("{} {}", event.reason, event.message).to_lowercase();
    DISK_WORDS.iter().any(|word| text.contains(word))
}

fn commands(account: &Account<'_>) -> Vec<String> {
    let seen = account
        .checks
        .iter()
        .rev()
        .find_map(|check| check.spec.target.as_ref());
    let running = account
        .gathered
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
        .map(|volume| word(&volume.mount_path))
        .collect();
    let space = account.kubectl(&format!(
        "exec {} -c {} -- df -h {}",
        word(&pod),
        word(&target.container),
        mounts.join(" ")
    ));
    let mut commands = vec![space];
    commands.extend(
        account
            .gathered
            .nodes
            .iter()
            .filter(|node| !matches!(node.found, Fact::Known(None)))
            .map(|node| {
                account.kubectl_cluster(&format!(
                    "get --raw /api/v1/nodes/{}/proxy/stats/summary",
                    word(&node.name)
                ))
            }),
    );
    commands
}
