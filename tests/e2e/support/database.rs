//! A ProtectedDatabase for a server, and ways to wait for what it says.

use std::collections::BTreeSet;

use holdfast::api::{
    CheckOutcome, CheckTrigger, ConditionStatus, ConditionType, DatabaseBackup, DatabaseCheck,
    ProtectedDatabase, ProtectedDatabaseSpec, ProtectedDatabaseStatus, find_condition, names,
    reasons,
};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use serde_json::json;

use super::{DATABASE, SHARD_LABEL, Scene, Server, Start};

/// Name of the ProtectedDatabase of every test.
pub const NAME: &str = "knowledge";

/// What the example asks for: at least 80 experts, at least 10,000 nodes, a backup every night. Each
/// scene has a prefix of its own in the bucket: a first check looks at other namespaces, too.
pub fn build_database(scene: &Scene, server: &Server) -> ProtectedDatabase {
    let store = testbed::ObjectStoreInfo::default();
    let spec = json!({
        "workload": {"kind": "StatefulSet", "name": server.name, "container": "postgres"},
        "connection": {"database": DATABASE, "credentialsSecret": {"name": server.secret()}},
        // Off: a test counts checks, and the hour's own may come at any moment.
        "verification": {"schedule": "Off", "tables": [
            {"name": "public.experts", "minRows": 80},
            {"name": "public.knowledge_nodes", "minRows": 10000, "maxDropPercent": 20},
        ]},
        "backup": {
            "schedule": "0 3 * * *", "timeZone": "Europe/Berlin",
            "storage": {"s3": {
                "bucket": store.bucket, "prefix": format!("end-to-end/{}", scene.namespace()), "endpoint": store.endpoint, "region": store.region,
                "forcePathStyle": true, "credentialsSecret": {"name": "s3-auth"},
            }},
        },
    });
    let spec: ProtectedDatabaseSpec = serde_json::from_value(spec).expect("a spec");
    let mut database = ProtectedDatabase::new(NAME, spec);
    database.metadata.namespace = Some(scene.namespace().to_owned());
    database
}

/// The same without rules for single tables, and without backups: only what is compared with the
/// last good check counts.
pub fn build_plain_database(scene: &Scene, server: &Server) -> ProtectedDatabase {
    let mut database = build_database(scene, server);
    database.spec.verification.tables.clear();
    database.spec.backup = None;
    database
}

impl Scene {
    /// Creates a ProtectedDatabase, and the Secret of its bucket.
    pub async fn protect(&self, database: &ProtectedDatabase) {
        let store = testbed::ObjectStoreInfo::default();
        self.apply(&[json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s3-auth", "namespace": self.namespace()},
            "stringData": {"accessKeyId": store.access_key_id, "secretAccessKey": store.secret_access_key},
        })]);
        let mut database = database.clone();
        if self.is_shard() {
            let labels = database.labels_mut();
            labels.insert(SHARD_LABEL.to_owned(), "own".to_owned());
        }
        self.api()
            .create(&PostParams::default(), &database)
            .await
            .expect("the ProtectedDatabase to be accepted");
    }

    /// Starts a filled server, protects it and waits until all is green.
    pub async fn protect_filled(&self, server: &Server) -> Start {
        let start = server.start_filled(self).await;
        self.protect(&build_database(self, server)).await;
        self.wait_green().await;
        start
    }

    /// The same without rules for single tables, and without backups.
    pub async fn protect_plainly(&self, server: &Server) -> Start {
        let start = server.start_filled(self).await;
        self.protect(&build_plain_database(self, server)).await;
        self.wait_green().await;
        start
    }

    /// The same, with checks that give up after that time.
    pub async fn protect_plainly_within(&self, server: &Server, timeout: &str) -> Start {
        let start = server.start_filled(self).await;
        let mut database = build_plain_database(self, server);
        timeout.clone_into(&mut database.spec.verification.timeout);
        self.protect(&database).await;
        self.wait_green().await;
        start
    }

    /// The ProtectedDatabase as it is now.
    pub async fn database(&self) -> ProtectedDatabase {
        self.get(NAME).await
    }

    /// Its status.
    pub async fn status(&self) -> ProtectedDatabaseStatus {
        self.database().await.status.unwrap_or_default()
    }

    /// A condition as it is now.
    pub async fn condition(&self, condition: ConditionType) -> Condition {
        let status = self.status().await;
        find_condition(&status.conditions, condition)
            .unwrap_or_else(|| panic!("no condition {}", condition.as_str()))
            .clone()
    }

    /// Waits for a condition with exactly this value and reason.
    pub async fn wait_condition(
        &self,
        condition: ConditionType,
        status: ConditionStatus,
        reason: &str,
    ) -> Condition {
        self.wait_told(condition, status, reason, &[]).await
    }

    /// Waits for a condition with exactly this value and reason whose message has all these parts:
    /// where it may have been the same before, for another cause.
    pub async fn wait_told(
        &self,
        condition: ConditionType,
        status: ConditionStatus,
        reason: &str,
        parts: &[&str],
    ) -> Condition {
        let what = format!(
            "{} to be {} ({reason}) and to say {parts:?}",
            condition.as_str(),
            status.as_str()
        );
        let databases = self.api::<ProtectedDatabase>();
        self.wait(&what, async || {
            let database = databases
                .get(NAME)
                .await
                .map_err(|error| error.to_string())?;
            let conditions = database.status.unwrap_or_default().conditions;
            let found = find_condition(&conditions, condition).ok_or("no such condition")?;
            if found.status == status.as_str()
                && found.reason == reason
                && parts.iter().all(|part| found.message.contains(part))
            {
                return Ok(found.clone());
            }
            Err(format!(
                "{} ({}): {}",
                found.status, found.reason, found.message
            ))
        })
        .await
    }

    /// Asserts a condition as it is now.
    pub async fn assert_condition(
        &self,
        condition: ConditionType,
        status: ConditionStatus,
        reason: &str,
    ) -> Condition {
        let found = self.condition(condition).await;
        assert_eq!(
            (found.status.as_str(), found.reason.as_str()),
            (status.as_str(), reason),
            "{}: {}",
            found.type_,
            found.message
        );
        found
    }

    /// Waits until everything that can be guarded is.
    pub async fn wait_guarded(&self) {
        self.wait_condition(
            ConditionType::Guarded,
            ConditionStatus::True,
            reasons::GUARDED,
        )
        .await;
    }

    /// Waits until the database is Ready, and asserts what that means. All in one status: the next pass
    /// may write another.
    pub async fn wait_green(&self) {
        let conditions = self
            .wait("the database to be Ready", async || {
                let database = self.get::<ProtectedDatabase>(NAME).await;
                let conditions = database.status.unwrap_or_default().conditions;
                let ready = find_condition(&conditions, ConditionType::Ready).cloned();
                match ready {
                    Some(ready) if ready.status == "True" && ready.reason == reasons::ALL_GOOD => {
                        Ok(conditions)
                    }
                    other => Err(format!("{other:?}")),
                }
            })
            .await;
        let expected = [
            (ConditionType::Ready, "True", reasons::ALL_GOOD),
            (ConditionType::Guarded, "True", reasons::GUARDED),
            (ConditionType::DataVerified, "True", reasons::VERIFIED),
            (ConditionType::DataReset, "False", reasons::VERIFIED),
            (ConditionType::Stalled, "False", reasons::SETTLED),
        ];
        for (type_, status, reason) in expected {
            let found = find_condition(&conditions, type_).expect("a condition");
            assert_eq!(
                (found.status.as_str(), found.reason.as_str()),
                (status, reason),
                "{}: {}",
                found.type_,
                found.message
            );
        }
    }

    /// Waits until the data is found to be reset for this reason; returns what is said of it.
    pub async fn wait_reset(&self, reason: &str) -> String {
        let reset = self
            .wait_condition(ConditionType::DataReset, ConditionStatus::True, reason)
            .await;
        self.wait_condition(ConditionType::DataVerified, ConditionStatus::False, reason)
            .await;
        self.wait_condition(
            ConditionType::Ready,
            ConditionStatus::False,
            reasons::NOT_READY,
        )
        .await;
        self.wait_event("Warning", reason, "DataReset is True")
            .await;
        reset.message
    }

    /// Waits for an event of the ProtectedDatabase.
    pub async fn wait_event(&self, type_: &str, reason: &str, note: &str) {
        let events = self.api::<Event>();
        let selected = ListParams::default().fields(&format!("type={type_},reason={reason}"));
        let what = format!("a {type_} event {reason}: {note}");
        self.wait(&what, async || {
            let found = events
                .list(&selected)
                .await
                .map_err(|error| error.to_string())?;
            let told: Vec<String> = found
                .into_iter()
                .filter_map(|event| event.message)
                .collect();
            if told.iter().any(|message| message.contains(note)) {
                Ok(())
            } else {
                Err(format!("{told:?}"))
            }
        })
        .await;
    }

    /// Waits until the data is found to be what was last known good.
    pub async fn wait_verified(&self) {
        self.wait_condition(
            ConditionType::DataReset,
            ConditionStatus::False,
            reasons::VERIFIED,
        )
        .await;
        self.wait_condition(
            ConditionType::DataVerified,
            ConditionStatus::True,
            reasons::VERIFIED,
        )
        .await;
    }

    /// All checks, oldest first.
    pub async fn checks(&self) -> Vec<DatabaseCheck> {
        let mut checks = self.list::<DatabaseCheck>().await;
        checks.sort_by_key(|check| {
            (
                check.creation_timestamp().map(|time| time.0),
                check.name_any(),
            )
        });
        checks
    }

    /// All checks but those of backups, oldest first.
    pub async fn checks_but_of_backups(&self) -> Vec<DatabaseCheck> {
        let mut checks = self.checks().await;
        checks.retain(|check| check.spec.trigger != CheckTrigger::Backup);
        checks
    }

    /// The checks of one start.
    pub async fn checks_of(&self, start: &Start) -> Vec<DatabaseCheck> {
        let mut checks = self.checks().await;
        checks.retain(|check| {
            matches!(
                check.spec.trigger,
                CheckTrigger::Restart | CheckTrigger::Retry
            ) && is_of(check, start)
        });
        checks
    }

    /// Waits until the check of a start is judged.
    pub async fn wait_judged(&self, start: &Start) -> DatabaseCheck {
        let checks = self.api::<DatabaseCheck>();
        self.wait(&format!("a judged check of {start:?}"), async || {
            let all = checks
                .list(&ListParams::default())
                .await
                .map_err(|error| error.to_string())?;
            let is_for_start = |check: &DatabaseCheck| {
                matches!(
                    check.spec.trigger,
                    CheckTrigger::Restart | CheckTrigger::Retry
                )
            };
            let of_start = all.items.into_iter().find(|check| {
                is_for_start(check)
                    && is_of(check, start)
                    && outcome(check) != Some(CheckOutcome::Unverifiable)
            });
            let check = of_start.ok_or("there is none")?;
            if outcome(&check).is_some() {
                Ok(check)
            } else {
                Err(format!("{:?}", check.status))
            }
        })
        .await
    }

    /// Waits until a check of that name is judged.
    pub async fn wait_judged_check(&self, name: &str) -> DatabaseCheck {
        let checks = self.api::<DatabaseCheck>();
        self.wait(&format!("DatabaseCheck {name} to be judged"), async || {
            let check = checks.get(name).await.map_err(|error| error.to_string())?;
            if outcome(&check).is_some() {
                Ok(check)
            } else {
                Err(format!("{:?} {:?}", check.spec.target, check.status))
            }
        })
        .await
    }

    /// Asserts that a start was checked once and verified, and that there is one Job for each check
    /// and no other.
    pub async fn assert_checked_once(&self, start: &Start) {
        let check = self.wait_judged(start).await;
        self.settle().await;
        let of_start = self.checks_of(start).await;
        assert_eq!(
            of_start.len(),
            1,
            "one start, one check: {:?}",
            names_of(&of_start)
        );
        assert_eq!(
            outcome(&check),
            Some(CheckOutcome::Verified),
            "{:?}",
            check.status
        );
        let mut jobs = self.agent_jobs("check").await;
        let mut checks = names_of(&self.checks().await);
        jobs.sort();
        checks.sort();
        assert_eq!(
            jobs, checks,
            "every check has one Job, and no Job is without its check"
        );
    }

    /// Asserts what holds after every test: a start that was found good or reset once is not
    /// checked again for having started.
    pub async fn assert_no_start_judged_twice(&self) {
        let mut judged = BTreeSet::new();
        for check in self.checks().await {
            let Some(target) = check.spec.target.clone() else {
                continue;
            };
            let is_definite = matches!(
                outcome(&check),
                Some(CheckOutcome::Verified | CheckOutcome::Suspected)
            );
            if check.spec.trigger == CheckTrigger::Restart && is_definite {
                let start = (
                    check.spec.database.clone(),
                    target.pod_uid,
                    target.container_id,
                );
                assert!(
                    judged.insert(start),
                    "{} is the second check of one start",
                    check.name_any()
                );
            }
        }
    }

    /// Names of the agents' Jobs with a task.
    pub async fn agent_jobs(&self, task: &str) -> Vec<String> {
        let labelled = ListParams::default().labels(&format!("{}={task}", names::TASK_LABEL));
        names_of(&self.api::<Job>().list(&labelled).await.expect("Jobs").items)
    }

    /// Makes the operator look at the database twice more, which it shows by a condition that comes
    /// and goes, and waits until nothing is left to do. What it would do by mistake, such as a
    /// second check of one start, it has done then.
    pub async fn settle(&self) {
        let accepted = self
            .database()
            .await
            .annotations()
            .get(names::ACCEPT_CHECK_ANNOTATION)
            .cloned();
        self.change(
            json!({"metadata": {"annotations": {names::ACCEPT_CHECK_ANNOTATION: "look-again"}}}),
        )
        .await;
        self.wait_condition(
            ConditionType::Stalled,
            ConditionStatus::True,
            reasons::ACCEPTED_CHECK_INVALID,
        )
        .await;
        self.change(
            json!({"metadata": {"annotations": {names::ACCEPT_CHECK_ANNOTATION: accepted}}}),
        )
        .await;
        // A reset that stands is Stalled, too.
        self.wait("the annotation to be forgotten", async || {
            let stalled = self.condition(ConditionType::Stalled).await;
            if stalled.reason == reasons::ACCEPTED_CHECK_INVALID {
                Err(format!("{stalled:?}"))
            } else {
                Ok(())
            }
        })
        .await;
        self.wait_condition(
            ConditionType::Reconciling,
            ConditionStatus::False,
            reasons::SETTLED,
        )
        .await;
    }

    /// Changes the ProtectedDatabase.
    pub async fn change(&self, patch: serde_json::Value) -> ProtectedDatabase {
        self.api::<ProtectedDatabase>()
            .patch(NAME, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .expect("a change")
    }

    /// Waits until a backup has ended.
    pub async fn wait_backup(&self, name: &str) -> DatabaseBackup {
        let backups = self.api::<DatabaseBackup>();
        self.wait(&format!("DatabaseBackup {name} to end"), async || {
            let backup = backups.get(name).await.map_err(|error| error.to_string())?;
            let ended = backup
                .status
                .as_ref()
                .is_some_and(|status| status.completion_time.is_some());
            if ended {
                Ok(backup)
            } else {
                Err(format!("{:?}", backup.status))
            }
        })
        .await
    }
}

/// What came of a check.
pub fn outcome(check: &DatabaseCheck) -> Option<CheckOutcome> {
    Some(check.status.as_ref()?.verdict.as_ref()?.outcome)
}

/// Whether a check is of that start.
pub fn is_of(check: &DatabaseCheck, start: &Start) -> bool {
    check.spec.target.as_ref().is_some_and(|target| {
        target.pod_uid == start.pod_uid && target.container_id == start.container_id
    })
}

/// The names of objects.
pub fn names_of<K: kube::Resource>(objects: &[K]) -> Vec<String> {
    objects
        .iter()
        .map(|object| object.meta().name.clone().unwrap_or_default())
        .collect()
}

/// Asserts that a text tells a person all of this.
#[track_caller]
pub fn assert_tells(text: &str, wanted: &[&str]) {
    for part in wanted {
        assert!(text.contains(part), "it does not say {part:?}: {text}");
    }
}
