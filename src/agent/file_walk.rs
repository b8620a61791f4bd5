//! Looking at the files of a mounted claim. Nothing is opened or written, and no symbolic link is
//! followed.

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use walkdir::{DirEntry, WalkDir};

use super::directory_walk::is_no_applications;
use super::named_paths::{FirstNames, NamedPaths, components, tell};

/// Directories that are read at once. What is deeper makes a level above be kept in memory.
const OPEN_DIRECTORIES: usize = 64;

/// What was seen on a walk.
#[derive(Debug, Default)]
pub struct Walked {
    /// Regular files.
    pub files: u64,
    /// Those that no row names.
    pub unreferenced: u64,
    /// The first of them.
    pub unreferenced_names: FirstNames,
    /// What could not be read.
    pub unread: Unread,
}

/// What could not be read, and why the first of it could not.
#[derive(Debug, Default)]
pub struct Unread {
    /// How many directories or paths.
    pub count: u64,
    /// One of them, and the reason.
    pub first: Option<String>,
}

impl Unread {
    /// Takes note of one.
    pub fn note(&mut self, path: &[u8], why: &str) {
        self.count += 1;
        self.first.get_or_insert_with(|| {
            format!(
                "{} ({why})",
                if path.is_empty() {
                    "the directory itself".to_owned()
                } else {
                    tell(path)
                }
            )
        });
    }
}

/// What is at a path.
#[derive(Debug)]
pub enum Seen {
    /// A regular file.
    File,
    /// A directory, or something else that is no regular file.
    Other,
    /// Nothing.
    Nothing,
    /// The path is a symbolic link, or leads through one.
    Link,
    /// It could not be seen.
    Unread(io::Error),
}

/// Looks at one path below `directory`, name by name, so that no link is followed on the way.
#[must_use]
pub fn look_at(directory: &Path, relative: &[u8]) -> Seen {
    let mut path = PathBuf::from(directory);
    let mut seen = Seen::Other;
    for name in components(relative) {
        path.push(OsStr::from_bytes(name));
        seen = match path.symlink_metadata() {
            Ok(found) if found.is_symlink() => return Seen::Link,
            Ok(found) if found.is_file() => Seen::File,
            Ok(_) => Seen::Other,
            Err(error) if is_no_such_path(&error) => return Seen::Nothing,
            Err(error) => return Seen::Unread(error),
        };
    }
    seen
}

/// Whether the answer is that there is nothing of that name, or that there can't be.
fn is_no_such_path(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound
            | ErrorKind::NotADirectory
            | ErrorKind::InvalidFilename
            | ErrorKind::InvalidInput
    )
}

/// Walks through all files below `directory` and takes note of those that rows name. Ends without a
/// result when `stop` is set.
///
/// The order is the file system's: sorting would keep every name of a directory in memory.
pub fn walk(
    directory: &Path,
    is_whole_claim: bool,
    named: &mut NamedPaths,
    stop: &AtomicBool,
) -> Option<Walked> {
    let mut walked = Walked::default();
    let is_wanted = |entry: &DirEntry| {
        let name = entry.file_name().as_bytes();
        !(is_whole_claim && entry.depth() == 1 && is_no_applications(name))
    };
    let entries = WalkDir::new(directory)
        .follow_links(false)
        .follow_root_links(false)
        .max_open(OPEN_DIRECTORIES);
    for entry in entries.into_iter().filter_entry(is_wanted) {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        match entry {
            Ok(entry) if entry.file_type().is_file() => {
                let relative = relative(directory, entry.path());
                walked.files += 1;
                if !named.find(relative) {
                    walked.unreferenced += 1;
                    walked.unreferenced_names.insert(relative);
                }
            }
            Ok(_) => {}
            // Removed while it was walked over, or never there: the application works on, and
            // nothing is nothing.
            Err(error) if error.io_error().is_some_and(is_no_such_path) => {}
            Err(error) => {
                let why = error
                    .io_error()
                    .map_or_else(|| "no reason was given".to_owned(), ToString::to_string);
                walked.unread.note(
                    error
                        .path()
                        .map(|path| relative(directory, path))
                        .unwrap_or_default(),
                    &why,
                );
            }
        }
    }
    Some(walked)
}

fn relative<'a>(directory: &Path, path: &'a Path) -> &'a [u8] {
    path.strip_prefix(directory)
        .unwrap_or(path)
        .as_os_str()
        .as_bytes()
}
