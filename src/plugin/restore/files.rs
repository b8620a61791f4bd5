//! What `restore` says and asks for the files of a backup: one `DatabaseRestore` for each directory. Pure.

use std::fmt::Write as _;

use kube::ResourceExt as _;

use super::question::Chosen;
use crate::api::{
    BackupDirectory, DatabaseRestore, DatabaseRestoreSpec, ProtectedDatabase, RestoreSource,
    RestoreTarget, RestoredDirectory, RestoredFiles, place,
};
use crate::wording::{build_table, escaped, number};

/// How files are restored.
#[derive(Clone, Copy, Debug)]
pub struct WantedFiles {
    pub into: RestoreTarget,
    pub accept_suspect: bool,
    pub accept_writers: bool,
}

/// The directories that the backups of a database have, by its spec.
#[must_use]
pub fn directories(database: &ProtectedDatabase) -> &[BackupDirectory] {
    let backup = database.spec.backup.as_ref();
    backup.map_or(&[], |backup| &backup.directories)
}

/// What will happen with files.
#[must_use]
pub fn describe_files(database: &ProtectedDatabase, wanted: WantedFiles) -> String {
    let mut text = String::from("What happens with files, one directory after the other:\n");
    for directory in directories(database) {
        let _ = writeln!(
            text,
            "  - {}",
            escaped(&place(&directory.claim, &directory.path))
        );
    }
    text.push_str(
        "  - the archive is compared with its digest before anything of it is unpacked\n  - it is unpacked into a \
         new directory of the same claim, and every file is read again and compared with the backup\n",
    );
    if wanted.into == RestoreTarget::Replace {
        text.push_str(
            "  - then that takes the name of the present one, which is kept on the claim as \
             NAME.before-restore-…\n",
        );
        text.push_str(if wanted.accept_writers {
            "  - what pods write meanwhile is only in what is kept\n"
        } else {
            "  - it waits until no pod may write there: stop the application, and start it again afterwards\n"
        });
    } else {
        text.push_str("  - the present directory stays as it is\n");
    }
    text
}

/// The restores of all directories, in the order of the spec.
#[must_use]
pub fn build_restores(
    database: &ProtectedDatabase,
    chosen: &Chosen<'_>,
    wanted: WantedFiles,
) -> Vec<DatabaseRestore> {
    let name = database.name_any();
    let all = directories(database).iter();
    all.map(|directory| {
        let spec = DatabaseRestoreSpec {
            database: name.clone(),
            from: RestoreSource {
                backup: Some(chosen.backup.name_any()),
                ..RestoreSource::default()
            },
            into: wanted.into,
            dry_run: None,
            confirm: (wanted.into == RestoreTarget::Replace)
                .then(|| database.metadata.uid.clone())
                .flatten(),
            accept_suspect: wanted.accept_suspect.then_some(true),
            tables: Vec::new(),
            files: Some(RestoredFiles {
                claim: directory.claim.clone(),
                path: directory.path.clone(),
                // The entries of a whole claim are moved one by one.
                accept_writers: (wanted.accept_writers && !directory.path.is_empty())
                    .then_some(true),
            }),
        };
        let mut restore = DatabaseRestore::new("", spec);
        restore.metadata.name = None;
        restore.metadata.generate_name = Some(format!("{name}-files-"));
        restore
    })
    .collect()
}

/// The counts of a directory side by side.
#[must_use]
pub fn build_files_table(files: &RestoredDirectory) -> String {
    let cell = |amount: Option<i64>| amount.map_or_else(|| "-".to_owned(), number);
    let row = vec![
        escaped(&place(&files.claim, &files.path)),
        cell(files.files_before),
        cell(files.expected_files),
        cell(files.files),
        cell(files.bytes),
        if files.is_identical { "yes" } else { "no" }.to_owned(),
        files
            .kept_as
            .as_deref()
            .map_or_else(|| "-".to_owned(), escaped),
    ];
    build_table(
        &[
            "FILES OF",
            "BEFORE",
            "IN THE BACKUP",
            "RESTORED",
            "BYTES",
            "SAME BYTES",
            "WHAT WAS THERE",
        ],
        &[row],
    )
}
