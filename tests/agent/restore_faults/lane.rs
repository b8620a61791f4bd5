//! A database and a backup set of it; and one restore after the other: one to which something happens, and the
//! start that ends it, to which nothing does.

use std::fmt;
use std::time::Duration;

use holdfast::agent::kept_name;
use holdfast::api::RestoreTarget;
use tokio::time::{Instant, sleep, timeout};

use super::agent_process::{Errand, Outcome};
use super::fault::{Kind, PlannedFault};
use crate::backup_faults::processes::{children, kill, stop};
use crate::backup_scene::{Scene, bulky};
use crate::random::Random;
use crate::restored_scene::{Restore, ask, connect, small_shop};
use crate::support::postgres::PASSWORD;

/// How long a restore may take, whatever happens.
const HANGS: Duration = Duration::from_mins(3);
/// How often a fault is drawn anew that came after the end.
const TRIES: usize = 10;
/// How long the server may take until it answers, and what is killed until it is gone.
const SETTLES: Duration = Duration::from_secs(20);
/// The database is closed for the moment.
const CLOSED: &str = "55000";

/// What became of a restore to which something happened.
#[derive(Debug)]
pub enum End {
    /// It ended well nevertheless.
    Restored,
    /// It says that it failed; the second start ended it.
    Failed(String),
    /// It could say nothing; the second start ended it.
    Killed {
        /// What the name led to.
        answer: String,
    },
}

impl End {
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Restored => "restored nevertheless",
            Self::Failed(_) => "failed, then restored",
            Self::Killed { .. } => "killed, then restored",
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restored => to.write_str("restored nevertheless"),
            Self::Failed(reason) => write!(to, "{reason}, then restored"),
            Self::Killed { answer } => write!(to, "the name led to `{answer}`, then restored"),
        }
    }
}

pub struct Lane {
    scene: Scene,
    restore: Restore,
    usual: Duration,
    number: usize,
}

impl Lane {
    /// Starts the servers, takes a backup, and restores it once to know how long that takes.
    pub async fn start(rows: u32) -> Result<Self, String> {
        let scene = Scene::new(&["shop"], "postgres", PASSWORD);
        small_shop(&scene.postgres).await;
        scene.postgres.execute("shop", &bulky(rows)).await;
        let index = "create index on bulky (left(data, 40)); create index on bulky (md5(data))";
        scene.postgres.execute("shop", index).await;
        let set = scene
            .take(None)
            .await
            .map_err(|failure| format!("{failure:?}"))?;
        let restore = Restore::new(&scene, &scene.postgres, &set, RestoreTarget::Replace);
        let mut lane = Self {
            scene,
            restore,
            usual: Duration::ZERO,
            number: 0,
        };
        lane.begin("present").await;
        let begun = Instant::now();
        lane.end_it("present").await?;
        lane.usual = begun.elapsed();
        lane.drop_kept().await;
        Ok(lane)
    }

    /// Lets a fault happen to one restore, starts it again, and says what became of the first; an error is what
    /// does not hold.
    pub async fn run_round(
        &mut self,
        step: usize,
        fault: &PlannedFault,
        random: &mut Random,
    ) -> Result<End, String> {
        let mut fault = *fault;
        for attempt in 0..TRIES {
            let present = format!("present at {step}.{attempt}");
            self.begin(&present).await;
            let is_struck = self.run_with(&fault).await?;
            let errand = self.errand();
            let outcome = errand.outcome();
            let answer = self.ask_the_name().await?;
            let end = match &outcome {
                Some(Outcome::Restored(_)) if answer == "backed up" => End::Restored,
                Some(Outcome::Failed(failure)) if answer == present => {
                    End::Failed(failure.reason.clone())
                }
                None if [present.as_str(), "backed up", CLOSED].contains(&answer.as_str()) => {
                    End::Killed { answer }
                }
                _ => return Err(format!("the name leads to `{answer}` after {outcome:?}")),
            };
            self.end_it(&present).await?;
            self.drop_kept().await;
            if is_struck {
                return Ok(end);
            }
            fault.point = random.fraction();
        }
        Err(format!(
            "it came {TRIES} times after the end of the restore"
        ))
    }

    /// Begins another restore, over other data.
    async fn begin(&mut self, present: &str) {
        self.number += 1;
        self.restore.request.restore_uid =
            format!("{:08x}-0000-4000-8000-000000000000", self.number);
        self.errand().forget();
        let change = format!("update which set answer = '{present}'");
        self.scene.postgres.execute("shop", &change).await;
    }

    fn errand(&self) -> Errand {
        let files = &self.restore.files;
        Errand {
            request: self.restore.request.clone(),
            postgres_credentials: files.postgres_credentials.clone(),
            s3_credentials: files.s3_credentials.clone(),
            work: files.work.clone(),
        }
    }

    /// Runs a restore to which something happens. Says whether it did.
    async fn run_with(&mut self, fault: &PlannedFault) -> Result<bool, String> {
        let errand = self.errand();
        let mut child = errand.start();
        let agent = child.id().unwrap();
        let end = Instant::now() + self.usual.mul_f64(fault.point);
        let mut is_struck = false;
        let until = timeout(end.saturating_duration_since(Instant::now()), child.wait());
        if until.await.is_err() {
            loop {
                is_struck = self.strike(fault.kind, agent).await;
                if is_struck || child.try_wait().unwrap().is_some() {
                    break;
                }
                sleep(Duration::from_millis(2)).await;
            }
        }
        let ended = timeout(HANGS, child.wait()).await;
        let status = ended
            .map_err(|_| format!("the restore hangs: {}", errand.log()))?
            .unwrap();
        let is_killed = fault.kind == Kind::AgentKilled && is_struck;
        if !status.success() && !is_killed {
            return Err(format!("the agent ended with {status}: {}", errand.log()));
        }
        Ok(is_struck)
    }

    /// Lets it happen, if it can at the moment.
    async fn strike(&mut self, kind: Kind, agent: u32) -> bool {
        match kind {
            Kind::AgentKilled => kill(agent),
            Kind::AgentStopped => stop(agent),
            Kind::ServerCrashed => self.scene.postgres.crash(),
            Kind::ProgramKilled => {
                let mut programs = children(agent, "pg_restore");
                programs.extend(children(agent, "pg_dump"));
                programs.iter().copied().for_each(kill);
                return !programs.is_empty();
            }
            Kind::SessionsEnded => {
                let ended = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name \
                    like 'holdfast%'";
                return ask(&self.scene.postgres, "template1", ended).await != "0";
            }
        }
        true
    }

    /// What the one database answers that has the name, or the code of what keeps everybody out.
    async fn ask_the_name(&self) -> Result<String, String> {
        let server = &self.scene.postgres;
        let end = Instant::now() + SETTLES;
        loop {
            let known = "select count(*) from pg_database where datname = 'shop'";
            let count = ask(server, "template1", known).await;
            let failed = match connect(server.port(), "shop").await {
                Ok(client) => {
                    let row = client.query_one("select answer from which", &[]).await;
                    match row {
                        Ok(row) => return Ok(row.get(0)),
                        Err(error) => format!("{error:?}"),
                    }
                }
                Err(error) if error.code().is_some_and(|code| code.code() == CLOSED) => {
                    return Ok(CLOSED.to_owned());
                }
                Err(error) => format!("{error:?}"),
            };
            // The server may just be ending what was killed, in the middle of a transaction.
            if Instant::now() > end {
                return Err(format!(
                    "{count} databases have the name, and it answers: {failed}"
                ));
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Starts the restore again, and makes sure that it ends it and leaves nothing half done.
    async fn end_it(&self, present: &str) -> Result<(), String> {
        let errand = self.errand();
        let mut child = errand.start();
        let ended = timeout(HANGS, child.wait()).await;
        ended
            .map_err(|_| format!("the next start hangs: {}", errand.log()))?
            .unwrap();
        match errand.outcome() {
            Some(Outcome::Restored(_)) => {}
            other => {
                return Err(format!(
                    "the next start does not end it: {other:?}: {}",
                    errand.log()
                ));
            }
        }
        let server = &self.scene.postgres;
        let kept = kept_name("shop", &self.restore.request.restore_uid);
        for (database, expected) in [("shop", "backed up"), (kept.as_str(), present)] {
            let answer = ask(server, database, "select answer from which").await;
            if answer != expected {
                return Err(format!("{database} has `{answer}` instead of `{expected}`"));
            }
        }
        let rows = "select (select count(*) from orders) || ' ' || (select count(*) from bulky)";
        let (new, old) = (
            ask(server, "shop", rows).await,
            ask(server, &kept, rows).await,
        );
        if new != old {
            return Err(format!("it has {new} rows, and what is kept {old}"));
        }
        let left = "select string_agg(datname, ' ') from pg_database where datname ~ '^shop_restore_' or not \
            datallowconn and datname <> 'template0'";
        let left = ask(server, "template1", left).await;
        if left == "-" {
            Ok(())
        } else {
            Err(format!("left half done: {left}"))
        }
    }

    /// Makes space for the next restore.
    async fn drop_kept(&self) {
        let kept = kept_name("shop", &self.restore.request.restore_uid);
        let drop = format!("drop database {kept} with (force)");
        self.scene.postgres.execute("postgres", &drop).await;
    }
}
