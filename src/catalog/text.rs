//! What `holdfast backup` prints. Names come from the bucket, so control characters are escaped. Pure.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::api::reasons;
use crate::store::{
    CatalogSet, Decision, MAIN_DUMP_NAME, Manifest, ManifestDirectory, ManifestObject,
    RolePasswords, SetContents, VerdictKind, rows_of,
};
use crate::wording::{build_table, count, escaped, number};

/// One line per set, the newest last.
pub fn list(sets: &[CatalogSet]) -> String {
    if sets.is_empty() {
        return "no backup is there. Is --prefix what spec.backup.storage.s3.prefix says?\n"
            .to_owned();
    }
    let rows: Vec<Vec<String>> = sets.iter().map(row).collect();
    build_table(
        &["STATE", "CONFIRMED BY", "TAKEN", "ROWS", "BYTES", "SET"],
        &rows,
    )
}

fn row(set: &CatalogSet) -> Vec<String> {
    let nothing = || "-".to_owned();
    let manifest = set.manifest.as_ref().map(|(manifest, _)| manifest);
    let by = set
        .verdicts
        .read
        .iter()
        .find(|verdict| verdict.verdict == VerdictKind::Confirmed);
    vec![
        set.facts.contents.word().to_owned(),
        by.map_or_else(nothing, |verdict| escaped(&verdict.check)),
        manifest.map_or_else(nothing, |one| one.identity.snapshot_time.0.to_string()),
        manifest.map_or_else(nothing, |one| figure(rows_of(one))),
        figure(set.stored_bytes),
        escaped(&set.facts.path),
    ]
}

/// What would become of each set, and why.
pub fn plan(decisions: &[Decision<'_>]) -> String {
    if decisions.is_empty() {
        return "No set is confirmed, so nothing would be removed.\n".to_owned();
    }
    let rows: Vec<Vec<String>> = decisions
        .iter()
        .map(|decision| {
            let what = if decision.removed { "remove" } else { "keep" };
            vec![
                what.to_owned(),
                decision.set.contents.word().to_owned(),
                escaped(&decision.set.path),
                decision.why.to_string(),
            ]
        })
        .collect();
    build_table(&["PLAN", "STATE", "SET", "WHY"], &rows)
}

fn figure(value: u64) -> String {
    number(i64::try_from(value).unwrap_or(i64::MAX))
}

/// Everything that is known of one set.
pub fn show(set: &CatalogSet) -> String {
    let mut text = format!(
        "{}: {}\n",
        escaped(&set.facts.path),
        set.facts.contents.word()
    );
    match &set.facts.contents {
        SetContents::Unfinished => text.push_str(
            "There is no manifest: the backup runs, or ended before it was complete. It is no \
             backup.\n",
        ),
        SetContents::Unreadable(why) => {
            let _ = writeln!(text, "The manifest can't be read: {}", escaped(why));
        }
        SetContents::Set(_) => {}
    }
    for fault in &set.faults {
        let _ = writeln!(text, "Incomplete: {}", escaped(fault));
    }
    if let Some((manifest, sha256)) = &set.manifest {
        describe(&mut text, manifest, sha256);
    }
    for why in &set.verdicts.unread {
        let _ = writeln!(text, "Whether it counts is not known: {}", escaped(why));
    }
    for verdict in &set.verdicts.read {
        let what = match verdict.verdict {
            VerdictKind::Confirmed => "confirmed",
            VerdictKind::Demoted => "demoted",
        };
        let reason = verdict.reason.as_deref().unwrap_or_default();
        let by = if reason == reasons::SET_DAMAGED {
            "Job"
        } else {
            "check"
        };
        let _ = writeln!(
            text,
            "{what} by {by} {} at {} {}",
            escaped(&verdict.check),
            verdict.time.0,
            escaped(reason)
        );
    }
    text
}

fn describe(text: &mut String, manifest: &Manifest, sha256: &str) {
    let identity = &manifest.identity;
    let of = &manifest.protected_database;
    let _ = writeln!(
        text,
        "taken {} by the database's clock, of {}/{} (UID {})\nPostgres {}, system identifier {}, \
         timeline {}, position {}\nmanifest SHA-256 {sha256}",
        identity.snapshot_time.0,
        escaped(&of.namespace),
        escaped(&of.name),
        escaped(&of.uid),
        escaped(&manifest.server_version),
        escaped(&identity.system_identifier),
        identity.timeline,
        escaped(&identity.wal_position),
    );
    if let Some(why) = &manifest.why {
        let _ = writeln!(text, "suspect: {}", escaped(why));
    }
    if !manifest.recipients.is_empty() {
        let _ = writeln!(
            text,
            "encrypted with age for {}; roles {} the hashes of their passwords",
            escaped(&manifest.recipients.join(", ")),
            match manifest.role_passwords {
                Some(RolePasswords::Included) => "have",
                Some(RolePasswords::NotReadable) | None => "do not have",
            }
        );
    }
    for database in &manifest.databases {
        let tables = i64::try_from(database.tables.len()).unwrap_or(i64::MAX);
        let _ = writeln!(
            text,
            "database {}: {} rows in {}, in {}",
            escaped(&database.name),
            figure(database.rows),
            count(tables, "table"),
            escaped(&database.object)
        );
    }
    for directory in &manifest.directories {
        describe_directory(text, directory);
    }
}

fn describe_directory(text: &mut String, directory: &ManifestDirectory) {
    let figures = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let of = if directory.path.is_empty() {
        format!("claim {}", escaped(&directory.claim))
    } else {
        format!(
            "directory {} of claim {}",
            escaped(&directory.path),
            escaped(&directory.claim)
        )
    };
    let _ = writeln!(
        text,
        "{of}: {} with {}, in {}",
        count(figures(directory.files), "file"),
        count(figures(directory.bytes), "byte"),
        escaped(&directory.object)
    );
    for (number, what) in [
        (directory.changed, "written to while they were read"),
        (directory.vanished, "removed before they were read"),
        (directory.special, "left out: sockets, pipes or devices"),
        (directory.unread, "NOT READ"),
    ] {
        if number > 0 {
            let _ = writeln!(text, "  {}: {what}", figure(number));
        }
    }
    for remark in &directory.remarks {
        let _ = writeln!(text, "  {}", escaped(remark));
    }
}

/// What re-reading a set has found.
pub fn verified(set: &CatalogSet, faults: &[String], is_decrypted: bool) -> String {
    let path = escaped(&set.facts.path);
    if faults.is_empty() {
        let objects = set
            .manifest
            .as_ref()
            .map_or(0, |(manifest, _)| manifest.objects.len());
        let objects = count(i64::try_from(objects).unwrap_or(i64::MAX), "object");
        let decrypted = if is_decrypted {
            ", and the private key reads all of them"
        } else {
            ""
        };
        return format!(
            "{path}: {objects} read, each has the bytes that were stored{decrypted}. The set is {}\n",
            set.facts.contents.word()
        );
    }
    let mut text = format!("{path}: damaged. Do not restore from it\n");
    for fault in faults {
        let _ = writeln!(text, "{}", escaped(fault));
    }
    text
}

/// What was written, and what to do with it.
pub fn fetched(set: &CatalogSet, to: &Path, written: &[PathBuf], is_decrypted: bool) -> String {
    let mut text = String::new();
    for file in written {
        let _ = writeln!(text, "{}", file.display());
    }
    let steps = "docs/backup.md has the steps";
    let how = match set
        .manifest
        .as_ref()
        .and_then(|(manifest, _)| main_dump(manifest))
    {
        Some(dump) if dump.encryption.is_some() && !is_decrypted => format!(
            "age -d -i KEY {}/{} | zstd -d | pg_restore, with the private key of a recipient; {steps}",
            to.display(),
            escaped(&dump.name),
        ),
        _ => format!(
            "zstd -d {}/{MAIN_DUMP_NAME}, then pg_restore; {steps}",
            to.display()
        ),
    };
    let _ = writeln!(
        text,
        "The set is {}. To restore it: {how}",
        set.facts.contents.word()
    );
    text
}

/// The object of the main database.
fn main_dump(manifest: &Manifest) -> Option<&ManifestObject> {
    let name = &manifest.databases.first()?.object;
    manifest.objects.iter().find(|object| object.name == *name)
}
