//! Looking for the files that rows name: the query, then the walk, then the query once more about
//! what was not found.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::api::{AgentFailure, CheckedFiles, FilesRequest, reasons};
use crate::postgres::{PostgresError, PostgresErrorKind, Presence, Session, connect, stream_paths};
use crate::wording::count;

use super::MountedFiles;
use super::file_walk::{Seen, Unread, Walked, look_at, walk};
use super::named_paths::{FirstNames, Known, NamedPaths, PathTarget};

/// Why what is behind a link is not read.
const LINK: &str = "a symbolic link, which is not followed";

/// What a search is about, and how far it came.
struct Search<'a> {
    request: &'a FilesRequest,
    files: &'a MountedFiles,
    presence: Option<Presence>,
    deadline: Instant,
    found: CheckedFiles,
}

/// Looks for the files of one rule on the claim that is mounted at `claim`. What fails is reported
/// beside what was seen.
pub async fn look_for_files(
    request: &FilesRequest,
    claim: &Path,
    files: &MountedFiles,
) -> CheckedFiles {
    look_for_files_from(request, claim, files, None).await
}

/// The same; before every connection it is asked whether the server is still the one that is meant.
pub async fn look_for_files_from(
    request: &FilesRequest,
    claim: &Path,
    files: &MountedFiles,
    presence: Option<Presence>,
) -> CheckedFiles {
    let deadline = Instant::now() + Duration::from_secs(request.timeout_seconds.max(1));
    let mut search = Search {
        request,
        files,
        presence,
        deadline,
        found: nothing_found(request),
    };
    if let Err(failure) = search.run(claim).await {
        search.found.failure = Some(failure);
    }
    search.found
}

/// The result of a search that has seen nothing.
#[must_use]
pub fn nothing_found(request: &FilesRequest) -> CheckedFiles {
    CheckedFiles {
        rule: i32::try_from(request.place).unwrap_or(i32::MAX),
        claim: request.rule.claim.clone(),
        root: request.rule.root.clone(),
        ..CheckedFiles::default()
    }
}

impl Search<'_> {
    async fn run(&mut self, claim: &Path) -> Result<(), AgentFailure> {
        let rule = &self.request.rule;
        let mut named = NamedPaths::new(&rule.prefix);
        let rows = {
            let session = self.connect().await?;
            stream_paths(&session, &rule.query, self.request.path_limit, |path| {
                named.insert(path);
            })
            .await
            .map_err(|error| self.explain(&error))?
        };
        self.found.paths = number(named.count());
        if rows > self.request.path_limit {
            return Err(self.too_many_paths());
        }
        // After the query: a row that comes with a file is not seen without it.
        let directory = self.find_directory(claim)?;
        let (mut named, walked) = walk_apart(directory.clone(), rule.root.is_empty(), named).await;
        self.found.files = number(walked.files);
        self.found.found = number(named.count_known(Known::Found));
        self.found.unreferenced = number(walked.unreferenced);
        self.found.unreferenced_names = walked.unreferenced_names.told();
        let mut unread = walked.unread;
        if named.count_known(Known::Found) < named.count() {
            self.settle(&directory, &mut named, &mut unread).await?;
        }
        if unread.count == 0 {
            Ok(())
        } else {
            Err(self.not_all_read(&unread))
        }
    }

    /// Asks once more about the paths without a file: a row that went with its file in the meantime
    /// misses nothing, and a file that came since is there.
    async fn settle(
        &mut self,
        directory: &Path,
        named: &mut NamedPaths,
        unread: &mut Unread,
    ) -> Result<(), AgentFailure> {
        let session = self.connect().await?;
        let mut settling = Settling {
            directory,
            named,
            unread,
            missing_names: FirstNames::default(),
        };
        let settled = stream_paths(
            &session,
            &self.request.rule.query,
            self.request.path_limit,
            |path| settling.settle(path),
        )
        .await;
        self.found.missing_names = settling.missing_names.told();
        self.found.found = number(named.count_known(Known::Found));
        self.found.missing = number(named.count_known(Known::Missing));
        settled.map(drop).map_err(|error| self.explain(&error))
    }

    async fn connect(&self) -> Result<Session, AgentFailure> {
        let FilesRequest {
            server,
            namespace,
            rule,
            ..
        } = self.request;
        let host = server.host.as_deref().unwrap_or_default();
        let database = rule
            .database
            .as_deref()
            .or(server.databases.first().map(String::as_str))
            .unwrap_or_default();
        let login = self
            .files
            .read_login(server, namespace, host, self.presence.clone())
            .map_err(|error| self.explain(&error))?;
        connect(&login, database, self.deadline)
            .await
            .map_err(|error| self.explain(&error))
    }

    /// The directory of the rule. One that does not exist has no files, which the comparison
    /// reports. Where a link leads is not known.
    fn find_directory(&self, claim: &Path) -> Result<PathBuf, AgentFailure> {
        let root = &self.request.rule.root;
        let mut unread = Unread::default();
        match look_at(claim, root.as_bytes()) {
            Seen::Link => unread.note(root.as_bytes(), LINK),
            Seen::File => unread.note(root.as_bytes(), "a file, not a directory"),
            Seen::Unread(error) => unread.note(root.as_bytes(), &error.to_string()),
            Seen::Other | Seen::Nothing => {
                // A leading slash would make it a path of this container.
                return Ok(claim.join(root.trim_start_matches('/')));
            }
        }
        Err(self.not_all_read(&unread))
    }

    fn field(&self) -> String {
        format!("spec.verification.files[{}]", self.request.place)
    }

    fn explain(&self, error: &PostgresError) -> AgentFailure {
        let field = self.field();
        let message = if error.kind == PostgresErrorKind::Timeout {
            format!(
                "{field}: the rows were not read within the {} s that `timeout` of the rule \
                 allows, so it is not known which files they name. Raise `timeout`, or see with \
                 EXPLAIN why the query is slow",
                self.request.timeout_seconds
            )
        } else {
            format!("{field}: {}", error.message)
        };
        AgentFailure {
            reason: error.kind.reason().to_owned(),
            message,
        }
    }

    fn too_many_paths(&self) -> AgentFailure {
        let message = format!(
            "{}: the query returns more than {}, the most that one rule compares, so nothing is \
             known about the files. Split the rule into several, each with a `where` and its own \
             `root`",
            self.field(),
            count(number(self.request.path_limit), "path")
        );
        AgentFailure {
            reason: reasons::TOO_MANY_PATHS.to_owned(),
            message,
        }
    }

    fn not_all_read(&self, unread: &Unread) -> AgentFailure {
        let message = format!(
            "{}: {} of {} could not be read, the first being {}. Files there may exist, so they \
             are not called missing. Set `runAsUser` and `runAsGroup` of the rule to the owner of \
             the files, or `root` to the directory that a link leads to",
            self.field(),
            count(number(unread.count), "path"),
            self.request.rule.place(),
            unread.first.as_deref().unwrap_or_default()
        );
        AgentFailure {
            reason: reasons::FILES_UNREADABLE.to_owned(),
            message,
        }
    }
}

/// Looks once more for what the walk did not find.
struct Settling<'a> {
    directory: &'a Path,
    named: &'a mut NamedPaths,
    unread: &'a mut Unread,
    missing_names: FirstNames,
}

impl Settling<'_> {
    /// Takes a path that a row names still.
    fn settle(&mut self, path: &[u8]) {
        let seen = match self.named.unfound(path) {
            None => return,
            Some(PathTarget::Outside) => Seen::Nothing,
            Some(PathTarget::Below(relative)) => look_at(self.directory, &relative),
        };
        let known = match seen {
            Seen::File => Known::Found,
            Seen::Other | Seen::Nothing => {
                self.missing_names.insert(path);
                Known::Missing
            }
            Seen::Link => {
                self.unread.note(path, LINK);
                Known::Unseen
            }
            Seen::Unread(error) => {
                self.unread.note(path, &error.to_string());
                Known::Unseen
            }
        };
        self.named.settle(path, known);
    }
}

/// Walks on a thread of its own, which may wait for a disk. It stops when nobody waits for it any
/// more.
async fn walk_apart(
    directory: PathBuf,
    is_whole_claim: bool,
    mut named: NamedPaths,
) -> (NamedPaths, Walked) {
    struct StopOnDrop(Arc<AtomicBool>);
    impl Drop for StopOnDrop {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let stop = StopOnDrop(Arc::new(AtomicBool::new(false)));
    let told = Arc::clone(&stop.0);
    let task = tokio::task::spawn_blocking(move || {
        let walked = walk(&directory, is_whole_claim, &mut named, &told);
        (named, walked.unwrap_or_default())
    });
    match task.await {
        Ok(walked) => walked,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn number(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test ends at the first thing that is not as it should be"
    )]

    use super::*;

    #[test]
    fn a_file_that_came_since_is_there_and_a_row_that_went_since_misses_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let mut named = NamedPaths::new("");
        for path in ["walked", "came-since", "went-with-its-file", "missing"] {
            named.insert(path.as_bytes());
        }
        assert!(named.find(b"walked"));
        std::fs::write(directory.path().join("came-since"), "").unwrap();
        let mut unread = Unread::default();
        let mut settling = Settling {
            directory: directory.path(),
            named: &mut named,
            unread: &mut unread,
            missing_names: FirstNames::default(),
        };
        for still_named in ["walked", "came-since", "missing", "new"] {
            settling.settle(still_named.as_bytes());
        }
        assert_eq!(settling.missing_names.told(), ["missing"]);
        assert_eq!(
            (
                named.count_known(Known::Found),
                named.count_known(Known::Missing),
                named.count()
            ),
            (2, 1, 4)
        );
        assert_eq!(unread.count, 0);
    }

    #[test]
    fn a_walk_that_nobody_waits_for_ends() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("a"), "").unwrap();
        assert!(
            walk(
                directory.path(),
                true,
                &mut NamedPaths::new(""),
                &AtomicBool::new(true)
            )
            .is_none()
        );
    }
}
