//! The table of all steps: what pins each, what permits it, who may carry it out, what it disturbs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::json;
use strum::IntoEnumIterator as _;

use super::drill_sample::drill;
use super::sample::Sample;
use super::sample_objects::{backup, check};
use super::sample_parts::{confirm, delete, from, metadata, time};
use crate::api::{
    BackupConfirmation, BackupDrill, BackupRead, BackupVerdict, CheckTarget, CheckVerdict,
    CheckedFiles, ConfirmedVerb, DatabaseLedger, DrillTimes, WorkloadKind, reasons,
};
use crate::plan::{
    ConfirmedKind, Disturbance, GateStep, MountRepairStep, Permission, Permit, Pin, Release,
    RevocationStep, ScaleStep, Step, StepKind, VolumeStep, WorkloadMarkStep,
};
use crate::world::GateFact;

/// One step of every kind. What is released or removed is being deleted, and that is confirmed.
fn steps() -> Vec<Step> {
    let object = || Box::new(metadata("data"));
    let gone = || {
        let mut metadata = metadata("data");
        delete(&mut metadata);
        confirm(&mut metadata);
        Box::new(metadata)
    };
    let kind = WorkloadKind::StatefulSet;
    let release = || Release {
        metadata: gone(),
        permit: Permit::Confirmed,
    };
    let volume = || VolumeStep {
        metadata: object(),
        reclaim_policy: "Delete".to_owned(),
        namespace_uid: None,
    };
    let scale = || ScaleStep {
        kind,
        metadata: object(),
        replicas: 1,
        scaled_up_to: 1,
    };
    let manifest = || json!({"metadata": {"name": "data"}, "spec": {"volumeName": "pv-1"}});
    let name = || "data".to_owned();
    let verdict: CheckVerdict =
        from(json!({"outcome": "Verified", "reason": "Verified", "message": ""}));
    let files: CheckedFiles = from(json!({"rule": 0, "claim": "uploads", "state": "NotChecked"}));
    let ledger: DatabaseLedger = from(json!({
        "metadata": {"name": "data"}, "spec": {"namespace": "atra", "database": "knowledge"},
    }));
    let gate = GateStep {
        pod: name(),
        pod_uid: "pod-1".to_owned(),
        gate: GateFact::default(),
        at: time("2026-02-01T09:00:00Z"),
    };
    let status = Sample::settled().0;
    let status = status
        .ledger
        .known()
        .cloned()
        .flatten()
        .expect("a ledger")
        .ledger
        .status;
    vec![
        Step::MarkDatabase(object()),
        Step::RetainVolume(volume()),
        Step::RetainTwin(volume()),
        Step::MarkVolume(volume()),
        Step::MarkClaim(object()),
        Step::NoteLoss {
            metadata: object(),
            loss: String::new(),
        },
        Step::MarkLedger(Box::new(ledger)),
        Step::WriteLedger {
            name: name(),
            status: Box::new(status.unwrap_or_default()),
        },
        Step::NoteRecreation {
            ledger: object(),
            token: name(),
        },
        Step::AcceptNamespace {
            ledger: object(),
            namespace_uid: "uid-of-atra".to_owned(),
        },
        Step::ReleaseLedger(release()),
        Step::MarkWorkload(WorkloadMarkStep {
            kind,
            metadata: object(),
            claims_guarded: true,
        }),
        Step::NoteMountRepair(MountRepairStep {
            kind,
            metadata: object(),
            repair: None,
        }),
        Step::MarkNamespace(object()),
        Step::SetGate(Box::new(gate)),
        Step::EnsureAgentIdentity,
        Step::CreateCheck(Box::new(check("data", "2026-02-01T09:00:00Z"))),
        Step::SetCheckTarget {
            name: name(),
            target: Box::new(CheckTarget::default()),
        },
        Step::CreateJob(Box::default()),
        Step::WriteVerdict {
            name: name(),
            verdict,
        },
        Step::FailFiles {
            check: name(),
            files: Box::new(files),
        },
        Step::ApplyCronJob(Box::default()),
        Step::DeleteRoleBinding(object()),
        Step::DeleteCronJob(object()),
        Step::LeaveBackup(object()),
        Step::FailBackup {
            name: name(),
            reason: reasons::JOB_FAILED,
            message: String::new(),
        },
        Step::JudgeBackup {
            name: name(),
            verdict: BackupVerdict::Confirmed(BackupConfirmation {
                check: String::new(),
                time: time("2026-02-01T09:00:00Z"),
            }),
        },
        Step::NoteRead {
            name: name(),
            read: BackupRead {
                time: time("2026-02-01T09:00:00Z"),
                job: String::new(),
                damage: None,
            },
        },
        Step::EndJob(object()),
        Step::CreateBackup(Box::new(backup("data", "2026-02-01T09:00:00Z", "Running"))),
        Step::NoteDrill {
            name: name(),
            drill: BackupDrill {
                restore: "drill".to_owned(),
                time: time("2026-02-01T09:00:00Z"),
                passed: true,
                times: DrillTimes::default(),
                unchecked: Vec::new(),
                not_restored: Vec::new(),
            },
        },
        Step::CreateDrill(Box::new(drill("data", &serde_json::Value::Null))),
        Step::DeleteDrill(object()),
        Step::DeleteBackup(object()),
        Step::DeleteFailedBackup(object()),
        Step::DeleteCheck(object()),
        Step::AssertDatabase(object()),
        Step::AssertVolume(object()),
        Step::ReleaseClaim(release()),
        Step::ReleaseVolume(release()),
        Step::ReleaseWorkload(kind, release()),
        Step::ReleaseNamespace(release()),
        Step::ReleaseDatabase(release()),
        Step::ConfirmNamespaceDeletion(gone()),
        Step::FinalizeNamespace(gone()),
        Step::CreateNamespace(manifest()),
        Step::CreateVolume(manifest()),
        Step::ScaleDown(scale()),
        Step::ConfirmClaimDeletion(object()),
        Step::DeleteClaim(object()),
        Step::FinishClaimDeletion(gone()),
        Step::ReserveVolume {
            metadata: object(),
            claim_uid: None,
            namespace: "atra".to_owned(),
            claim: name(),
            for_uid: None,
            uses_confirmation: false,
        },
        Step::ConfirmVolumeChange(object()),
        Step::RevokeConfirmation(RevocationStep {
            kind: ConfirmedKind::Volume,
            metadata: gone(),
            verb: ConfirmedVerb::Delete,
        }),
        Step::CreateClaim(manifest()),
        Step::TouchClaim {
            metadata: object(),
            volume_version: "1".to_owned(),
        },
        Step::MountClaim {
            kind,
            metadata: object(),
            index: 0,
            volume: Box::default(),
            claim: name(),
        },
        Step::ConfirmDatabaseDeletion(gone()),
        Step::FinishDatabaseDeletion(gone()),
        Step::CreateDatabase(manifest()),
        Step::ScaleUp(scale()),
        Step::Await("it".to_owned()),
    ]
}

#[test]
fn the_table_of_all_steps() {
    let steps: BTreeMap<StepKind, Step> = steps()
        .into_iter()
        .map(|step| (StepKind::from(&step), step))
        .collect();
    let mut text = String::new();
    for kind in StepKind::iter() {
        let step = steps
            .get(&kind)
            .unwrap_or_else(|| panic!("no {kind:?} in the table"));
        let pin = match step.pin() {
            Pin::Version(_) => "UID and resource version".to_owned(),
            Pin::Uid(_, because) => format!("UID; {because}"),
            Pin::NewName => "a name that does not exist yet".to_owned(),
            Pin::OwnFields => "fields that are Holdfast's own".to_owned(),
            Pin::NoWrite => "no write".to_owned(),
        };
        let permission = match step.permission() {
            Permission::NotNeeded => "not needed",
            Permission::Release(_) => "a confirmed deletion, or the guard being off",
            Permission::Terminating(_) => "the deletion is under way",
            Permission::Confirmation(_) => "a confirmation",
            Permission::ConfirmedDeletion(_) => "a confirmation, and the deletion is under way",
            Permission::OwnObject => "an object of Holdfast's own",
        };
        let disturbance = match step.disturbance() {
            Disturbance::None => "nothing",
            Disturbance::StopsPods(_) => "stops pods",
            Disturbance::RemovesObject(_) => "removes the object",
        };
        let _ = writeln!(
            text,
            "{kind:?}: {}\n  pinned by: {pin}\n  permitted by: {permission}\n  for: {:?}\n  \
             disturbs: {disturbance}",
            step.describe(),
            step.actors(),
        );
    }
    insta::assert_snapshot!("steps", text);
}

#[test]
fn what_disturbs_names_the_object_that_is_agreed_to() {
    for step in steps() {
        let disturbs = step.disturbance() != Disturbance::None;
        let consent = step.consent();
        assert_eq!(consent.is_some(), disturbs, "{step:?}");
        assert!(
            consent.is_none_or(|consent| consent.contains("uid-of-data")),
            "{step:?}"
        );
    }
}
