//! Reads what became of the pods of agents' Jobs. Events are read only of a Job or a pod that does not
//! say itself why it does not run: one list each, of that object alone.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;

use super::agents::{job_warning, pod_of, pod_warning};
use super::{AgentFact, Fact, Reader, job_end};
use crate::api::{DatabaseBackup, DatabaseCheck, DatabaseRestore, names};

/// How old a Job without a pod is before it is asked why, in seconds: the pod may be on its way.
const POD_WITHIN: i64 = 2;
/// How old a pod is before its events are asked, in seconds: an image may be on its way.
const START_WITHIN: i64 = 5;
/// How long an ended Job matters of which no report is expected by name, in seconds.
const ENDED_WITHIN: i64 = 60;
/// No more events than that of one object.
const EVENTS: u32 = 200;

/// What agents have reported, and the operator instead of them.
pub struct Reported<'a> {
    pub checks: &'a [DatabaseCheck],
    pub backups: &'a [DatabaseBackup],
    pub restores: &'a [DatabaseRestore],
}

impl Reported<'_> {
    /// Whether it is known by the report how a Job went.
    fn has(&self, job: &Job, now: i64) -> bool {
        let name = job.metadata.name.as_ref();
        let labels = job.metadata.labels.as_ref();
        let task = labels.and_then(|labels| labels.get(names::TASK_LABEL));
        match task.map(String::as_str) {
            Some("check") => self.checks.iter().any(|check| {
                let status = check.status.as_ref();
                check.metadata.name.as_ref() == name
                    && status.is_some_and(|status| status.verdict.is_some())
            }),
            Some("backup") => self.backups.iter().any(|backup| {
                let status = backup.status.as_ref();
                backup.metadata.name.as_ref() == name
                    && status.is_some_and(|status| status.state.is_some())
            }),
            Some("restore" | "restore-files" | "drill") => self.restores.iter().any(|restore| {
                let uid = restore.metadata.uid.as_deref().unwrap_or_default();
                name == Some(&names::restore_job(uid)) && !restore.is_open()
            }),
            _ => job_end(job)
                .and_then(|end| end.last_transition_time.as_ref())
                .is_some_and(|ended| now - ended.0.as_second() > ENDED_WITHIN),
        }
    }
}

impl Reader {
    /// Reads what became of the pods of Jobs: of those that have not ended, and of those that have failed
    /// without a report. `listed` are all pods of the namespace, if they were read.
    pub(super) async fn agents(
        &self,
        database: &str,
        jobs: &Fact<Vec<Job>>,
        listed: Option<Fact<Vec<Pod>>>,
        reported: &Reported<'_>,
        now: i64,
    ) -> Fact<Vec<AgentFact>> {
        let jobs = match jobs {
            Fact::Known(jobs) => jobs,
            Fact::Unknown(why) => return Fact::Unknown(why.clone()),
        };
        let asked: Vec<&Job> = jobs
            .iter()
            .filter(|job| match job_end(job) {
                None => true,
                Some(end) => end.type_ == "Failed" && !reported.has(job, now),
            })
            .collect();
        if asked.is_empty() {
            return Fact::Known(Vec::new());
        }
        let listed = if let Some(listed) = listed {
            listed
        } else {
            let labelled = format!("{}={database}", names::DATABASE_LABEL);
            let labelled = ListParams::default().labels(&labelled);
            self.list::<Pod>(&labelled).await
        };
        let pods = match listed {
            Fact::Known(pods) => pods,
            Fact::Unknown(why) => return Fact::Unknown(why),
        };
        let mut agents = Vec::new();
        for job in asked {
            if let Some(mut fact) = AgentFact::of(job, &pods) {
                if fact.is_silent() {
                    fact.why = self.warning(job, pod_of(job, &pods), now).await;
                }
                agents.push(fact);
            }
        }
        Fact::Known(agents)
    }

    /// What the newest warning about a Job that has no pod says, or about its pod.
    async fn warning(&self, job: &Job, pod: Option<&Pod>, now: i64) -> Fact<Option<String>> {
        let (metadata, within) = match pod {
            Some(pod) => (&pod.metadata, START_WITHIN),
            None => (&job.metadata, POD_WITHIN),
        };
        let created = metadata.creation_timestamp.as_ref();
        let is_young = created.is_none_or(|created| now - created.0.as_second() < within);
        if is_young {
            return Fact::Known(None);
        }
        let events = self.events_of(metadata).await;
        events.map(|events| match pod {
            Some(pod) => pod_warning(&pod.metadata, &events, now),
            None => job_warning(&job.metadata, &events, now),
        })
    }

    pub(super) async fn events_of(&self, metadata: &ObjectMeta) -> Fact<Vec<Event>> {
        let uid = metadata.uid.as_deref().unwrap_or_default();
        let selected = ListParams::default()
            .fields(&format!("involvedObject.uid={uid}"))
            .limit(EVENTS);
        self.list::<Event>(&selected).await
    }
}
