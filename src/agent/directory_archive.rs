//! Archiving a directory of a claim into an upload: a thread reads the files, another one compresses and
//! encrypts them, and what is ready is sent. It ends when nobody waits for it any more.

use std::io::{Error, ErrorKind, Write};
use std::path::PathBuf;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::sync::mpsc;

use crate::api::{AgentFailure, BackupDirectory, place, reasons, whole_seconds};
use crate::store::{ManifestDirectory, ObjectStore, Upload};

use super::directory_walk::{Walked, walk_into};
use super::dump_stream::{Frame, Inspector, PIECE, WAITING, start_from};
use super::encryption::Recipients;
use super::meter::BackupMeter;

/// A directory that was archived.
pub struct ArchivedDirectory {
    /// What the manifest says of it.
    pub directory: ManifestDirectory,
    /// Bytes before compression.
    pub raw_size: u64,
    pub frames: Vec<Frame>,
}

/// Archives a directory of the claim that is mounted at `claim` into an upload, under that name.
pub async fn archive_directory<S: ObjectStore>(
    asked: &BackupDirectory,
    claim: PathBuf,
    recipients: &Recipients,
    (name, meter): (&str, &BackupMeter),
    upload: &mut Upload<S>,
) -> Result<ArchivedDirectory, AgentFailure> {
    let started_at = whole_seconds(&Time(Timestamp::now()));
    let (sender, pieces) = mpsc::channel(WAITING);
    let path = asked.path.clone();
    let walking = tokio::task::spawn_blocking(move || {
        let writer = Pieces {
            sender: sender.clone(),
            waiting: Vec::with_capacity(PIECE),
        };
        walk_into(&claim, &path, writer).inspect_err(|error| {
            // What was sent so far is no archive.
            let _abandoned = sender.blocking_send(Err(Error::other(error.to_string())));
        })
    });
    meter.begin_claim(&asked.claim);
    let shown = (name.to_owned(), meter.clone());
    let (mut compressed, worker) = start_from(pieces, Inspector::Own, recipients.clone(), shown);
    while let Some(bytes) = compressed.recv().await {
        upload.write(&bytes).await.map_err(AgentFailure::from)?;
        meter.note_stored(upload.size());
    }
    let failure = |why: String| AgentFailure {
        reason: reasons::DUMP_FAILED.to_owned(),
        message: format!(
            "the files of {} could not be archived: {why}",
            place(&asked.claim, &asked.path)
        ),
    };
    let inspected = worker.await.map_err(|error| failure(error.to_string()))?;
    let walked = walking.await.map_err(|error| failure(error.to_string()))?;
    let (walked, inspected) = match (walked, inspected) {
        (Ok(walked), Ok(inspected)) => (walked, inspected),
        // Where one of them ends, the other one only says that nobody listens.
        (Err(walked), Err(inspected)) => return Err(failure(format!("{walked}; {inspected}"))),
        (Err(error), Ok(_)) => return Err(failure(error.to_string())),
        (Ok(_), Err(error)) => return Err(failure(error.to_string())),
    };
    upload.seal().await.map_err(AgentFailure::from)?;
    tracing::info!(
        object = name,
        files = walked.files,
        bytes = walked.bytes,
        stored_bytes = upload.size(),
        unread = walked.unread,
        changed = walked.changed,
        "archived"
    );
    Ok(ArchivedDirectory {
        directory: describe_directory(asked, walked, name, started_at, recipients.is_encrypted()),
        raw_size: inspected.raw_size,
        frames: inspected.frames,
    })
}

/// Passes the archive on, piece by piece.
struct Pieces {
    sender: mpsc::Sender<std::io::Result<Vec<u8>>>,
    waiting: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Error> {
        let piece = std::mem::replace(&mut self.waiting, Vec::with_capacity(PIECE));
        self.sender
            .blocking_send(Ok(piece))
            .map_err(|_| Error::from(ErrorKind::BrokenPipe))
    }
}

/// Why a set with this directory does not count: what was asked for is not all in it.
fn find_fault(asked: &BackupDirectory, walked: &Walked, is_encrypted: bool) -> Option<String> {
    let what = place(&asked.claim, &asked.path);
    if let Some(why) = &walked.missing {
        return Some(format!(
            "{what} could not be opened, so no file of it is in the set: {why}. Correct \
             spec.backup.directories"
        ));
    }
    if let Some(path) = &walked.data_directory {
        return Some(format!(
            "{what} has a data directory of Postgres in it ({path}), and a copy of the files of a server is no \
             backup. Name another directory in spec.backup.directories"
        ));
    }
    if walked.unread == 0 {
        return None;
    }
    // The manifest can be read by everybody who may read the bucket.
    let first = walked.remarks.first().filter(|_| !is_encrypted);
    let first = first.map_or_else(String::new, |first| format!(", the first {first}"));
    Some(format!(
        "{} of {what} could not be read and {} not in the set{first}. Set runAsUser and \
         runAsGroup of spec.backup.directories to the owner of the files",
        if walked.unread == 1 {
            "1 entry".to_owned()
        } else {
            format!("{} entries", walked.unread)
        },
        if walked.unread == 1 { "is" } else { "are" },
    ))
}

fn describe_directory(
    asked: &BackupDirectory,
    walked: Walked,
    object: &str,
    started_at: Time,
    is_encrypted: bool,
) -> ManifestDirectory {
    ManifestDirectory {
        fault: find_fault(asked, &walked, is_encrypted),
        claim: asked.claim.clone(),
        path: asked.path.clone(),
        object: object.to_owned(),
        started_at,
        completed_at: whole_seconds(&Time(Timestamp::now())),
        files: walked.files,
        directories: walked.directories,
        links: walked.links,
        bytes: walked.bytes,
        blake3: walked.blake3,
        special: walked.special,
        changed: walked.changed,
        vanished: walked.vanished,
        unread: walked.unread,
        remarks: if is_encrypted {
            Vec::new()
        } else {
            walked.remarks
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_and_no_name_of_a_file_where_the_set_is_encrypted() {
        let asked = BackupDirectory {
            claim: "uploads".to_owned(),
            path: "images".to_owned(),
            ..BackupDirectory::default()
        };
        let whole = Walked {
            changed: 3,
            vanished: 2,
            special: 1,
            ..Walked::default()
        };
        assert_eq!(find_fault(&asked, &whole, false), None, "a life goes on");
        let unread = Walked {
            unread: 2,
            remarks: vec!["private/key: Permission denied".to_owned()],
            ..Walked::default()
        };
        let plain = find_fault(&asked, &unread, false).unwrap_or_default();
        assert!(plain.contains("2 entries") && plain.contains("private/key"));
        let encrypted = find_fault(&asked, &unread, true).unwrap_or_default();
        assert!(!encrypted.contains("private/key"), "{encrypted}");
        let missing = Walked {
            missing: Some("No such file or directory".to_owned()),
            ..Walked::default()
        };
        let missing = find_fault(&asked, &missing, false).unwrap_or_default();
        assert!(missing.contains("could not be opened"), "{missing}");
    }
}
