//! What to do next, with the very commands: the way back first, the acceptance last. Pure.

use super::build_report;
use super::identity::has_moved;
use super::looks::Account;
use super::shell::word;
use super::{BackupTold, NextStep, Standing, VolumeTold};
use crate::api::reasons;
use crate::wording::date;

/// The steps.
pub(super) fn plan_next_steps(
    account: &Account<'_>,
    standing: Standing,
    reason: &str,
    volumes: &[VolumeTold],
    backups: &[BackupTold],
) -> Vec<NextStep> {
    match standing {
        Standing::Reset => after_a_reset(account, volumes, backups),
        Standing::Good => when_good(account),
        Standing::NotKnown => when_not_known(account, reason),
    }
}

fn after_a_reset(
    account: &Account<'_>,
    volumes: &[VolumeTold],
    backups: &[BackupTold],
) -> Vec<NextStep> {
    let mut steps = vec![advice(
        "delete no claim and no volume until the data is back: what is on them may be wanted",
    )];
    let expected = account
        .expected
        .as_ref()
        .and_then(super::looks::Seen::data_volume);
    if let Some(expected) = expected.filter(|_| has_moved(account)) {
        let told = volumes
            .iter()
            .find(|volume| volume.volume.as_str() == expected.volume);
        match told.and_then(|told| told.is_there) {
            Some(false) => steps.push(advice(&format!(
                "volume {}, which had the data, is gone as an object; recover makes it again where \
                 its storage is still there",
                expected.volume
            ))),
            Some(true) => steps.push(advice(&format!(
                "volume {}, which had the data, is there: bring it back",
                expected.volume
            ))),
            None => steps.push(advice(&format!(
                "see whether volume {}, which had the data, is there",
                expected.volume
            ))),
        }
        steps.push(step(
            "look at the volume",
            account.kubectl_cluster(&format!("get pv {} -o wide", word(&expected.volume))),
        ));
        steps.push(step(
            "see what bringing it back would do",
            account.holdfast("recover --dry-run"),
        ));
        steps.push(step("bring it back", account.holdfast("recover")));
    }
    if account.expected.is_none() || account.found.is_none() {
        steps.push(step(
            "see whether a volume can be brought back",
            account.holdfast("recover --dry-run"),
        ));
    }
    let good = backups.iter().rev().find(|backup| backup.last_good);
    let says = match good {
        Some(good) => format!(
            "{} restore from a backup; the last good one is {} of {}",
            if has_moved(account) {
                "if the volume can't be brought back,"
            } else {
                "where no volume can be brought back,"
            },
            good.name,
            good.time.as_ref().map(date).unwrap_or_default()
        ),
        None => "see which backups there are; no good one is known".to_owned(),
    };
    steps.push(step(&says, account.kubectl("get dbbackup -o wide")));
    if let Some(found) = &account.found {
        let says =
            "or, if this is how the data should be, accept it: later checks are compared with it";
        steps.push(step(
            says,
            account.holdfast(&format!("accept {}", word(found.check))),
        ));
    }
    steps.push(step(
        "afterwards, see that it is safe again",
        account.holdfast("status"),
    ));
    steps
}

fn when_good(account: &Account<'_>) -> Vec<NextStep> {
    let report = account
        .gathered
        .database
        .known()
        .and_then(Option::as_ref)
        .cloned()
        .map(build_report);
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

fn when_not_known(account: &Account<'_>, reason: &str) -> Vec<NextStep> {
    let mut steps = Vec::new();
    steps.extend(reasons::find(reason).map(|document| advice(document.remedy)));
    steps.push(step(
        "see what the operator says",
        account.holdfast("status"),
    ));
    steps.push(step(
        "see what checks have found",
        account.kubectl("get dbcheck -o wide"),
    ));
    steps.push(step(
        "see what can be brought back",
        account.holdfast("recover --dry-run"),
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
