//! What to do next, with the commands: recovery first, acceptance last. Pure.

use super::model::{BackupEntry, DataState, NextStep, VolumeEntry};
use super::overview::build_overview;
use super::safe_text::shell_word;
use super::selection::Selection;
use crate::api::reasons;
use crate::wording::date;

/// The steps.
pub(super) fn plan_next_steps(
    selection: &Selection<'_>,
    state: DataState,
    reason: &str,
    volumes: &[VolumeEntry],
    backups: &[BackupEntry],
) -> Vec<NextStep> {
    match state {
        DataState::Reset => after_a_reset(selection, volumes, backups),
        DataState::Good => when_good(selection),
        DataState::Unknown => when_not_known(selection, reason),
    }
}

fn after_a_reset(
    selection: &Selection<'_>,
    volumes: &[VolumeEntry],
    backups: &[BackupEntry],
) -> Vec<NextStep> {
    let mut steps = vec![advice(
        "delete no claim and no volume until the data is back: the old data may be on them. Step by step: \
         docs/runbooks",
    )];
    if let Some(expected) = selection.moved_from() {
        let listed = volumes
            .iter()
            .find(|volume| volume.volume.as_str() == expected.volume);
        match listed.and_then(|volume| volume.is_there) {
            Some(false) => steps.push(advice(&format!(
                "PersistentVolume {}, which had the data, does not exist; recover recreates it if \
                 its storage still exists",
                expected.volume
            ))),
            Some(true) => steps.push(advice(&format!(
                "volume {}, which had the data, exists: bring it back",
                expected.volume
            ))),
            None => steps.push(advice(&format!(
                "see whether volume {}, which had the data, exists",
                expected.volume
            ))),
        }
        steps.push(step(
            "see the volume",
            selection.kubectl_cluster(&format!("get pv {} -o wide", shell_word(&expected.volume))),
        ));
        steps.push(step(
            "see what bringing it back would do",
            selection.holdfast("recover --dry-run"),
        ));
        steps.push(step("bring it back", selection.holdfast("recover")));
    }
    if selection.expected.is_none() || selection.found.is_none() {
        steps.push(step(
            "see whether a volume can be brought back",
            selection.holdfast("recover --dry-run"),
        ));
    }
    let good = backups.iter().rev().find(|backup| backup.last_good);
    match good {
        Some(good) => {
            let says = format!(
                "{} restore from a backup; the last good one is {} of {}. It says before what there is and \
                 what does not come with it, and asks",
                if selection.moved_from().is_some() {
                    "if the volume can't be brought back,"
                } else {
                    "if no volume can be brought back,"
                },
                good.name,
                good.time.as_ref().map(date).unwrap_or_default()
            );
            steps.push(step(&says, selection.holdfast("restore")));
        }
        None => steps.push(step(
            "see which backups exist; no good one is known",
            selection.kubectl("get dbbackup -o wide"),
        )),
    }
    if let Some(found) = &selection.found {
        let says =
            "or, if this is how the data should be, accept it: later checks are compared with it";
        steps.push(step(
            says,
            selection.holdfast(&format!("accept {}", shell_word(found.name))),
        ));
    }
    steps.push(step(
        "afterwards, see that it is safe again",
        selection.holdfast("status"),
    ));
    steps
}

fn when_good(selection: &Selection<'_>) -> Vec<NextStep> {
    let report = selection
        .facts
        .database
        .known()
        .and_then(Option::as_ref)
        .cloned()
        .map(build_overview);
    let mut steps: Vec<NextStep> = report
        .into_iter()
        .flat_map(|report| report.what_to_do)
        .map(|message| advice(&message))
        .collect();
    if steps.is_empty() {
        steps.push(advice("nothing needs to be done"));
    }
    steps
}

fn when_not_known(selection: &Selection<'_>, reason: &str) -> Vec<NextStep> {
    let mut steps = Vec::new();
    steps.extend(reasons::find(reason).map(|document| advice(document.remedy)));
    steps.push(step(
        "see what the operator says",
        selection.holdfast("status"),
    ));
    steps.push(step(
        "see what checks have found",
        selection.kubectl("get dbcheck -o wide"),
    ));
    steps.push(step(
        "see what can be brought back",
        selection.holdfast("recover --dry-run"),
    ));
    steps
}

fn advice(says: &str) -> NextStep {
    NextStep {
        says: says.into(),
        command: None,
    }
}

fn step(says: &str, command: String) -> NextStep {
    NextStep {
        says: says.into(),
        command: Some(command.into()),
    }
}
