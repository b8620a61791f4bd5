//! The cases of the rules about drills, for the rules' test table.

use serde_json::{Value, json};

use super::agents;
use super::drill_sample::{
    ENDED, NAME, announced, drill, drilled, job, noted, over, report, running, with,
};
use super::restore_sample::{backup, demoted, restore_of};
use super::rule_case::Case;
use super::sample::Sample;
use super::sample_parts::{known, time};
use crate::api::{BackupDrill, DatabaseRestore};
use crate::plan::Step;
use crate::world::Fact;

/// All of them.
pub fn cases() -> Vec<Case> {
    [begun(), noted_by(), forgotten(), jobs()].concat()
}

fn begun() -> Vec<Case> {
    let create = |change: fn(&mut DatabaseRestore)| {
        let mut drill = drill(NAME, &Value::Null);
        drill.status = None;
        change(&mut drill);
        vec![Step::CreateDrill(Box::new(drill))]
    };
    let good = create(|_| {});
    let case = |sample: Sample| Case {
        rule: "drills_are_begun_alone",
        observed: sample.0,
        bad: good.clone(),
        good: vec![Step::EnsureAgentIdentity],
    };
    let wrong = |bad: Vec<Step>| Case {
        good: good.clone(),
        bad,
        ..case(drilled())
    };
    let open = restore_of(&json!({"latestGood": true}), "Beside", &Value::Null);
    vec![
        wrong(create(|drill| {
            drill.spec.into = crate::api::RestoreTarget::Replace;
        })),
        wrong(create(|drill| drill.spec.accept_suspect = Some(true))),
        wrong(create(|drill| drill.spec.database = "other".to_owned())),
        wrong(create(|drill| drill.metadata.owner_references = None)),
        wrong(create(|drill| {
            drill.metadata.name = Some("other".to_owned());
        })),
        wrong(
            [
                good.clone(),
                create(|drill| {
                    drill.metadata.name = Some("knowledge-drill-2".to_owned());
                }),
            ]
            .concat(),
        ),
        case(with(vec![open])),
        case(with(vec![drill(NAME, &over("Complete", &report()))])),
        case(drilled().wanted(|spec| spec.suspend = true)),
        case(drilled().wanted(|spec| spec.drill = None)),
        case(drilled().with(|observed| observed.restores = Fact::Unknown("refused".to_owned()))),
    ]
}

fn noted_by() -> Vec<Case> {
    let note = |name: &str, passed: bool, at: &str| {
        vec![Step::NoteDrill {
            name: name.to_owned(),
            drill: BackupDrill {
                restore: NAME.to_owned(),
                time: time(at),
                passed,
                times: crate::api::DrillTimes::default(),
                unchecked: Vec::new(),
                not_restored: Vec::new(),
            },
        }]
    };
    let first = "knowledge-backup-first";
    let ended = || with(vec![drill(NAME, &over("Complete", &report()))]);
    let case = |sample: Sample| Case {
        rule: "backups_are_proven_by_drills",
        observed: sample.0,
        bad: note(first, true, ENDED),
        good: vec![Step::EnsureAgentIdentity],
    };
    let wrong = |bad: Vec<Step>| Case {
        good: note(first, true, ENDED),
        bad,
        ..case(ended())
    };
    let changed = |change: fn(&mut DatabaseRestore)| {
        case(ended().with(|observed| change(&mut known(&mut observed.restores)[0])))
    };
    vec![
        wrong(note(first, false, ENDED)),
        wrong(note("other", true, ENDED)),
        wrong(note(first, true, "2026-02-01T09:28:01Z")),
        case(with(vec![drill(NAME, &running())])),
        case(with(vec![drill(NAME, &over("Failed", &report()))])),
        case(with(Vec::new())),
        case(ended().backups(vec![demoted(backup(first, "2026-02-01T09:01:00Z"))])),
        case(ended().backups(vec![noted(false, ENDED)])),
        changed(|drill| drill.spec.into = crate::api::RestoreTarget::Beside),
        changed(|drill| drill.status.get_or_insert_default().job = None),
        changed(|drill| drill.status.get_or_insert_default().set = None),
        changed(|drill| {
            let status = drill.status.get_or_insert_default();
            status.set.as_mut().unwrap().manifest_sha256 = "cd".repeat(32);
        }),
    ]
}

fn forgotten() -> Vec<Case> {
    let delete =
        |drill: &DatabaseRestore| vec![Step::DeleteDrill(Box::new(drill.metadata.clone()))];
    // It was refused before it had a Job, so there is nothing to remember.
    let mut refused = over("Failed", &Value::Null);
    refused["job"] = Value::Null;
    let refused = drill("knowledge-drill-1", &refused);
    let ended = drill("knowledge-drill-2", &over("Failed", &report()));
    let open = drill("knowledge-drill-3", &running());
    let mut of_user = drill("knowledge-drill-4", &over("Failed", &Value::Null));
    of_user.metadata.owner_references = None;
    let mut beside = restore_of(
        &json!({"latestGood": true}),
        "Beside",
        &over("Failed", &Value::Null),
    );
    beside
        .metadata
        .owner_references
        .clone_from(&ended.metadata.owner_references);
    beside.metadata.resource_version = Some("7".to_owned());
    let mut unseen = refused.clone();
    unseen.metadata.uid = Some("uid-of-another".to_owned());
    let all = vec![
        refused.clone(),
        ended.clone(),
        open.clone(),
        of_user.clone(),
        beside.clone(),
    ];
    [ended, open, of_user, beside, unseen]
        .iter()
        .map(|wrong| Case {
            rule: "only_old_drills_go",
            observed: with(all.clone()).0,
            bad: delete(wrong),
            good: delete(&refused),
        })
        .collect()
}

/// The Job of a drill is vetted as that of every restore.
fn jobs() -> Vec<Case> {
    let create = |change: fn(&mut k8s_openapi::api::batch::v1::Job)| {
        let mut job = job(None);
        job.metadata.uid = None;
        job.status = None;
        change(&mut job);
        vec![Step::CreateJob(Box::new(job))]
    };
    let own = || with(vec![drill(NAME, &announced())]);
    let wrong = |observed: Sample, bad: Vec<Step>, good: Vec<Step>| Case {
        rule: "restores_are_confirmed_and_run_once",
        observed: observed.0,
        bad,
        good,
    };
    let label = |job: &mut k8s_openapi::api::batch::v1::Job| {
        let labels = job.metadata.labels.get_or_insert_default();
        labels.insert(
            crate::api::names::TASK_LABEL.to_owned(),
            "restore".to_owned(),
        );
    };
    let reach = |job: &mut k8s_openapi::api::batch::v1::Job| {
        let text = serde_json::to_string(job).unwrap_or_default();
        let changed = text.replace(
            "\\\"credentialsSecret\\\":\\\"\\\"",
            "\\\"credentialsSecret\\\":\\\"pg\\\"",
        );
        assert_ne!(text, changed);
        *job = serde_json::from_str(&changed).unwrap_or_default();
    };
    let good = || create(|_| {});
    let none = || vec![Step::EnsureAgentIdentity];
    let beside = |name: &str, task: &str| own().jobs(vec![agents::job(name, task)]);
    vec![
        wrong(own(), create(label), good()),
        wrong(own(), create(reach), good()),
        wrong(beside("restore-another", "restore"), good(), none()),
        wrong(beside("restore-another", "drill"), good(), none()),
        wrong(own().wanted(|_| {}), [good(), good()].concat(), good()),
        // Of a backup it takes nothing.
        wrong(
            beside("knowledge-backup-1", "backup"),
            create(label),
            good(),
        ),
    ]
}
