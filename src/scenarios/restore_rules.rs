//! The cases of the rule about the Jobs of restores, for the rules' test table.

use k8s_openapi::api::batch::v1::Job;
use serde_json::json;

use super::agents;
use super::restore_sample::{announced, decided, job, restore, restore_of, restoring};
use super::rule_case::Case;
use super::sample::Sample;
use super::sample_parts::known;
use crate::api::DatabaseRestore;
use crate::plan::Step;
use crate::world::Fact;

/// A restore's Job is created once, for what its user confirmed and its status announced.
pub fn cases() -> Vec<Case> {
    let own = restoring(restore(&announced()));
    let steps = decided(&own).plan.steps;
    let create = |change: fn(&mut Job)| {
        let Some(Step::CreateJob(job)) = steps.last() else {
            panic!("no Job: {steps:?}");
        };
        let mut job = job.clone();
        change(&mut job);
        vec![Step::CreateJob(job)]
    };
    let good = create(|_| {});
    let case = |sample: Sample| Case {
        rule: "restores_are_confirmed_and_run_once",
        observed: sample.0,
        bad: good.clone(),
        good: vec![Step::EnsureAgentIdentity],
    };
    let changed = |change: fn(&mut DatabaseRestore)| {
        own.clone()
            .with(|observed| change(&mut known(&mut observed.restores)[0]))
    };
    let beside = restoring(restore_of(
        &json!({"latestGood": true}),
        "Beside",
        &announced(),
    ));
    // A set by its place: its agent is to refuse what does not count, unless its user has said so.
    let source = json!({"set": {
        "path": "atra/knowledge/knowledge-backup-first", "manifestSha256": "ab".repeat(32),
    }});
    let placed = restoring(restore_of(&source, "Replace", &announced()));
    let careful = decided(&placed).plan.steps;
    let accepted = placed
        .clone()
        .with(|observed| known(&mut observed.restores)[0].spec.accept_suspect = Some(true));
    let careless = decided(&accepted).plan.steps;
    let twice = [good.clone(), good.clone()].concat();
    vec![
        Case {
            good: careful,
            bad: careless.clone(),
            ..case(placed)
        },
        Case {
            good: careless,
            bad: twice.clone(),
            ..case(accepted)
        },
        // It may be created, once.
        Case {
            good: good.clone(),
            bad: twice,
            ..case(own.clone())
        },
        Case {
            good: decided(&beside).plan.steps,
            bad: good.clone(),
            ..case(beside)
        },
        Case {
            good: good.clone(),
            bad: create(|job| job.metadata.name = Some("restore-another".to_owned())),
            ..case(own.clone())
        },
        Case {
            good: good.clone(),
            bad: create(|job| {
                let text = serde_json::to_string(job).unwrap_or_default();
                let other = text.replace("knowledge-backup-first", "knowledge-backup-other");
                *job = serde_json::from_str(&other).unwrap_or_default();
            }),
            ..case(own.clone())
        },
        // Without its label it is the same Job.
        Case {
            good: good.clone(),
            bad: create(|job| {
                job.metadata.labels = None;
                job.spec = None;
            }),
            ..case(own.clone())
        },
        case(changed(|restore| restore.spec.confirm = None)),
        case(changed(|restore| {
            restore.spec.confirm = Some("uid-of-another".to_owned());
        })),
        case(changed(|restore| {
            restore.metadata.uid = Some("uid-of-another".to_owned());
        })),
        case(changed(|restore| restore.status = None)),
        case(changed(|restore| {
            restore.status.get_or_insert_default().state = Some(crate::api::RestoreState::Blocked);
        })),
        case(changed(|restore| {
            restore.status.get_or_insert_default().set = None;
        })),
        case(changed(|restore| {
            restore.status.get_or_insert_default().job = Some("seen".to_owned());
        })),
        case(own.clone().jobs(vec![job()])),
        case(
            own.clone()
                .jobs(vec![agents::job("knowledge-backup-1", "backup")]),
        ),
        case(
            own.clone()
                .jobs(vec![agents::job("restore-another", "restore")]),
        ),
        case(
            own.clone()
                .with(|observed| observed.jobs = Fact::Unknown("refused".to_owned())),
        ),
        case(
            own.clone()
                .with(|observed| observed.restores = Fact::Unknown("refused".to_owned())),
        ),
        case(own.with(|observed| known(&mut observed.restores).clear())),
    ]
}
