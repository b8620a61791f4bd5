//! What would be lost with an object, in words. Pure.

use std::fmt::Write as _;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::Target;
use crate::api::{CONFIRMATION_LIMIT, ConditionType, ConfirmedVerb, find_condition};
use crate::guard::{loss_summary, marked_owner};
use crate::incident::DatabaseOverview;
use crate::wording::{date, moment};

/// How many databases are listed; the rest is a number.
const LISTED: usize = 20;

/// What is known of the databases that an object holds or leads to.
#[derive(Clone, Debug, PartialEq)]
pub enum Databases {
    /// These.
    Known(Vec<DatabaseOverview>),
    /// They can't be read, because of this.
    Unknown(String),
}

/// Everything that the user should read before confirming, ending with a line break.
pub fn describe_loss(target: &Target, databases: &Databases, now: Timestamp) -> String {
    let mut text = format!("{} (uid {})\n", target.title(), target.uid());
    match marked_owner(&target.metadata) {
        Some(owner) => {
            let _ = writeln!(text, "  guarded by ProtectedDatabase {owner}");
        }
        None => text.push_str("  guarded by Holdfast\n"),
    }
    if target.metadata.deletion_timestamp.is_some() {
        text.push_str(
            "  it is being deleted already: the deletion goes on as soon as it is confirmed\n",
        );
    }
    if let Some(noted) = loss_summary(&target.metadata) {
        let _ = writeln!(text, "  holds {noted}");
    }
    match target.verb {
        ConfirmedVerb::Delete => {
            text.push_str("\nIf it is deleted:\n");
            let _ = writeln!(text, "  - {}", target.kind.consequence());
        }
        ConfirmedVerb::Change => text.push_str(
            "\nIf it is changed:\n  - what guards it can be removed, and nothing refuses its \
             deletion then\n  - what leads to the data can be changed: reclaim policy, claim, mounts\n",
        ),
    }
    match databases {
        Databases::Known(databases) => list_databases(&mut text, databases, now),
        Databases::Unknown(why) => {
            let _ = writeln!(text, "  - NOT KNOWN which databases: {why}");
        }
    }
    text
}

fn list_databases(text: &mut String, databases: &[DatabaseOverview], now: Timestamp) {
    for database in databases.iter().take(LISTED) {
        let ready = if database.ready { "ready" } else { "NOT READY" };
        let _ = writeln!(
            text,
            "  - ProtectedDatabase {}/{}: database {} of {}, {ready}",
            database.namespace, database.name, database.database, database.workload
        );
        let status = &database.status;
        if let Some(reset) = find_condition(&status.conditions, ConditionType::DataReset)
            .filter(|reset| reset.status == "True")
        {
            let _ = writeln!(text, "      its data looks reset ({})", reset.reason);
        }
        let check = status.last_check.as_ref();
        let check = check.map_or_else(
            || "never".to_owned(),
            |check| format!("{:?}, {}", check.outcome, moment(&check.time, now)),
        );
        let _ = writeln!(text, "      last check:       {check}");
        let backup = status.last_good_backup.as_ref();
        let backup = backup.map_or_else(
            || "THERE IS NONE".to_owned(),
            |backup| format!("{}, {}", backup.name, moment(&backup.time, now)),
        );
        let _ = writeln!(text, "      last good backup: {backup}");
    }
    if databases.len() > LISTED {
        let _ = writeln!(text, "  - and {} more databases", databases.len() - LISTED);
    }
}

/// How long a confirmation is good for, in words.
pub fn minutes() -> String {
    format!("{} minutes", CONFIRMATION_LIMIT.as_secs() / 60)
}

/// What remains to be done until `end`, once it is confirmed.
pub fn describe_confirmed(target: &Target, end: Timestamp, now: Timestamp) -> String {
    if target.verb == ConfirmedVerb::Delete && target.metadata.deletion_timestamp.is_some() {
        return "Confirmed. It is being deleted, and that goes on now.\n".to_owned();
    }
    let end = Time(end);
    let until = format!("Confirmed until {}, {}", date(&end), moment(&end, now));
    let revoke = format!(
        "To revoke the confirmation:\n\n  {}\n",
        target.revoke_command()
    );
    if target.verb == ConfirmedVerb::Change {
        return format!(
            "{until}. Nothing is changed yet; until then the change that was refused works. \
             {revoke}"
        );
    }
    let left = match target.kind.kind {
        "PersistentVolumeClaim" => {
            "\nIts volume stays, and stays guarded: confirm and delete it separately."
        }
        "PersistentVolume" => "\nIts files stay where they are: the reclaim policy is Retain.",
        "Namespace" => {
            "\nThe claims, workloads and ProtectedDatabases in it are guarded one by one: each \
             must be confirmed too."
        }
        _ => "",
    };
    format!(
        "{until}. Nothing is deleted yet; until then this works:\n\n  {}\n\n{revoke}{left}{}",
        target.delete_command(),
        if left.is_empty() { "" } else { "\n" },
    )
}

#[cfg(test)]
#[path = "loss_summary_tests.rs"]
mod tests;
