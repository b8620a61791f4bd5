//! The five questions after every incident, answered in Kubernetes' terms. Pure.

use k8s_openapi::api::core::v1::Pod;

use super::model::{EventEntry, EventList, Question, StartEntry, VolumeEntry, VolumeRole};
use super::safe_text::{SafeText, shell_word};
use super::selection::{CheckView, Selection};
use super::surroundings::{answer_disk, answer_updates};
use crate::wording::{count, date};
use crate::world::Fact;

/// Words in events about volumes and claims that are removed.
const REMOVAL_WORDS: &[&str] = &[
    "delet",
    "releas",
    "lost",
    "recycl",
    "remov",
    "reclaim",
    "unbound",
    "failedmount",
    "refuse",
];

/// All five, in this order.
pub(super) fn answer_questions(
    selection: &Selection<'_>,
    starts: &[StartEntry],
    volumes: &[VolumeEntry],
    events: &EventList,
) -> Vec<Question> {
    vec![
        restarted(selection, starts),
        volume_there(selection, starts, volumes),
        answer_disk(selection, events),
        volume_removed(selection, volumes, events),
        answer_updates(selection, events),
    ]
}

fn restarted(selection: &Selection<'_>, starts: &[StartEntry]) -> Question {
    let mut facts: Vec<SafeText> = starts
        .iter()
        .map(|start| {
            let seen = if start.is_exact {
                "server started"
            } else {
                "first seen"
            };
            format!(
                "{}: {seen} in pod {} ({})",
                date(&start.time),
                start.pod,
                start.change
            )
            .into()
        })
        .collect();
    facts.extend(
        selection
            .facts
            .pods
            .known()
            .into_iter()
            .flatten()
            .flat_map(describe_pod),
    );
    let number = i64::try_from(starts.len()).unwrap_or(i64::MAX);
    let answer = match starts {
        [] => "Not known: no check has seen a start of the container".to_owned(),
        [only] => format!("No restart was seen: one start, at {}", date(&only.time)),
        [.., last] => format!(
            "Yes: {} were seen, the last at {} ({})",
            count(number, "start"),
            date(&last.time),
            last.change
        ),
    };
    let mut unknown = vec![SafeText::from(
        "starts that no check has seen, and starts before the oldest check that still exists",
    )];
    unknown.extend(selection.facts.pods.unknown().map(SafeText::from));
    let mut commands = vec![selection.kubectl("get pods -o wide")];
    commands.extend(starts.last().map(|start| {
        selection.kubectl(&format!("describe pod {}", shell_word(start.pod.as_str())))
    }));
    Question {
        question: "Was the workload or its container restarted, and when?".into(),
        answer: answer.into(),
        facts,
        unknown,
        commands: commands.into_iter().map(SafeText::from).collect(),
    }
}

/// What a pod says of its containers now.
fn describe_pod(pod: &Pod) -> Vec<SafeText> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let created = pod
        .metadata
        .creation_timestamp
        .as_ref()
        .map_or_else(|| "an unknown time".to_owned(), date);
    let statuses = pod
        .status
        .as_ref()
        .and_then(|status| status.container_statuses.as_deref())
        .unwrap_or_default();
    statuses
        .iter()
        .map(|status| {
            let running = status
                .state
                .as_ref()
                .and_then(|state| state.running.as_ref())
                .and_then(|running| running.started_at.as_ref());
            let running = running.map_or_else(
                || "not running".to_owned(),
                |time| format!("running since {}", date(time)),
            );
            let ended = status
                .last_state
                .as_ref()
                .and_then(|state| state.terminated.as_ref())
                .map(|ended| {
                    let at = ended
                        .finished_at
                        .as_ref()
                        .map(|time| format!(" at {}", date(time)))
                        .unwrap_or_default();
                    format!(
                        "; the one before ended{at} with exit code {} ({})",
                        ended.exit_code,
                        ended.reason.as_deref().unwrap_or("no reason given")
                    )
                });
            let restarts = count(i64::from(status.restart_count), "restart");
            format!(
                "pod {name} (created {created}), container {}: {running}, {restarts}{}",
                status.name,
                ended.unwrap_or_default()
            )
            .into()
        })
        .collect()
}

fn volume_there(
    selection: &Selection<'_>,
    starts: &[StartEntry],
    volumes: &[VolumeEntry],
) -> Question {
    let mut facts: Vec<SafeText> = volumes
        .iter()
        .map(|volume| {
            let created = volume.created_at.as_ref().map_or_else(
                || "creation time not known".to_owned(),
                |time| format!("created {}", date(time)),
            );
            let handle = if volume.handle.as_str().is_empty() {
                String::new()
            } else {
                format!(", handle {}", volume.handle)
            };
            format!(
                "volume {} ({created}{handle}): {}; claim {}: {}",
                volume.volume, volume.state, volume.claim, volume.claim_state
            )
            .into()
        })
        .collect();
    let switches: Vec<&StartEntry> = starts.iter().filter(|start| start.volume_changed).collect();
    facts.extend(switches.iter().map(|start| {
        SafeText::from(format!(
            "{}: the volume was switched: {}",
            date(&start.time),
            start.change
        ))
    }));
    let expected = selection.expected.as_ref().and_then(CheckView::data_volume);
    let expected = expected.and_then(|expected| {
        volumes
            .iter()
            .find(|volume| volume.volume.as_str() == expected.volume)
    });
    let moved = selection.moved_from().is_some();
    let answer = match expected {
        None => "Not known: nothing says which volume had the data".to_owned(),
        Some(volume) => {
            let there = match volume.is_there {
                Some(true) if moved => "Yes, but the database does not use it: volume",
                Some(true) => "Yes: volume",
                Some(false) => "NO: the PersistentVolume no longer exists: volume",
                None => "Not known: it could not be read whether it still exists: volume",
            };
            let now = selection
                .found
                .as_ref()
                .and_then(CheckView::data_volume)
                .filter(|_| moved);
            let now = now
                .map(|now| {
                    format!(
                        "; the data directory is on volume {} of claim {}",
                        now.volume, now.claim
                    )
                })
                .unwrap_or_default();
            format!("{there} {} of claim {}{now}", volume.volume, volume.claim)
        }
    };
    let names = volumes
        .iter()
        .map(|volume| shell_word(volume.volume.as_str()));
    let get_volumes = ["get pv".to_owned()]
        .into_iter()
        .chain(names)
        .collect::<Vec<_>>()
        .join(" ");
    Question {
        question: "Is the volume still there?".into(),
        answer: answer.into(),
        facts,
        unknown: vec![
            "whether the storage behind a volume object still has its files: Kubernetes does not \
            look inside"
                .into(),
        ],
        commands: [
            selection.kubectl_cluster(&get_volumes),
            selection.kubectl("get pvc"),
        ]
        .map(SafeText::from)
        .into(),
    }
}

fn volume_removed(
    selection: &Selection<'_>,
    volumes: &[VolumeEntry],
    events: &EventList,
) -> Question {
    let gone: Vec<&VolumeEntry> = volumes
        .iter()
        .filter(|volume| volume.is_there == Some(false))
        .collect();
    let removals: Vec<&EventEntry> = events
        .listed
        .iter()
        .filter(|event| is_about_removal(event))
        .collect();
    let restores = selection
        .facts
        .restores
        .known()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let mut facts: Vec<SafeText> = gone
        .iter()
        .map(|volume| {
            let by = if volume.roles.contains(&VolumeRole::Remembered) {
                "the DatabaseLedger remembers it"
            } else {
                "a check has seen it"
            };
            format!(
                "volume {} of claim {} is gone; {by}",
                volume.volume, volume.claim
            )
            .into()
        })
        .collect();
    facts.extend(gone_claims(selection));
    facts.extend(removals.iter().map(|event| {
        SafeText::from(format!(
            "{}: {} {}: {}",
            date(&event.time),
            event.object,
            event.reason,
            event.message
        ))
    }));
    // A drill and a dry run touch nothing.
    let touching = restores
        .iter()
        .filter(|restore| restore.changes_something());
    for restore in touching {
        let state = restore
            .status
            .as_ref()
            .and_then(|status| status.state)
            .map_or_else(|| "not begun".to_owned(), |state| format!("{state:?}"));
        let from = restore.spec.from.volume.as_deref().unwrap_or("a backup");
        facts.push(
            format!(
                "DatabaseRestore {} from {from}: {state}",
                restore.metadata.name.as_deref().unwrap_or_default()
            )
            .into(),
        );
    }
    let answer = match (gone.is_empty(), removals.last()) {
        (false, _) => format!(
            "Yes: the removal of {} that held the data",
            count(i64::try_from(gone.len()).unwrap_or(i64::MAX), "volume")
        ),
        (true, Some(event)) => format!(
            "There are events about it, the last at {}: {} {}",
            date(&event.time),
            event.object,
            event.reason
        ),
        (true, None) => "No: no volume that is remembered is gone, and no event that still \
            exists is about it"
            .to_owned(),
    };
    let mut unknown = vec![
        events.note.clone(),
        "who deleted an object: only the API server's audit log says so, where one is kept".into(),
    ];
    unknown.extend(
        [
            selection.facts.ledger.unknown(),
            selection.facts.restores.unknown(),
        ]
        .into_iter()
        .flatten()
        .map(SafeText::from),
    );
    let commands = [
        selection.kubectl("get events --sort-by=.lastTimestamp"),
        selection.kubectl_cluster(
            "-n default get events --field-selector involvedObject.kind=PersistentVolume",
        ),
        selection.kubectl_cluster(&format!(
            "get dbledger {} -o yaml",
            crate::api::names::ledger(&selection.facts.namespace, &selection.facts.name)
        )),
    ];
    Question {
        question: "Are there logs or events about the removal of a volume?".into(),
        answer: answer.into(),
        facts,
        unknown,
        commands: commands.map(SafeText::from).into(),
    }
}

fn gone_claims(selection: &Selection<'_>) -> Vec<SafeText> {
    let gone = selection
        .facts
        .claims
        .iter()
        .filter(|claim| matches!(claim.found, Fact::Known(None)));
    gone.map(|claim| format!("claim {} is gone", claim.name).into())
        .collect()
}

fn is_about_removal(event: &EventEntry) -> bool {
    let object = event.object.as_str();
    let text = format!("{} {}", event.reason, event.message).to_lowercase();
    (object.starts_with("PersistentVolume") || object.starts_with("ProtectedDatabase "))
        && REMOVAL_WORDS.iter().any(|word| text.contains(word))
}
