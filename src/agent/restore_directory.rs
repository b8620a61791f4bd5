//! Restores the files of one directory of a set: hashed before they are unpacked, unpacked beside, compared with
//! the manifest on the disk, and only then in the place of what is there, which is kept.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant as Clock};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::api::{
    AgentFailure, FilesToRestore, RestorePhase, RestoreReport, RestoreRequest, RestoreTarget,
    RestoredDirectory, place, reasons,
};
use crate::store::{
    Identities, ManifestDirectory, ManifestObject, PieceReader, S3Store, StoreLimits, open_stored,
};
use crate::wording::{count, quoted};

use super::claim_work::{AfterFilesStep, ClaimWork, Left, NotBegun, differs};
use super::directory_swap::is_killed;
use super::present_files::look_at_present;
use super::restore_context::seconds;
use super::restore_directory_said::{
    describe_done, describe_owners, find_directory, lacks, look_at_space, refuse_present, refused,
};
use super::restore_fetch::{changed, explain, hash_object};
use super::restore_identity::read_identities_for;
use super::restore_order::RestoreWatcher;
use super::restore_standing::fetch_counting_manifest;
use super::unpack::{UnpackError, Unpacked};
use super::{Interrupt, MountedFiles};

/// Pieces that wait between two stages.
const WAITING: usize = 4;
/// How often it reports how far it is.
const SAY_INTERVAL: Duration = Duration::from_secs(2);
/// The longest text of others that is quoted.
const SHOWN: usize = 300;

/// Which directory is restored, and where its claim is.
#[derive(Clone)]
pub struct DirectoryOrder<'request> {
    pub request: &'request RestoreRequest,
    /// Where the credentials are, and the claim.
    pub files: &'request MountedFiles,
    pub limits: StoreLimits,
    /// What an earlier start has reported, or why that is not known.
    pub known: Result<Option<RestoreReport>, AgentFailure>,
    /// Called after each step on the claim.
    pub after: AfterFilesStep,
}

/// One restore of files, and its report.
struct Restoring<'a, W> {
    request: &'a RestoreRequest,
    asked: &'a FilesToRestore,
    watcher: &'a W,
    store: S3Store,
    report: Mutex<RestoreReport>,
}

/// A directory of the set with its archive.
#[derive(Clone)]
struct Archived {
    directory: ManifestDirectory,
    object: ManifestObject,
    identities: Option<Arc<Identities>>,
}

/// Restores it. An error is the end: what was there is as it was, or the message says what is not.
pub async fn restore_directory<W: RestoreWatcher>(
    order: DirectoryOrder<'_>,
    watcher: &W,
    interrupt: &Interrupt,
) -> Result<RestoreReport, AgentFailure> {
    let request = order.request;
    let Some(asked) = &request.files else {
        return Err(refused(
            "no directory is named, which is a fault of the operator",
        ));
    };
    let known = order.known.clone()?;
    let store = order
        .files
        .open_store(&request.storage, &request.namespace, order.limits)?;
    let restoring = Restoring {
        request,
        asked,
        watcher,
        store,
        report: Mutex::default(),
    };
    let (claim, path) = (order.files.claims.clone(), asked.path.clone());
    let (uid, is_beside) = (request.restore_uid.clone(), restoring.is_beside());
    let after = order.after.clone();
    let begun = blocking(move || ClaimWork::begin(&claim, &path, (&uid, is_beside), after)).await?;
    let (work, left, put_right) = begun.map_err(|why| restoring.not_begun(why))?;
    let work = Arc::new(work);
    if let Some(done) = known.filter(|report| report.phase == Some(RestorePhase::Done)) {
        finish(&work).await;
        return Ok(done);
    }
    restoring.note(|report| {
        report.phase = Some(RestorePhase::Preflight);
        report.message = Some("looking whether the claim can take the files".to_owned());
        report.warnings.extend(put_right);
    });
    let prepared = tokio::select! {
        biased;
        failure = interrupt.wait() => return Err(failure),
        prepared = restoring.prepare(&order, &work, left == Left::Nothing) => prepared,
    };
    let outcome = match prepared {
        Ok(archived) => Box::pin(restoring.carry_out(&work, archived, left, interrupt)).await,
        Err(failure) => Err(Failed::Before(failure)),
    };
    match outcome {
        Ok(()) => {
            // The next start relies on it, if this one ends here.
            watcher.keep().await?;
            finish(&work).await;
            Ok(restoring.snapshot())
        }
        // Another start goes on with what is there.
        Err(Failed::Ended(failure)) => Err(failure),
        Err(Failed::Before(failure)) if interrupt.is_stopped() => Err(failure),
        Err(Failed::Before(failure)) => Err(clear(&work, failure).await),
    }
}

/// How it has failed.
enum Failed {
    /// What was unpacked is of no use, and goes.
    Before(AgentFailure),
    /// Nothing is touched any more.
    Ended(AgentFailure),
}

impl From<AgentFailure> for Failed {
    fn from(failure: AgentFailure) -> Self {
        Self::Before(failure)
    }
}

impl<W: RestoreWatcher> Restoring<'_, W> {
    fn is_beside(&self) -> bool {
        self.request.into != RestoreTarget::Replace
    }

    fn not_begun(&self, why: NotBegun) -> AgentFailure {
        let place = place(&self.asked.claim, &self.asked.path);
        match why {
            NotBegun::Another => AgentFailure {
                reason: reasons::ANOTHER_IS_RUNNING.to_owned(),
                message: format!(
                    "another restore works beside {place}, so this one did nothing. Wait for it, then create \
                     another DatabaseRestore"
                ),
            },
            NotBegun::Refused(why) => refused(&format!("{place}: {why}")),
        }
    }

    fn snapshot(&self) -> RestoreReport {
        let report = self.report.lock();
        report.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, change: impl FnOnce(&mut RestoreReport)) {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut report);
        let shown = report.clone();
        drop(report);
        self.watcher.note(&shown);
    }

    /// Reads the manifest, and looks whether the claim can take what it says, unless an earlier start has
    /// unpacked all of it.
    async fn prepare(
        &self,
        order: &DirectoryOrder<'_>,
        work: &Arc<ClaimWork>,
        is_new: bool,
    ) -> Result<Archived, AgentFailure> {
        let (request, asked) = (self.request, self.asked);
        let manifest = fetch_counting_manifest(&self.store, request).await?;
        let (directory, object) = find_directory(&manifest, asked).map_err(|why| refused(&why))?;
        let is_encrypted = object.encryption.is_some();
        let identities = read_identities_for(request, order.files, &manifest, is_encrypted);
        let archived = Archived {
            directory: directory.clone(),
            object: object.clone(),
            identities: identities.map_err(|why| refused(&why))?,
        };
        self.note(|report| {
            report.total_bytes = i64::try_from(directory.bytes).ok();
            report.files = Some(RestoredDirectory {
                claim: asked.claim.clone(),
                path: asked.path.clone(),
                expected_files: i64::try_from(directory.files).ok(),
                expected_bytes: i64::try_from(directory.bytes).ok(),
                ..RestoredDirectory::default()
            });
            report.warnings.extend(lacks(directory));
        });
        if is_new {
            self.look_ahead(work, order.files.claims.clone(), directory)
                .await?;
        }
        Ok(archived)
    }

    /// Whatever stands against it, before anything is made.
    async fn look_ahead(
        &self,
        work: &Arc<ClaimWork>,
        claim: PathBuf,
        directory: &ManifestDirectory,
    ) -> Result<(), AgentFailure> {
        let (work, wanted, path) = (work.clone(), directory.clone(), self.asked.path.clone());
        let is_beside = self.is_beside();
        let looked = blocking(move || {
            let space = work.look_ahead(is_beside, &wanted);
            (space, look_at_present(&claim, &path))
        });
        let (space, present) = looked.await?;
        let what = place(&self.asked.claim, &self.asked.path);
        let space = space.map_err(|error| {
            refused(&format!(
                "{what} can't be restored as it is: {error}. If it is a matter of permissions, set runAsUser and \
                 runAsGroup of spec.backup.directories to the owner of the files"
            ))
        })?;
        self.note(|report| {
            if let Some(files) = &mut report.files {
                files.files_before = i64::try_from(present.files).ok();
            }
        });
        if !is_beside {
            refuse_present(&what, &present)?;
        }
        let warning = look_at_space(&what, space)?;
        self.note(|report| report.warnings.extend(warning));
        Ok(())
    }

    /// Everything that is done on the claim.
    async fn carry_out(
        &self,
        work: &Arc<ClaimWork>,
        archived: Archived,
        left: Left,
        interrupt: &Interrupt,
    ) -> Result<(), Failed> {
        if left == Left::Nothing {
            Box::pin(self.unpack_and_compare(work, &archived, interrupt)).await?;
        }
        self.note(|report| {
            report.phase = Some(RestorePhase::Swapping);
            report.message =
                Some("the new directory takes the place of the present one".to_owned());
        });
        let swapping = work.clone();
        // Not interrupted: it takes a moment, and must not stay half done.
        let swapped = blocking(move || swapping.swap(left)).await?;
        swapped.map_err(|error| {
            let failure = AgentFailure {
                reason: reasons::SWAP_FAILED.to_owned(),
                message: format!(
                    "{} could not be replaced: {error}",
                    place(&self.asked.claim, &self.asked.path)
                ),
            };
            if is_killed(&error) {
                Failed::Ended(failure)
            } else {
                Failed::Before(failure)
            }
        })?;
        self.note(|report| describe_done(report, work, &archived.directory, self.is_beside()));
        Ok(())
    }

    /// Reads the archive twice: all of it is hashed before any of it is parsed, and hashed again while it is.
    async fn unpack_and_compare(
        &self,
        work: &Arc<ClaimWork>,
        archived: &Archived,
        interrupt: &Interrupt,
    ) -> Result<(), Failed> {
        let Archived {
            directory, object, ..
        } = archived;
        let key = format!("{}/{}", self.request.path, object.name);
        self.note(|report| {
            report.phase = Some(RestorePhase::Hashing);
            report.message = Some(format!("comparing {} with its digest", object.name));
        });
        let begun = Clock::now();
        tokio::select! {
            biased;
            failure = interrupt.wait() => return Err(Failed::Before(failure)),
            hashed = hash_object(&self.store, &key, object) => hashed?,
        }
        let files = i64::try_from(directory.files).unwrap_or(i64::MAX);
        self.note(|report| {
            report.hash_seconds = seconds(begun);
            report.phase = Some(RestorePhase::Restoring);
            report.message = Some(format!("unpacking {}", count(files, "file")));
        });
        let begun = Clock::now();
        let unpacked = Box::pin(self.unpack(work, archived, &key, interrupt)).await?;
        self.note(|report| {
            report.restore_seconds = seconds(begun);
            report.restored_bytes = report.total_bytes;
            report.phase = Some(RestorePhase::Verifying);
            report.message = Some(format!("reading {} again", count(files, "file")));
        });
        let begun = Clock::now();
        let reading = work.clone();
        let read = blocking(move || reading.read_back())
            .await?
            .map_err(|error| AgentFailure {
                reason: reasons::RESTORE_DIFFERS.to_owned(),
                message: format!("what was unpacked could not be read again: {error}"),
            })?;
        if let Some(what) = differs(directory, &unpacked, &read) {
            return Err(Failed::Before(AgentFailure {
                reason: reasons::RESTORE_DIFFERS.to_owned(),
                message: format!(
                    "{} is not what the manifest says: {what}",
                    place(&self.asked.claim, &self.asked.path)
                ),
            }));
        }
        self.note(|report| {
            report.verify_seconds = seconds(begun);
            report.warnings.extend(describe_owners(&unpacked));
        });
        Ok(())
    }

    async fn unpack(
        &self,
        work: &Arc<ClaimWork>,
        archived: &Archived,
        key: &str,
        interrupt: &Interrupt,
    ) -> Result<Unpacked, Failed> {
        let (sender, stored) = mpsc::channel::<Bytes>(WAITING);
        let written = Arc::new(AtomicU64::new(0));
        let (object, identities) = (&archived.object, archived.identities.clone());
        let (unpacking, counted, encryption) = (work.clone(), written.clone(), object.encryption);
        let unpacked = blocking(move || {
            let odd = |why: String| UnpackError::Odd(why);
            let stored = open_stored(PieceReader::new(stored), encryption, identities.as_deref());
            let stored = stored.map_err(|why| odd(why.to_string()))?;
            let decoder = zstd::stream::read::Decoder::new(stored);
            let decoder = decoder.map_err(|error| odd(error.to_string()))?;
            unpacking.unpack(decoder, &counted)
        });
        let sending = async move {
            // Nothing is cleared while its thread still writes: that ends when nothing more is sent.
            let sent = tokio::select! {
                biased;
                failure = interrupt.wait() => Err(failure),
                sent = self.store.send_object(key, object.size, &sender) => Ok(sent),
            };
            drop(sender);
            sent
        };
        let both = async { tokio::join!(sending, unpacked) };
        let (fetched, unpacked) = tokio::select! {
            both = both => both,
            never = self.say_how_far(&written) => match never {},
        };
        let (fetched, unpacked) = (fetched?, unpacked?);
        match unpacked {
            Err(UnpackError::Ended) => Err(Failed::Ended(refused("it was ended"))),
            // The storage has stopped sending for this reason.
            Err(UnpackError::Disk(what)) => Err(Failed::Before(AgentFailure {
                reason: reasons::RESTORE_FAILED.to_owned(),
                message: format!("the files could not be written: {what}"),
            })),
            unpacked => {
                let sha256 = fetched.map_err(|error| explain(error, key))?;
                if sha256 != object.sha256 {
                    return Err(Failed::Before(changed(&format!(
                        "`{key}` had other bytes while it was unpacked than when it was hashed"
                    ))));
                }
                unpacked.map_err(|why| {
                    let why = match why {
                        UnpackError::Odd(why) | UnpackError::Disk(why) => why,
                        UnpackError::Ended => String::new(),
                    };
                    Failed::Before(refused(&format!(
                        "`{key}` is no archive of a directory: {}",
                        quoted(&why, SHOWN)
                    )))
                })
            }
        }
    }

    async fn say_how_far(&self, written: &AtomicU64) -> std::convert::Infallible {
        loop {
            sleep(SAY_INTERVAL).await;
            let bytes = written.load(Ordering::Relaxed);
            self.note(|report| report.restored_bytes = i64::try_from(bytes).ok());
        }
    }
}

/// Removes what was unpacked, if it has no other name by now, and says what is there.
async fn clear(work: &Arc<ClaimWork>, failure: AgentFailure) -> AgentFailure {
    let clearing = work.clone();
    let cleared = blocking(move || clearing.clear()).await;
    let what_is_there = match cleared {
        Ok(Ok(true)) => "What was there is unchanged".to_owned(),
        Ok(Ok(false)) => {
            "Not every name is as it was: the next restore of this directory finishes it".to_owned()
        }
        Ok(Err(error)) => {
            format!("What was there is unchanged. What was unpacked could not be removed: {error}")
        }
        Err(failed) => failed.message,
    };
    AgentFailure {
        message: format!("{}. {what_is_there}", failure.message.trim_end_matches('.')),
        ..failure
    }
}

async fn finish(work: &Arc<ClaimWork>) {
    let finishing = work.clone();
    let finished = blocking(move || finishing.finish()).await;
    if let Ok(Err(error)) = finished {
        tracing::warn!("the file that says how far the restore is could not be removed: {error}");
    }
}

/// Runs what waits for the disk in a thread of its own.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, AgentFailure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| AgentFailure {
            reason: reasons::RESTORE_FAILED.to_owned(),
            message: format!("the work on the claim ended: {error}"),
        })
}
