//! The ways to restore that are compared, as commands; and one restore by one of them.

use std::fmt;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use super::agent_process::Account;
use crate::backup::{DATABASE, Route, SetAccount, Setting};
use crate::server::MAINTENANCE;

/// The database that the other ways restore into.
const TARGET: &str = "restored";

/// A way to restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Our agent: from the bucket, hashed before and compared after.
    Holdfast,
    /// `pg_restore -j` of the same dump in a file on this machine.
    Parallel,
    /// `gunzip | psql`.
    Plain,
}

impl Way {
    pub const ALL: [Self; 3] = [Self::Holdfast, Self::Parallel, Self::Plain];
}

impl fmt::Display for Way {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.pad(match self {
            Self::Holdfast => "Holdfast",
            Self::Parallel => "pg_restore -j, from a file",
            Self::Plain => "gunzip | psql",
        })
    }
}

/// What one restore took.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// On the clock, from the start of its first process to the end of its last.
    pub seconds: f64,
    /// What our agent says.
    pub account: Option<Account>,
}

/// What is restored: a set in the bucket, and the same in two files.
pub struct Source {
    pub set: SetAccount,
    pub jobs: u16,
}

impl Source {
    /// Backs the database up in each way.
    pub async fn prepare(setting: &Setting, jobs: u16) -> Result<Self> {
        let own = std::env::current_exe().context("this program is not known")?;
        let mut take = Command::new(own);
        take.arg("take-set")
            .arg(setting.write_errand(Route::Direct)?);
        let set = serde_json::from_slice(&run(take, "the backup").await?)?;
        let mut dump = setting.server.program("pg_dump", DATABASE);
        dump.args(["--format=custom", "--compress=0", "--no-sync", "--file"]);
        dump.arg(setting.work("dump.pgc"));
        run(dump, "pg_dump").await?;
        let dump = setting.server.program("pg_dump", DATABASE);
        let zip = "set -o pipefail; \"${@:2}\" | gzip >\"$1\"";
        run(piped(setting, &dump, zip), "pg_dump | gzip").await?;
        Ok(Self { set, jobs })
    }

    /// Restores, and drops what was restored.
    pub async fn measure(&self, setting: &Setting, way: Way) -> Result<Measured> {
        let (commands, made) = self.commands(setting, way)?;
        let begun = Instant::now();
        let mut said = Vec::new();
        for command in commands {
            said = run(command, &way.to_string()).await?;
        }
        let seconds = begun.elapsed().as_secs_f64();
        let session = setting.server.superuser(&made).await?;
        let rows = "select (select count(*) from orders) + (select count(*) from counters)";
        let rows: i64 = session.query_one(rows, &[]).await?.get(0);
        ensure!(
            u64::try_from(rows)? == setting.rows,
            "{way} has restored {rows} rows instead of {}",
            setting.rows
        );
        drop(session);
        let session = setting.server.superuser(MAINTENANCE).await?;
        session
            .batch_execute(&format!("drop database \"{made}\" with (force)"))
            .await?;
        session.batch_execute("checkpoint").await?;
        let account = match way {
            Way::Holdfast => Some(serde_json::from_slice(&said)?),
            _ => None,
        };
        Ok(Measured { seconds, account })
    }

    /// Restores in the place of the present database, as the agent does.
    pub async fn replace(&self, setting: &Setting) -> Result<Account> {
        let mut command = self.agent(setting)?;
        command.arg("--replace");
        Ok(serde_json::from_slice(
            &run(command, "a restore that replaces").await?,
        )?)
    }

    fn agent(&self, setting: &Setting) -> Result<Command> {
        let own = std::env::current_exe().context("this program is not known")?;
        let mut command = Command::new(own);
        command
            .arg("restore-set")
            .arg(setting.write_errand(Route::Direct)?);
        command.args([&self.set.path, &self.set.manifest_sha256]);
        command.arg(self.jobs.to_string());
        Ok(command)
    }

    /// What is run one after the other, and the database that it makes.
    fn commands(&self, setting: &Setting, way: Way) -> Result<(Vec<Command>, String)> {
        let server = &setting.server;
        let create = server.program("createdb", TARGET);
        let restore = match way {
            Way::Holdfast => {
                let uid = super::agent_process::UID;
                let name = holdfast::agent::restored_name(DATABASE, uid);
                return Ok((vec![self.agent(setting)?], name));
            }
            Way::Parallel => {
                let mut command = server.program("pg_restore", &format!("--dbname={TARGET}"));
                command.arg(format!("--jobs={}", self.jobs));
                command
                    .args(["--exit-on-error"])
                    .arg(setting.work("dump.pgc"));
                command
            }
            Way::Plain => {
                let mut psql = server.program("psql", TARGET);
                psql.args([
                    "--quiet",
                    "--no-psqlrc",
                    "--set=ON_ERROR_STOP=1",
                    "--output=/dev/null",
                ]);
                let unzip = "set -o pipefail; gunzip <\"$1\" | \"${@:2}\"";
                piped(setting, &psql, unzip)
            }
        };
        // Without statistics it would not be what the agent leaves.
        let mut analyze = server.program("vacuumdb", TARGET);
        analyze.args(["--analyze-only", "--quiet"]);
        Ok((vec![create, restore, analyze], TARGET.to_owned()))
    }
}

/// A shell's pipeline of a program and the compressed file.
fn piped(setting: &Setting, program: &Command, script: &str) -> Command {
    let program = program.as_std();
    let mut command = Command::new("bash");
    command
        .args(["-c", script, "pipeline"])
        .arg(setting.work("dump.sql.gz"))
        .arg(program.get_program())
        .args(program.get_args());
    let environment = program.get_envs();
    command.envs(environment.filter_map(|(name, value)| Some((name, value?))));
    command
}

/// Runs a command to its end; what it wrote.
async fn run(mut command: Command, what: &str) -> Result<Vec<u8>> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let output = command
        .output()
        .await
        .with_context(|| format!("{what} can't be started"))?;
    ensure!(
        output.status.success(),
        "{what} failed, {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output.stdout)
}
