//! What a restore of files finds in the manifest and says: what stands against it, and what was done. Pure.

use crate::api::{AgentFailure, FilesToRestore, RestorePhase, RestoreReport, place, reasons};
use crate::store::{Manifest, ManifestDirectory, ManifestObject, is_object_name};
use crate::wording::{count, number, quoted};

use super::claim_work::{ClaimWork, Space};
use super::present_files::PresentFiles;
use super::unpack::Unpacked;

/// The longest text of others that is quoted.
const SHOWN: usize = 300;

/// The directory that was asked for, and its archive. The manifest was hashed, and is not trusted.
pub fn find_directory<'a>(
    manifest: &'a Manifest,
    asked: &FilesToRestore,
) -> Result<(&'a ManifestDirectory, &'a ManifestObject), String> {
    let what = place(&asked.claim, &asked.path);
    let mut all = manifest.directories.iter();
    let found = all.find(|one| one.claim == asked.claim && one.path == asked.path);
    let Some(directory) = found else {
        let there: Vec<String> = manifest
            .directories
            .iter()
            .map(|one| quoted(&place(&one.claim, &one.path), SHOWN))
            .collect();
        let there = if there.is_empty() {
            "no directory".to_owned()
        } else {
            there.join(", ")
        };
        return Err(format!("the set does not have {what}: it has {there}"));
    };
    let mut objects = manifest.objects.iter();
    let object = objects.find(|object| object.name == directory.object);
    let is_archive = |object: &&ManifestObject| {
        let mut dumps = manifest.databases.iter();
        is_object_name(&object.name) && dumps.all(|dump| dump.object != object.name)
    };
    match object.filter(is_archive) {
        Some(object) => Ok((directory, object)),
        None => Err(format!("the set has no archive of {what}")),
    }
}

/// What the set does not have of the directory.
pub fn lacks(directory: &ManifestDirectory) -> Option<String> {
    let fault = directory.fault.as_ref()?;
    Some(format!("the set is not complete: {}", quoted(fault, SHOWN)))
}

/// The files of a server are never replaced by this, and what can't be seen may be those.
pub fn refuse_present(what: &str, present: &PresentFiles) -> Result<(), AgentFailure> {
    if let Some(data) = &present.data_directory {
        return Err(refused(&format!(
            "{what} has a data directory of Postgres in it ({}), which is not replaced by files of a backup. \
             Restore it beside: into: Beside",
            quoted(data, SHOWN)
        )));
    }
    match &present.unread {
        None => Ok(()),
        Some(why) => Err(refused(&format!(
            "not all of {what} can be looked into ({}), so it is not known what would be replaced: it may be the \
             data of a server. Set runAsUser and runAsGroup of spec.backup.directories to the owner of the files",
            quoted(why, SHOWN)
        ))),
    }
}

pub fn look_at_space(what: &str, space: Space) -> Result<Option<String>, AgentFailure> {
    let bytes = |amount: u64| number(i64::try_from(amount).unwrap_or(i64::MAX));
    if space.needed > space.free {
        return Err(AgentFailure {
            reason: reasons::DISK_TOO_SMALL.to_owned(),
            message: format!(
                "{what} needs {} bytes beside what is there, and {} are free. Nothing was made. Expand the claim, \
                 or remove what earlier restores have kept (NAME.before-restore-…)",
                bytes(space.needed),
                bytes(space.free)
            ),
        });
    }
    let left = space.free - space.needed;
    Ok((left < space.all / 10).then(|| {
        format!(
            "less than 10 % of the disk stays free: {} bytes",
            bytes(left)
        )
    }))
}

pub fn describe_owners(unpacked: &Unpacked) -> Option<String> {
    let others = i64::try_from(unpacked.other_owner).unwrap_or(i64::MAX);
    (others > 0).then(|| {
        format!(
            "of {}, directories and links the owner is not that of the backup, because the agent is not root, but \
             the agent's user: runAsUser of spec.backup.directories",
            count(others, "file")
        )
    })
}

/// What is left to say once the new directory has its name.
pub fn describe_done(
    report: &mut RestoreReport,
    work: &ClaimWork,
    directory: &ManifestDirectory,
    is_beside: bool,
) {
    report.phase = Some(RestorePhase::Done);
    let files = report.files.get_or_insert_default();
    files.files = i64::try_from(directory.files).ok();
    files.bytes = i64::try_from(directory.bytes).ok();
    files.is_identical = true;
    files.restored_as = Some(work.restored_as());
    files.kept_as = work.kept_as().filter(|_| !is_beside);
    let what = quoted(&place(&files.claim, &files.path), SHOWN);
    let amount = count(files.files.unwrap_or_default(), "file");
    let kept = match (&files.kept_as, is_beside) {
        (_, true) => format!(
            "It is beside what is there, as {}",
            quoted(&work.restored_as(), SHOWN)
        ),
        (Some(kept), _) => format!(
            "What was there is kept as {} on the claim; remove it when nobody misses it",
            quoted(kept, SHOWN)
        ),
        (None, _) => "Nothing was in its place".to_owned(),
    };
    report.message = Some(format!(
        "{what} is restored: {amount}, {} bytes, every byte as in the manifest. {kept}",
        number(files.bytes.unwrap_or_default())
    ));
}

/// It is refused, and nothing was made.
#[must_use]
pub fn refused(why: &str) -> AgentFailure {
    AgentFailure {
        reason: reasons::RESTORE_REFUSED.to_owned(),
        message: why.to_owned(),
    }
}
