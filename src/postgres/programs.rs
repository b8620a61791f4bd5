//! Where `pg_dump` and its kin are in a database's image, and which of several to take.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// How long a program may take to say its version.
const VERSION_LIMIT: Duration = Duration::from_secs(20);

/// A program and the major version of Postgres that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    pub path: PathBuf,
    pub major: u32,
}

/// Why no program can be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoProgram {
    /// There is none of that name that runs.
    Missing,
    /// All are of older versions than the server; this is the newest.
    TooOld(u32),
}

/// Finds a program of Postgres where Debian puts it, the newest version first, or on `PATH`.
#[must_use]
pub fn find_program(name: &str) -> Option<PathBuf> {
    find_all(name).into_iter().next()
}

/// All programs of that name.
fn find_all(name: &str) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    find_programs_in(
        name,
        std::env::split_paths(&path),
        Path::new("/usr/lib/postgresql"),
    )
}

/// All programs of that name in these directories and below this root of versions.
fn find_programs_in(
    name: &str,
    directories: impl Iterator<Item = PathBuf>,
    versions: &Path,
) -> Vec<PathBuf> {
    let mut numbered: Vec<(u32, PathBuf)> = std::fs::read_dir(versions)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse().ok()?,
                entry.path().join("bin"),
            ))
        })
        .collect();
    numbered.sort();
    // Debian's /usr/bin/pg_dump is a script in Perl that chooses a version by configuration; the
    // program itself is surer.
    let beside = numbered.into_iter().rev().map(|(_, directory)| directory);
    beside
        .chain(directories)
        .map(|directory| directory.join(name))
        .filter(|candidate| is_executable(candidate))
        .collect()
}

/// The program for a server of this major version: of the same, or else the oldest that is newer. A
/// newer `pg_dump` writes settings that an older server does not know, an older one refuses.
pub async fn find_program_for(name: &str, server: u32) -> Result<Program, NoProgram> {
    let mut found = Vec::new();
    for path in find_all(name) {
        if let Some(major) = fetch_major(&path).await {
            found.push(Program { path, major });
        }
    }
    choose(found, server)
}

/// Chooses among programs, the first of a version.
fn choose(found: Vec<Program>, server: u32) -> Result<Program, NoProgram> {
    let newest = found.iter().map(|program| program.major).max();
    found
        .into_iter()
        .filter(|program| program.major >= server)
        .min_by_key(|program| program.major)
        .ok_or_else(|| newest.map_or(NoProgram::Missing, NoProgram::TooOld))
}

/// What a program says of itself: the name of its directory may lie.
async fn fetch_major(program: &Path) -> Option<u32> {
    let output = Command::new(program)
        .arg("--version")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = match timeout(VERSION_LIMIT, output).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => {
            tracing::warn!("{} can't be run: {error}", program.display());
            return None;
        }
        Err(_) => return None,
    };
    read_major(&String::from_utf8_lossy(&output.stdout))
}

/// The major version in `pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, or of a server in
/// `15.18`, `19beta1`.
#[must_use]
pub fn read_major(version: &str) -> Option<u32> {
    version.split_whitespace().find_map(|word| {
        let digits: String = word.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    })
}

fn is_executable(candidate: &Path) -> bool {
    std::fs::metadata(candidate)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(major: u32) -> Program {
        Program {
            path: PathBuf::from(format!("/usr/lib/postgresql/{major}/bin/pg_dump")),
            major,
        }
    }

    #[test]
    fn the_program_of_the_servers_version_is_taken_or_the_oldest_newer_one() {
        let all = || [18, 17, 15, 14].map(program).to_vec();
        for (server, taken) in [(14, 14), (15, 15), (16, 17), (17, 17), (18, 18)] {
            assert_eq!(choose(all(), server), Ok(program(taken)), "server {server}");
        }
        assert_eq!(choose(all(), 19), Err(NoProgram::TooOld(18)));
        assert_eq!(choose(Vec::new(), 15), Err(NoProgram::Missing));
    }

    #[test]
    fn versions_are_read() {
        for (text, major) in [
            (
                "pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n",
                Some(15),
            ),
            ("pg_dump (PostgreSQL) 18beta2", Some(18)),
            ("9.6.24", Some(9)),
            ("19devel", Some(19)),
            ("pg_dump", None),
            ("", None),
        ] {
            assert_eq!(read_major(text), major, "{text}");
        }
    }
}
