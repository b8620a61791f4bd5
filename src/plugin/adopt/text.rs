//! What `adopt` prints of a bucket. Names come from the bucket, so control characters are escaped. Pure.

use std::fmt::Write as _;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::groups::{Found, Group, KnownSet};
use super::place::Place;
use crate::store::{CatalogSet, VerdictKind, rows_of};
use crate::wording::{count, date, escaped};

/// How many sets that do not count are named of each database.
const NEWER: usize = 5;

/// Every database in the bucket, with the newest set that counts, and what is newer and does not.
pub fn list(found: &Found<'_>, place: &Place) -> String {
    if found.groups.is_empty() && found.others.is_empty() {
        return format!("There is no backup set below {place}. Is the prefix right?\n");
    }
    let mut text = String::new();
    for group in &found.groups {
        describe_group(&mut text, group);
    }
    if !found.others.is_empty() {
        let _ = writeln!(
            text,
            "Not finished, or cannot be read: {}, such as",
            count(length(&found.others), "set")
        );
        for other in found.others.iter().take(NEWER) {
            let _ = writeln!(text, "  {}", describe_other(other));
        }
        text.push('\n');
    }
    if found
        .groups
        .iter()
        .any(|group| group.newest_confirmed().is_some())
    {
        let _ = writeln!(
            text,
            "To restore the newest that counts into a ProtectedDatabase of this cluster:\n  kubectl holdfast \
             adopt {place} --database NAMESPACE/NAME --into NAME -n NAMESPACE"
        );
    }
    text
}

fn describe_group(text: &mut String, group: &Group<'_>) {
    let cluster = group.owner.kubernetes_cluster.as_deref();
    let cluster = cluster.map_or_else(
        || "an unknown Kubernetes cluster".to_owned(),
        |uid| format!("Kubernetes cluster {}", escaped(uid)),
    );
    let _ = writeln!(
        text,
        "{}: {} of {cluster}, ProtectedDatabase {}",
        escaped(&group.database),
        count(length(&group.sets), "set"),
        escaped(&group.owner.database_uid)
    );
    match group.newest_confirmed() {
        Some(set) => {
            let _ = writeln!(text, "  newest that counts: {}", describe_set(&set));
        }
        None => text.push_str("  NONE COUNTS AS GOOD\n"),
    }
    let newer = group.newer();
    for set in newer.iter().take(NEWER) {
        let _ = writeln!(text, "  does not count: {}", describe_set(set));
    }
    if newer.len() > NEWER {
        let more = length(&newer) - length(&newer[..NEWER]);
        let _ = writeln!(text, "  and {} that do not count", count(more, "more set"));
    }
    text.push('\n');
}

/// A set on two lines: when it was taken, what is in it, what is known of it, and where it is.
pub fn describe_set(set: &KnownSet<'_>) -> String {
    let rows = i64::try_from(rows_of(set.manifest)).unwrap_or(i64::MAX);
    let names: Vec<String> = set
        .manifest
        .databases
        .iter()
        .map(|database| escaped(&database.name))
        .collect();
    let by = set.set.verdicts.read.iter().find(|verdict| {
        let is_about = verdict.manifest_sha256 == set.record.manifest_sha256;
        is_about && (verdict.verdict == VerdictKind::Confirmed) == set.counts()
    });
    let by = by.map_or_else(String::new, |verdict| {
        format!(" by check {}", escaped(&verdict.check))
    });
    let encrypted = if set.manifest.recipients.is_empty() {
        ""
    } else {
        ", encrypted"
    };
    format!(
        "{}, {} in {}, {}{by}{encrypted}\n    {}",
        date(&Time(set.record.snapshot_time)),
        count(rows, "row"),
        names.join(", "),
        set.set.facts.contents.word(),
        escaped(set.path())
    )
}

fn describe_other(set: &CatalogSet) -> String {
    format!(
        "{}: {}",
        escaped(&set.facts.path),
        set.facts.contents.word()
    )
}

fn length<T>(items: &[T]) -> i64 {
    i64::try_from(items.len()).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
