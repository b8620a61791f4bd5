//! A namespace in which controllers of this process protect a database, die, and are followed by
//! others.

use holdfast::api::{
    BackupState, CheckOutcome, ConditionStatus, ConditionType, DatabaseBackup, DatabaseCheck,
    DatabaseLedger, ProtectedDatabase, find_condition, names, reasons,
};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{
    Namespace, PersistentVolume, PersistentVolumeClaim, Pod, ServiceAccount,
};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::super::operator::{Installation, Operator};
use super::crashing_client::{Crash, CrashPoint};
use crate::protect::assert_marks;
use crate::support::{
    NAME, Scene, Server, Start, build_database, confirm_deletion, is_of, names_of, outcome,
    reclaim_policy, volume_of,
};

/// A namespace for one run after the other.
pub struct Worker {
    /// Its scene.
    pub scene: Scene,
    /// Its server.
    pub server: Server,
    installation: Installation,
}

impl Worker {
    /// A worker with a server that runs.
    pub async fn open(scene: Scene, installation: Installation) -> (Self, Start) {
        let server = Server::new(&scene);
        let start = server.start_seeded(&scene).await;
        (
            Self {
                scene,
                server,
                installation,
            },
            start,
        )
    }

    /// Starts a controller.
    pub fn operate(&self) -> Operator {
        self.installation.operate(&self.scene)
    }

    /// Runs a controller until it dies at the point, which must come before it is done.
    pub async fn operate_until_crash(&self, point: CrashPoint, done: impl Future<Output = ()>) {
        let crash = Crash::at(point);
        let client = crash.build_client(self.installation.config.clone());
        let operator = self.installation.operate_through(&self.scene, client);
        tokio::select! {
            () = crash.wait() => {}
            () = done => panic!("{point:?} was not reached"),
        }
        operator.kill().await;
    }

    /// Creates the ProtectedDatabase.
    pub async fn protect(&self) {
        let mut database = build_database(&self.scene, &self.server);
        database.spec.verification.tables.clear();
        self.scene.protect(&database).await;
    }

    /// Waits until the database is guarded, the start is verified, the first backup is taken and
    /// nothing is left to do.
    pub async fn wait_done(&self, start: &Start) {
        let checks = self.scene.api::<DatabaseCheck>();
        self.scene
            .wait(
                "the start to be verified and everything to be green",
                async || {
                    let all = checks
                        .list(&ListParams::default())
                        .await
                        .map_err(|error| error.to_string())?
                        .items;
                    let of_start: Vec<_> = all.iter().filter(|check| is_of(check, start)).collect();
                    if of_start.is_empty() {
                        return Err("no check of the start".to_owned());
                    }
                    let database = self
                        .scene
                        .api::<ProtectedDatabase>()
                        .get(NAME)
                        .await
                        .map_err(|error| error.to_string())?;
                    let status = database.status.unwrap_or_default();
                    let find = |condition| {
                        find_condition(&status.conditions, condition).ok_or("no condition yet")
                    };
                    let holds = |condition, wanted: ConditionStatus| {
                        find(condition).map(|found| found.status == wanted.as_str())
                    };
                    let done = holds(ConditionType::Ready, ConditionStatus::True)?
                        && holds(ConditionType::Reconciling, ConditionStatus::False)?
                        && status.last_check.is_some_and(|last| {
                            of_start.iter().any(|check| check.name_any() == last.name)
                        });
                    if done {
                        Ok(())
                    } else {
                        Err(format!("{:?} {of_start:?}", status.conditions))
                    }
                },
            )
            .await;
    }

    /// Asserts that `starts` starts have led to one verified check and one Job each, this one among
    /// them.
    pub async fn assert_checked_once_each(&self, start: &Start, starts: usize) {
        let checks = self.scene.checks().await;
        assert_eq!(
            self.scene.checks_but_of_backups().await.len(),
            starts,
            "one check a start: {:?}",
            names_of(&checks)
        );
        let of_start = self.scene.checks_of(start).await;
        assert_eq!(
            of_start.len(),
            1,
            "exactly one check for this start: {:?}",
            names_of(&checks)
        );
        assert_eq!(
            outcome(&of_start[0]),
            Some(CheckOutcome::Verified),
            "{:?}",
            of_start[0].status
        );
        let mut jobs = self.scene.agent_jobs("check").await;
        let mut wanted = names_of(&checks);
        jobs.sort();
        wanted.sort();
        assert_eq!(jobs, wanted, "one Job a check");
        let pods = self
            .scene
            .api::<Pod>()
            .list(&ListParams::default().labels(&format!("{}=check", names::TASK_LABEL)))
            .await;
        let mut owners: Vec<String> = pods
            .expect("pods")
            .iter()
            .map(|pod| pod.labels()["batch.kubernetes.io/job-name"].clone())
            .collect();
        owners.sort();
        assert_eq!(owners, wanted, "one pod a Job");
        self.scene
            .assert_condition(
                ConditionType::DataReset,
                ConditionStatus::False,
                reasons::VERIFIED,
            )
            .await;
        // A crash between the first backup's Job and the status that calls the data good leaves a
        // backup that does not count, and another follows.
        let backups = self.scene.list::<DatabaseBackup>().await;
        let state =
            |backup: &DatabaseBackup| backup.status.as_ref().and_then(|status| status.state);
        let good = backups
            .iter()
            .filter(|backup| state(backup) == Some(BackupState::Complete))
            .count();
        assert_eq!(good, 1, "one good first backup: {backups:?}");
        assert!(
            backups.iter().all(|backup| matches!(
                state(backup),
                Some(BackupState::Complete | BackupState::Suspect)
            )),
            "{backups:?}"
        );
        assert_eq!(
            self.scene.agent_jobs("backup").await,
            names_of(&backups),
            "each has one Job"
        );
    }

    /// Asserts that every mark is there.
    pub async fn assert_guarded(&self) {
        let scene = &self.scene;
        let owner = format!("{}/{NAME}", scene.namespace());
        let volume = volume_of(scene, &self.server.claim()).await;
        assert_eq!(reclaim_policy(&volume), "Retain");
        assert_marks(&volume, Some(&owner), true);
        assert_marks(
            &scene
                .get::<PersistentVolumeClaim>(&self.server.claim())
                .await,
            Some(&owner),
            true,
        );
        assert_marks(&scene.database().await, Some(&owner), true);
        assert_marks(
            &scene.get::<StatefulSet>(&self.server.name).await,
            None,
            false,
        );
        let namespaces: Api<Namespace> = Api::all(scene.client.clone());
        assert_marks(
            &namespaces
                .get(scene.namespace())
                .await
                .expect("the namespace"),
            None,
            false,
        );
    }

    /// Releases the database on purpose, with the controller that runs, and takes away what
    /// protecting it has made.
    pub async fn release(&self) {
        let databases = self.scene.api::<ProtectedDatabase>();
        confirm_deletion(&self.scene, "protdb", NAME);
        databases
            .delete(NAME, &DeleteParams::default())
            .await
            .expect("a confirmed deletion");
        self.scene
            .wait("the ProtectedDatabase to go", async || {
                match databases.get_opt(NAME).await {
                    Ok(None) => Ok(()),
                    seen => Err(format!("{seen:?}")),
                }
            })
            .await;
    }

    /// Makes the namespace what it was before it was protected. No controller may run.
    pub async fn clear(&self) {
        let scene = &self.scene;
        let volumes: Api<PersistentVolume> = Api::all(scene.client.clone());
        let volume = volume_of(scene, &self.server.claim()).await.name_any();
        let patch = Patch::Merge(json!({"spec": {"persistentVolumeReclaimPolicy": "Delete"}}));
        volumes
            .patch(&volume, &PatchParams::default(), &patch)
            .await
            .expect("a volume on Delete");
        let (everything, background) = (ListParams::default(), DeleteParams::background());
        scene
            .api::<Job>()
            .delete_collection(&background, &everything)
            .await
            .expect("a deletion");
        scene
            .api::<DatabaseCheck>()
            .delete_collection(&background, &everything)
            .await
            .expect("a deletion");
        scene
            .api::<DatabaseBackup>()
            .delete_collection(&background, &everything)
            .await
            .expect("a deletion");
        // Released, so that nothing refuses; without it the next ProtectedDatabase would meet the
        // past of this one.
        let ledgers: Api<DatabaseLedger> = Api::all(scene.client.clone());
        ledgers
            .delete(&names::ledger(scene.namespace(), NAME), &background)
            .await
            .expect("a deletion");
        scene
            .api::<ServiceAccount>()
            .delete(names::AGENT_SERVICE_ACCOUNT, &background)
            .await
            .expect("a deletion");
        scene
            .api::<RoleBinding>()
            .delete(names::AGENT_SERVICE_ACCOUNT, &background)
            .await
            .expect("a deletion");
        scene
            .wait("everything that was made to go", async || {
                let agents = scene.list::<Pod>().await.len() - 1;
                let (jobs, checks) = (
                    scene.list::<Job>().await.len(),
                    scene.list::<DatabaseCheck>().await.len(),
                );
                let (cron_jobs, backups) = (
                    scene.list::<CronJob>().await.len(),
                    scene.list::<DatabaseBackup>().await.len(),
                );
                let left = format!(
                    "{agents} pods, {jobs} Jobs, {cron_jobs} CronJobs, {checks} checks, {backups} \
                    backups"
                );
                if agents + jobs + cron_jobs + checks + backups == 0 {
                    Ok(())
                } else {
                    Err(left)
                }
            })
            .await;
    }
}
