//! What is known of one ProtectedDatabase, in words. Pure.

use std::fmt::Write as _;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::{BackupSummary, BackupTurn, ClaimStatus, ConditionType, find_condition};
use crate::incident::DatabaseOverview;
use crate::plugin::drill::say_times;
use crate::wording::{ago, build_table, date, moment};

/// What a condition says when it is True, False and anything else; empty where it is not worth a
/// line. Ready is in the headline.
fn words(type_: ConditionType) -> [&'static str; 3] {
    match type_ {
        ConditionType::Ready => ["", "", ""],
        ConditionType::Stalled => [
            "THE OPERATOR CAN'T GO ON",
            "",
            "not known whether the operator can go on",
        ],
        ConditionType::DataReset => [
            "THE DATA LOOKS RESET",
            "no reset seen",
            "not known whether the data was reset",
        ],
        ConditionType::Guarded => [
            "deletions are refused",
            "NOT GUARDED",
            "not known whether deletions are refused",
        ],
        ConditionType::DataVerified => [
            "the data is what was last known good",
            "THE DATA IS NOT VERIFIED",
            "not known whether the data is good",
        ],
        ConditionType::DataChanged => ["tables without a rule have changed", "", ""],
        ConditionType::FilesMatch => [
            "every file that the rows name exists",
            "FILES AND ROWS DO NOT MATCH",
            "not known whether every file that the rows name exists",
        ],
        ConditionType::BackupFresh => [
            "there is a fresh backup",
            "NO FRESH BACKUP",
            "not known whether the backup is fresh",
        ],
        ConditionType::RestoreProven => [
            "a drill has restored a backup completely",
            "NO DRILL PROVES THE BACKUPS",
            "no drill has proven a backup yet",
        ],
        ConditionType::Reconciling => [
            "the operator is at work",
            "",
            "not known whether the operator is at work",
        ],
    }
}

/// One block of text, ending with a line break.
pub fn describe_database(report: &DatabaseOverview, now: Timestamp) -> String {
    let status = &report.status;
    let mut text = format!("{}/{}: {}", report.namespace, report.name, headline(report));
    if let Some(ready) = find_condition(&status.conditions, ConditionType::Ready) {
        let _ = write!(
            text,
            " (since {})",
            moment(&ready.last_transition_time, now)
        );
    }
    let _ = writeln!(
        text,
        "\n  database {} of {}",
        report.database, report.workload
    );
    if report.being_deleted {
        text.push_str("  being deleted: the guard stays until the deletion is confirmed\n");
    }
    if report.suspended {
        text.push_str("  suspended: no checks and no backups are made; the guard stays\n");
    }
    if !status.conditions.is_empty() {
        text.push('\n');
    }
    for type_ in ConditionType::ALL {
        if let Some(condition) = find_condition(&status.conditions, *type_) {
            describe_condition(&mut text, condition, words(*type_));
        }
    }
    describe_claims(&mut text, &status.claims, now);
    text.push('\n');
    describe_checks(&mut text, report, now);
    describe_backups(&mut text, report, now);
    describe_drills(&mut text, report, now);
    if !report.ready {
        text.push_str("\n  What to do:\n");
        for message in &report.what_to_do {
            let _ = writeln!(text, "  - {message}");
        }
    }
    text
}

/// One line each.
pub fn build_status_table(reports: &[DatabaseOverview], now: Timestamp) -> String {
    let rows: Vec<Vec<String>> = reports
        .iter()
        .map(|report| {
            let status = &report.status;
            let find = |condition| find_condition(&status.conditions, condition);
            vec![
                report.namespace.clone(),
                report.name.clone(),
                if report.ready { "yes" } else { "NO" }.to_owned(),
                find(ConditionType::DataVerified)
                    .map_or("unknown", |condition| condition.reason.as_str())
                    .to_owned(),
                find(ConditionType::Guarded)
                    .map_or("Unknown", |condition| condition.status.as_str())
                    .to_owned(),
                ago(
                    status.last_good_backup.as_ref().map(|backup| &backup.time),
                    now,
                ),
                ago(status.last_check.as_ref().map(|check| &check.time), now),
            ]
        })
        .collect();
    build_table(
        &[
            "NAMESPACE",
            "NAME",
            "READY",
            "DATA",
            "GUARDED",
            "LAST GOOD BACKUP",
            "LAST CHECK",
        ],
        &rows,
    )
}

fn headline(report: &DatabaseOverview) -> &'static str {
    match find_condition(&report.status.conditions, ConditionType::Ready)
        .map(|ready| ready.status.as_str())
    {
        _ if report.ready => "ready",
        Some("True") => "ready before its last change; not known now",
        Some("False") => "NOT READY",
        _ => "not known whether it is ready",
    }
}

fn describe_condition(text: &mut String, condition: &Condition, words: [&str; 3]) {
    let said = match condition.status.as_str() {
        "True" => words[0],
        "False" => words[1],
        _ => words[2],
    };
    if !said.is_empty() {
        let _ = writeln!(
            text,
            "  {:<14} {said} ({})",
            condition.type_, condition.reason
        );
    }
}

fn describe_claims(text: &mut String, claims: &[ClaimStatus], now: Timestamp) {
    if claims.is_empty() {
        text.push_str("\n  claims         none are known\n");
        return;
    }
    text.push('\n');
    for claim in claims {
        let volume = if claim.volume.is_empty() {
            "not bound to a volume".to_owned()
        } else {
            format!("volume {}", claim.volume)
        };
        let policy = if claim.reclaim_policy.is_empty() {
            String::new()
        } else {
            format!(", {}", claim.reclaim_policy)
        };
        let guarded = if claim.guarded {
            "guarded"
        } else {
            "NOT GUARDED"
        };
        let mounted = if claim.mounted {
            ", mounted"
        } else {
            ", not mounted"
        };
        let since = claim
            .creation_time
            .as_ref()
            .map(|since| format!(", since {}", moment(since, now)))
            .unwrap_or_default();
        let _ = writeln!(
            text,
            "  claim          {}: {volume}{policy}, {guarded}{mounted}{since}",
            claim.name
        );
    }
}

fn describe_checks(text: &mut String, report: &DatabaseOverview, now: Timestamp) {
    match &report.status.baseline {
        Some(baseline) => {
            let (check, identifier) = (&baseline.check, &baseline.system_identifier);
            let _ = writeln!(
                text,
                "  baseline       check {check} of {}, database cluster {identifier}",
                date(&baseline.time)
            );
        }
        None => text.push_str("  baseline       none: no check has found the data good yet\n"),
    }
    match &report.status.last_check {
        Some(check) => {
            let when = moment(&check.time, now);
            let _ = writeln!(
                text,
                "  last check     {:?} ({}): {}, {when}",
                check.outcome, check.reason, check.name
            );
        }
        None => text.push_str("  last check     never\n"),
    }
}

fn describe_backups(text: &mut String, report: &DatabaseOverview, now: Timestamp) {
    let status = &report.status;
    let describe = |backup: &BackupSummary| {
        format!(
            "{:?}: {}, {}",
            backup.state,
            backup.name,
            moment(&backup.time, now)
        )
    };
    if !report.backup_wanted && status.last_backup.is_none() {
        text.push_str("  backup         none: spec.backup is not set\n");
        return;
    }
    let _ = writeln!(
        text,
        "  last backup    {}",
        status
            .last_backup
            .as_ref()
            .map_or_else(|| "never".to_owned(), describe)
    );
    if status.last_good_backup != status.last_backup {
        let _ = writeln!(
            text,
            "  last good one  {}",
            status
                .last_good_backup
                .as_ref()
                .map_or_else(|| "never".to_owned(), describe)
        );
    }
    if let Some(turn) = status
        .backup_turn
        .as_ref()
        .filter(|turn| turn.given.is_none())
    {
        let _ = writeln!(text, "  waits          {}", describe_turn(turn, now));
    }
    let next = status
        .next_backup
        .as_ref()
        .map_or_else(|| "not planned".to_owned(), |next| moment(next, now));
    let _ = writeln!(text, "  next backup    {next}");
}

/// How long a restore takes, and how old the data is that surely can be restored: nothing before anybody has asked
/// for drills.
fn describe_drills(text: &mut String, report: &DatabaseOverview, now: Timestamp) {
    let status = &report.status;
    let Some(condition) = find_condition(&status.conditions, ConditionType::RestoreProven) else {
        return;
    };
    let last = status.last_drill.as_ref().map_or_else(
        || "never".to_owned(),
        |drill| {
            let when = moment(&drill.time, now);
            let of = drill.backup.as_deref().unwrap_or("no backup");
            let class = drill.class.as_ref();
            let class = class.map_or_else(String::new, |class| format!(" ({class})"));
            format!("{:?}{class}: of {of}, {when}", drill.state)
        },
    );
    let _ = writeln!(text, "  last drill     {last}");
    let next = status
        .next_drill
        .as_ref()
        .map_or_else(|| "not planned".to_owned(), |next| moment(next, now));
    let _ = writeln!(text, "  next drill     {next}");
    let proven = status.last_proven.as_ref();
    let took = proven.and_then(|proven| say_times(&proven.times));
    let took = took.unwrap_or_else(|| "not known: no backup is proven".to_owned());
    let _ = writeln!(text, "  RTO            {took}");
    let age = proven.map_or_else(
        || "not known: no backup is proven".to_owned(),
        |proven| {
            let when = moment(&proven.backup_time, now);
            format!(
                "data of {when}: {}, the newest proven backup",
                proven.backup
            )
        },
    );
    let _ = writeln!(text, "  RPO            {age}");
    if condition.status == "False" && !report.what_to_do.contains(&condition.message) {
        let _ = writeln!(text, "  drills         {}", condition.message);
    }
}

/// Which backup waits for its turn, and for how many.
fn describe_turn(turn: &BackupTurn, now: Timestamp) -> String {
    let names = if turn.ahead_names.is_empty() {
        String::new()
    } else {
        format!(", of this namespace {}", turn.ahead_names.join(", "))
    };
    format!(
        "backup {} for its turn, since {}: {} before it{names}; at most {} run at once",
        turn.backup,
        moment(&turn.since, now),
        turn.ahead,
        turn.at_most
    )
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
