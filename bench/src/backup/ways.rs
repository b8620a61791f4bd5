//! The ways to back up that are compared, as commands.

use std::fmt;
use std::path::Path;

use anyhow::{Context as _, Result};
use tokio::process::Command;

use super::peers;
use super::setting::{DATABASE, Route, Setting};

/// A way to back up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Our agent.
    Holdfast,
    /// `pg_dump -Fc -Z0` to nowhere: nothing that uses `pg_dump` can be faster.
    Floor,
    /// `pg_dump | gzip | upload`.
    Gzip,
    /// A full backup of pgBackRest.
    PgBackRest,
    /// A full backup of Barman.
    Barman,
}

impl Way {
    pub const ALL: [Self; 5] = [
        Self::Holdfast,
        Self::Floor,
        Self::Gzip,
        Self::PgBackRest,
        Self::Barman,
    ];

    /// Where its objects are in the bucket; none if it stores nothing.
    pub const fn prefix(self) -> Option<&'static str> {
        match self {
            Self::Holdfast => Some("holdfast"),
            Self::Floor => None,
            Self::Gzip => Some("gzip"),
            Self::PgBackRest => Some("pgbackrest"),
            Self::Barman => Some("barman"),
        }
    }

    /// Why it is left out, if it is.
    pub fn missing(self) -> Option<&'static str> {
        let (program, hint) = match self {
            Self::PgBackRest => ("pgbackrest", "apt-get install pgbackrest"),
            Self::Barman => (
                "barman-cloud-backup",
                "apt-get install barman-cli-cloud python3-boto3",
            ),
            _ => return None,
        };
        let path = std::env::var_os("PATH").unwrap_or_default();
        let is_there = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
        (!is_there).then_some(hint)
    }

    /// What has to be done before it is measured.
    pub async fn prepare(self, setting: &Setting, route: Route) -> Result<()> {
        if self == Self::PgBackRest {
            peers::create_stanza(setting, route).await?;
        }
        Ok(())
    }

    /// The command that is measured.
    pub fn command(self, setting: &Setting, route: Route) -> Result<Command> {
        let own = std::env::current_exe().context("this program is not known")?;
        let errand = setting.write_errand(route)?;
        Ok(match self {
            Self::Holdfast => {
                let mut command = Command::new(own);
                command.arg("take-set").arg(errand);
                command
            }
            Self::Floor => {
                let mut command = setting.server.program("pg_dump", DATABASE);
                command.args(["--format=custom", "--compress=0", "--no-sync"]);
                command.arg("--file=/dev/null");
                command
            }
            Self::Gzip => pipeline(setting, &own, &errand),
            Self::PgBackRest => peers::pgbackrest(setting, route),
            Self::Barman => peers::barman(setting, route),
        })
    }
}

/// The upload is ours, which knows its length as little as any other that reads a pipe.
fn pipeline(setting: &Setting, own: &Path, errand: &Path) -> Command {
    let dump = setting.server.program("pg_dump", DATABASE);
    let dump = dump.as_std();
    let mut command = Command::new("bash");
    command
        .args([
            "-c",
            "set -o pipefail; \"${@:4}\" | gzip | \"$1\" put \"$2\" \"$3\"",
        ])
        .arg("pipeline")
        .arg(own)
        .arg(errand)
        .arg("gzip/dump.sql.gz")
        .arg(dump.get_program())
        .args(dump.get_args());
    let environment = dump.get_envs();
    command.envs(environment.filter_map(|(name, value)| Some((name, value?))));
    command
}

impl fmt::Display for Way {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.pad(match self {
            Self::Holdfast => "Holdfast",
            Self::Floor => "pg_dump -Fc -Z0 >/dev/null",
            Self::Gzip => "pg_dump | gzip | upload",
            Self::PgBackRest => "pgBackRest",
            Self::Barman => "Barman",
        })
    }
}
