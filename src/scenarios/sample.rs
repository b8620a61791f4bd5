//! A protected database as the operator sees it, and small changes to it: what the tests of the
//! controller are made of.
#![allow(
    clippy::unwrap_used,
    reason = "a sample that can't be built is a fault of the test"
)]

use std::sync::Arc;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::in_memory::{Passes, patch};
use super::sample_objects::{check, complete_backup};
use super::sample_parts::{
    CONFIRMED_AT, confirm, confirm_at, database, from, known, metadata, pod, time, volume, workload,
};
use crate::api::names;
use crate::api::{
    ConfirmedVerb, DatabaseBackup, DatabaseCheck, ProtectedDatabase, ProtectedDatabaseSpec,
};
use crate::decide::decide;
use crate::guard::{Marks, build_mark_patch};
use crate::plan::Step;
use crate::resources::JobPace;
use crate::world::{
    AgentFact, AgentIdentity, ClaimFact, ClaimOrigin, Fact, KeptVolume, LedgerFact, Observed,
    PodFact, PolicyFact, TwinFact, Twins, VolumeFact, VolumeFound, WorkloadFact, WorkloadFound,
    World,
};

/// When the passes of the samples begin.
pub const NOW: &str = "2026-02-01T09:30:00Z";

/// An observation and small changes to it.
#[derive(Clone, Debug)]
pub struct Sample(pub Observed);

impl Sample {
    /// A database that runs and was protected a moment ago: nothing is marked, checked or backed
    /// up, and its volume is on Delete.
    pub fn first_sight() -> Self {
        let claim = ClaimFact {
            name: "data-knowledge-postgres-0".to_owned(),
            origin: ClaimOrigin {
                template: true,
                pod: true,
                ..ClaimOrigin::default()
            },
            metadata: Some(metadata("data-knowledge-postgres-0")),
            phase: "Bound".to_owned(),
            volume_name: Some("pvc-a".to_owned()),
            volume: VolumeFact::Found(Box::new(volume("pvc-a", "Delete"))),
            capacity: None,
            manifest: Value::Null,
        };
        let world = World {
            workload: Fact::Known(WorkloadFact::Found(Box::new(workload()))),
            former_workload: Fact::Known(None),
            claims_left_out: 0,
            neighbours: Fact::Known(Vec::new()),
            pods: Fact::Known(vec![pod("knowledge-postgres-0", "pod-1", "containerd://1")]),
            other_pods: Fact::Known(Vec::new()),
            services: Fact::Known(Vec::new()),
            claims: Fact::Known(vec![claim]),
            namespace: Fact::Known(Some(ObjectMeta {
                namespace: None,
                ..metadata("atra")
            })),
            policy: Fact::Known(PolicyFact::InForce),
            ledger: Fact::Known(None),
            checks: Fact::Known(Vec::new()),
            backups: Fact::Known(Vec::new()),
            restores: Fact::Known(Vec::new()),
            jobs: Fact::Known(Vec::new()),
            agents: Fact::Known(Vec::new()),
            cron_job: Fact::Known(None),
            agent_identity: Fact::Known(AgentIdentity::Missing),
            file_claims: Fact::Known(Vec::new()),
            kept_volumes: Fact::Known(Vec::new()),
            twins: Fact::Known(Twins::default()),
            kept_in_namespace: Fact::Known(Vec::new()),
            ..World::unread("atra", "knowledge", time(NOW))
        };
        Self(Observed {
            database: Arc::new(database()),
            agent_image: "holdfast:test".to_owned(),
            agent_defaults: Arc::default(),
            pace: JobPace::default(),
            kept_volume_limit: 20,
            kubernetes_cluster: None,
            turn: None,
            world,
        })
    }

    /// Guarded, with its CronJob and the agents' identity; not yet checked.
    pub fn guarded() -> Self {
        let mut passes = Passes::new(Self::first_sight().0);
        passes.act_on(|step| !matches!(step, Step::CreateCheck(_) | Step::CreateJob(_)));
        Self(passes.observed).after_a_pass()
    }

    /// With what would be lost noted on the claims, and everything in the ledger.
    pub fn with_memory(self) -> Self {
        let mut passes = Passes::new(self.0);
        passes.act_on(|step| {
            matches!(
                step,
                Step::NoteLoss { .. } | Step::MarkLedger(_) | Step::WriteLedger { .. }
            )
        });
        Self(passes.observed)
    }

    /// Everything is done: guarded, verified at 09:00, backed up at 09:01.
    pub fn settled() -> Self {
        Self::guarded()
            .checks(vec![check("knowledge-1", "2026-02-01T09:00:00Z")])
            .backups(vec![complete_backup(
                "knowledge-backup-first",
                "2026-02-01T09:01:00Z",
            )])
            .with_memory()
            .after_a_pass()
    }

    /// The status is what a pass reports; nothing else is done.
    pub fn after_a_pass(self) -> Self {
        let mut passes = Passes::new(self.0);
        let plan = decide(&passes.observed);
        passes.report(&plan);
        Self(passes.observed)
    }

    pub fn with(mut self, change: impl FnOnce(&mut Observed)) -> Self {
        change(&mut self.0);
        self
    }

    pub fn at(self, now: &str) -> Self {
        self.with(|observed| observed.now = time(now))
    }

    pub fn database(self, change: impl FnOnce(&mut ProtectedDatabase)) -> Self {
        self.with(|observed| change(Arc::make_mut(&mut observed.database)))
    }

    /// Changes the spec, which begins another generation.
    pub fn wanted(self, change: impl FnOnce(&mut ProtectedDatabaseSpec)) -> Self {
        self.database(|database| {
            change(&mut database.spec);
            database.metadata.generation = database
                .metadata
                .generation
                .map(|generation| generation + 1);
        })
    }

    pub fn annotated(self, key: &str, value: &str) -> Self {
        self.database(|database| {
            database
                .metadata
                .annotations
                .get_or_insert_default()
                .insert(key.to_owned(), value.to_owned());
        })
    }

    /// The ProtectedDatabase is deleted; our finalizer holds it.
    pub fn deleted(self) -> Self {
        self.database(|database| {
            database.metadata.deletion_timestamp = Some(time("2026-02-01T09:29:00Z"));
        })
    }

    /// The deletion of the ProtectedDatabase is confirmed.
    pub fn deletion_confirmed(self) -> Self {
        self.database(|database| confirm(&mut database.metadata))
    }

    /// A change of the ProtectedDatabase is confirmed.
    pub fn change_confirmed(self) -> Self {
        self.database(|database| {
            confirm_at(&mut database.metadata, ConfirmedVerb::Change, CONFIRMED_AT);
        })
    }

    pub fn claims(self, change: impl FnOnce(&mut Vec<ClaimFact>)) -> Self {
        self.with(|observed| change(known(&mut observed.claims)))
    }

    pub fn claim(self, change: impl FnOnce(&mut ClaimFact)) -> Self {
        self.claims(|claims| change(&mut claims[0]))
    }

    pub fn volume(self, change: impl FnOnce(&mut VolumeFound)) -> Self {
        self.claim(|claim| match &mut claim.volume {
            VolumeFact::Found(found) => change(found),
            other => panic!("the sample has no volume but {other:?}"),
        })
    }

    /// A volume whose claim is gone: marked and retained, except for what `change` does to it.
    pub fn kept_volume(self, name: &str, change: impl FnOnce(&mut VolumeFound)) -> Self {
        let mut kept = volume(name, "Retain");
        mark(&mut kept.metadata, "atra/knowledge", Marks::Held);
        let annotations = kept.metadata.annotations.get_or_insert_default();
        annotations.insert(
            names::NAMESPACE_UID_ANNOTATION.to_owned(),
            "uid-of-atra".to_owned(),
        );
        kept.claim = from(json!({"uid": "uid-of-an-older-claim"}));
        change(&mut kept);
        self.with(|observed| {
            let claim_uid = "uid-of-an-older-claim".to_owned();
            known(&mut observed.kept_volumes).push(KeptVolume {
                claim: "older-claim".to_owned(),
                claim_uid,
                volume: kept,
            });
        })
    }

    /// Another volume object for the storage of the data's volume, unmarked and on Delete, except for
    /// what `change` does to it.
    pub fn twin(self, name: &str, change: impl FnOnce(&mut VolumeFound)) -> Self {
        let mut twin = volume(name, "Delete");
        twin.storage = volume("pvc-a", "Delete").storage;
        change(&mut twin);
        self.with(|observed| {
            known(&mut observed.twins).found.push(TwinFact {
                of: "pvc-a".to_owned(),
                volume: twin,
                is_own: false,
                pause: None,
                pods: Fact::Known(Vec::new()),
            });
        })
    }

    pub fn workload(self, change: impl FnOnce(&mut WorkloadFound)) -> Self {
        self.with(|observed| match known(&mut observed.workload) {
            WorkloadFact::Found(found) => change(found),
            other => panic!("the sample has no workload but {other:?}"),
        })
    }

    pub fn pods(self, pods: Vec<PodFact>) -> Self {
        self.with(|observed| observed.pods = Fact::Known(pods))
    }

    /// The container was started again.
    pub fn restarted(self) -> Self {
        self.pods(vec![pod("knowledge-postgres-0", "pod-1", "containerd://2")])
    }

    /// Another history: the ledger remembers nothing of the one before.
    pub fn checks(self, checks: Vec<DatabaseCheck>) -> Self {
        self.only_checks(checks).with(|observed| {
            if let Fact::Known(Some(fact)) = &mut observed.ledger {
                let mut ledger = fact.ledger.clone();
                ledger
                    .status
                    .iter_mut()
                    .for_each(|status| status.baseline = None);
                *fact = LedgerFact::new(ledger);
            }
        })
    }

    /// These checks are there and no others; the ledger remembers what it remembered.
    pub fn only_checks(self, checks: Vec<DatabaseCheck>) -> Self {
        self.with(|observed| observed.checks = Fact::Known(checks))
    }

    pub fn and_check(self, check: DatabaseCheck) -> Self {
        self.with(|observed| known(&mut observed.checks).push(check))
    }

    pub fn backups(self, backups: Vec<DatabaseBackup>) -> Self {
        self.with(|observed| observed.backups = Fact::Known(backups))
    }

    /// These Jobs are there, and their agents have begun.
    pub fn jobs(self, jobs: Vec<Job>) -> Self {
        let begun = jobs.iter().filter_map(AgentFact::begun).collect();
        self.with(|observed| {
            observed.jobs = Fact::Known(jobs);
            observed.agents = Fact::Known(begun);
        })
    }
}

/// Sets the marks of an owner as the guard's own patches do.
pub fn mark(metadata: &mut ObjectMeta, owner: &str, marks: Marks) {
    if let Some(body) = build_mark_patch(metadata, owner, marks) {
        patch(metadata, &mut String::new(), &body).unwrap();
    }
}
