//! A database, its bucket, and one backup after the other: one to which something happens, and the next
//! one, to which nothing does.

use std::fs;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use testbed::storage_proxy::{Dialect, StorageProxy};
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::Client;

use super::agent_process::{Errand, Outcome};
use super::fault::{Kind, PlannedFault};
use super::invariants::{OWN_SESSIONS, SESSIONS_END, check_account, check_bucket, check_sessions};
use super::processes::{children, kill};
use super::tally::{End, Round};
use super::trigger::Trigger;
use crate::backup_scene::{Scene, bulky};
use crate::random::Random;
use crate::support::postgres::PASSWORD;

/// How long a backup may take, whatever happens.
const HANGS: Duration = Duration::from_mins(2);
/// How often a fault is drawn anew that came after the end.
const TRIES: usize = 10;
/// How long what a killed agent has sent may be on its way.
const ON_ITS_WAY: Duration = Duration::from_millis(100);

/// How large the database is.
#[derive(Clone, Copy, Debug)]
pub enum Size {
    /// Two parts: for the short form.
    Small,
    /// As many parts as are on their way at once, and the next one.
    SeveralParts,
}

/// What a backup takes to which nothing happens.
struct Usual {
    requests: usize,
    time: Duration,
}

pub struct Lane {
    scene: Scene,
    trigger: Arc<Trigger>,
    observer: Client,
    usual: Usual,
    number: u32,
    _proxy: StorageProxy,
}

/// What became of one backup.
struct Ended {
    status: ExitStatus,
    /// Where the fault happened, if it did.
    place: Option<String>,
    requests: usize,
    time: Duration,
}

impl Lane {
    /// Starts the servers, and takes a first backup to know how long one takes.
    pub async fn start(size: Size) -> Result<Self, String> {
        let mut scene = Scene::new(&["postgres", "further"], "postgres", PASSWORD);
        let rows = match size {
            Size::Small => 20_000,
            Size::SeveralParts => 60_000,
        };
        let postgres = &scene.postgres;
        postgres.execute("postgres", &bulky(rows)).await;
        postgres
            .execute(
                "postgres",
                "create table busy (n bigserial, at timestamptz default now()); \
                 select lo_from_bytea(0, convert_to(repeat('large', n), 'UTF8')) from \
                 generate_series(1, 3) n",
            )
            .await;
        postgres
            .execute("postgres", "create database further")
            .await;
        let narrow = "create table narrow as select n from generate_series(1, 1000) n";
        postgres.execute("further", narrow).await;
        let trigger = Arc::new(Trigger::default());
        let decider = trigger.clone();
        let proxy = StorageProxy::start_with(scene.bucket.address(), Dialect::default(), {
            move |seen| decider.decide(seen)
        })
        .unwrap();
        scene.request.storage.endpoint = Some(format!("http://{}", proxy.address()));
        let observer = own_session(&scene).await;
        tokio::spawn(keep_busy(own_session(&scene).await));
        let mut lane = Self {
            scene,
            trigger,
            observer,
            usual: Usual {
                requests: 0,
                time: Duration::ZERO,
            },
            number: 0,
            _proxy: proxy,
        };
        let usual = lane.take_undisturbed().await?;
        lane.usual = Usual {
            requests: usual.requests,
            time: usual.time,
        };
        lane.wipe();
        Ok(lane)
    }

    /// Lets a fault happen to one backup, takes the next one, and says what became of the first; an error
    /// is what does not hold.
    pub async fn run_round(
        &mut self,
        fault: &PlannedFault,
        random: &mut Random,
    ) -> Result<Round, String> {
        let mut fault = *fault;
        for _ in 0..TRIES {
            if let Some(round) = self.try_round(&fault).await? {
                return Ok(round);
            }
            fault.point = random.fraction();
        }
        Err(format!("it came {TRIES} times after the end of the backup"))
    }

    async fn try_round(&mut self, fault: &PlannedFault) -> Result<Option<Round>, String> {
        let errand = self.errand();
        let ended = self.take(&errand, Some(fault)).await?;
        let outcome = read_outcome(&errand, ended.status)?;
        let is_late = outcome.is_some() && (ended.place.is_none() || fault.kind.kills_agent());
        if outcome.is_none() {
            if !fault.kind.kills_agent() {
                return Err(format!("the agent ended by itself: {}", errand.log()));
            }
            sleep(ON_ITS_WAY).await;
        }
        check_sessions(&self.observer, SESSIONS_END).await?;
        let contents = check_bucket(&self.scene).await?;
        check_account(errand.path().as_str(), outcome.as_ref(), &contents)?;
        if let Some(Outcome::Failed(failure)) = &outcome
            && (fault.kind.is_outlived() || is_late)
        {
            return Err(format!("it was not outlived: {failure:?}"));
        }
        let is_set = !contents.sets.is_empty();
        let round = Round {
            end: match (&outcome, is_set) {
                (Some(Outcome::Taken), _) => End::Complete,
                (Some(Outcome::Failed(_)), _) => End::Failed,
                (None, true) => End::KilledComplete,
                (None, false) => End::Killed,
            },
            place: ended.place.unwrap_or_default(),
            uploads: contents.uploads,
            objects: contents.without_manifest.len(),
        };
        self.take_undisturbed().await?;
        self.wipe();
        Ok((!is_late).then_some(round))
    }

    /// Takes a backup to which nothing happens, and makes sure that it is one and that nothing is left of
    /// the one before.
    async fn take_undisturbed(&mut self) -> Result<Ended, String> {
        let errand = self.errand();
        let ended = self.take(&errand, None).await?;
        match read_outcome(&errand, ended.status)? {
            Some(Outcome::Taken) => {}
            other => return Err(format!("the next backup is not taken: {other:?}")),
        }
        check_sessions(&self.observer, SESSIONS_END).await?;
        let contents = check_bucket(&self.scene).await?;
        let outcome = Some(&Outcome::Taken);
        check_account(errand.path().as_str(), outcome, &contents)?;
        let parts = self.scene.bucket.unfinished_parts();
        if contents.uploads + parts > 0 {
            return Err(format!(
                "after the next backup {} uploads with {parts} parts are left",
                contents.uploads
            ));
        }
        Ok(ended)
    }

    async fn take(&self, errand: &Errand, fault: Option<&PlannedFault>) -> Result<Ended, String> {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a handful of requests"
        )]
        let at_request = |fault: &PlannedFault| {
            let number = fault.point * self.usual.requests as f64;
            (*fault, number as usize)
        };
        let armed = fault
            .filter(|fault| fault.kind.is_at_request())
            .map(at_request);
        let begun = Instant::now();
        let (agent, mut child) = self.trigger.arm(armed, || {
            let child = errand.start();
            let agent = child.id().unwrap();
            (agent, (agent, child))
        });
        let mut place = None;
        let status = {
            let strike = self.strike(fault, agent);
            tokio::pin!(strike);
            let run = timeout(HANGS, child.wait());
            tokio::pin!(run);
            loop {
                tokio::select! {
                    biased;
                    status = &mut run => break status,
                    struck = &mut strike, if place.is_none() => place = Some(struck),
                }
            }
        };
        let status = status.map_err(|_| format!("the backup hangs: {}", errand.log()))?;
        let (requests, places) = self.trigger.disarm();
        Ok(Ended {
            status: status.unwrap(),
            place: place.or_else(|| places.into_iter().next()),
            requests,
            time: begun.elapsed(),
        })
    }

    /// Does what happens at a moment, and says what it was; never returns if nothing could be done.
    async fn strike(&self, fault: Option<&PlannedFault>, agent: u32) -> String {
        let Some(fault) = fault.filter(|fault| !fault.kind.is_at_request()) else {
            return std::future::pending().await;
        };
        let moment = self.usual.time.mul_f64(fault.point);
        sleep(moment).await;
        let when = format!("after {} ms", moment.as_millis());
        loop {
            let struck = match fault.kind {
                Kind::AgentKilled => {
                    kill(agent);
                    Some("agent".to_owned())
                }
                Kind::DumpKilled => {
                    let dumps = children(agent, "pg_dump");
                    dumps.iter().copied().for_each(kill);
                    dumps.first().map(|_| "pg_dump".to_owned())
                }
                _ => self.end_a_session(fault).await,
            };
            if let Some(struck) = struck {
                return format!("{struck} {when}");
            }
            sleep(Duration::from_millis(2)).await;
        }
    }

    /// Ends a session of the set, and says whose it was.
    async fn end_a_session(&self, fault: &PlannedFault) -> Option<String> {
        // The first or the last that was begun: that of the snapshot, or that of the dump.
        let order = if fault.is_carried_out { "asc" } else { "desc" };
        let statement = format!(
            "select application_name from (select pid, application_name from pg_stat_activity where \
             backend_type = 'client backend' and application_name not in ('', $1) order by \
             backend_start {order} limit 1) as one where pg_terminate_backend(pid)"
        );
        let ended = self.observer.query_opt(&statement, &[&OWN_SESSIONS]).await;
        let name: String = ended.unwrap()?.get(0);
        Some(name.split(' ').next().unwrap_or_default().to_owned())
    }

    fn errand(&mut self) -> Errand {
        self.number += 1;
        let files = &self.scene.files;
        Errand {
            request: self.scene.request.clone(),
            postgres_credentials: files.postgres_credentials.clone(),
            s3_credentials: files.s3_credentials.clone(),
            work: files.work.clone(),
            begun: Timestamp::from_second(Timestamp::now().as_second()).unwrap(),
            backup: format!("knowledge-backup-{}", self.number),
        }
    }

    /// Begins the bucket anew, so that its sets need not be looked at again.
    fn wipe(&self) {
        let prefix = &self.scene.request.storage.prefix;
        fs::remove_dir_all(self.scene.bucket.file(prefix)).unwrap();
    }
}

/// The agent's own account; none if it was killed.
fn read_outcome(errand: &Errand, status: ExitStatus) -> Result<Option<Outcome>, String> {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.success(), status.signal()) {
        (true, _) => match errand.outcome() {
            Some(outcome) => Ok(Some(outcome)),
            None => Err(format!("the agent says nothing: {}", errand.log())),
        },
        (false, Some(9)) => Ok(None),
        _ => Err(format!("the agent ended with {status}: {}", errand.log())),
    }
}

/// A session of ours, which is none of a set's.
pub async fn own_session(scene: &Scene) -> Client {
    let session = scene.postgres.superuser("postgres").await;
    let name = format!("set application_name = '{OWN_SESSIONS}'");
    session.batch_execute(&name).await.unwrap();
    session
}

/// Adds rows as long as the lane is there, so that each snapshot has other rows.
async fn keep_busy(session: Client) {
    let row = "insert into busy default values";
    while session.batch_execute(row).await.is_ok() {
        sleep(Duration::from_millis(10)).await;
    }
}
