//! Scenarios of the way out: the ProtectedDatabase was deleted.

use k8s_openapi::api::batch::v1::Job;
use serde_json::json;

use super::in_memory::Passes;
use super::render::{PASSES, Scenario, plans};
use super::rule_case::Case;
use super::sample::{Sample, mark};
use super::sample_objects::{ended_job, job};
use super::sample_parts::{delete, from, known};
use crate::decide::decide;
use crate::guard::{self, MarkState, Marks};
use crate::plan::Step;
use crate::world::Fact;
use crate::world::{NeighbourFact, VolumeFact, WorkloadFact};

const OWNER: &str = "atra/knowledge";

#[test]
fn plans_of_the_way_out() {
    insta::assert_snapshot!("release", plans(scenarios()));
}

fn confirmed() -> Sample {
    Sample::settled().deleted().deletion_confirmed()
}

fn neighbour() -> NeighbourFact {
    NeighbourFact {
        name: "other".to_owned(),
        workload: "other-postgres".to_owned(),
        workload_kind: None,
        selector: None,
        system_identifier: None,
        same_workload: false,
        older: true,
        guards: true,
    }
}

/// Jobs of backups that the CronJob owns.
fn backup_jobs(jobs: Vec<Job>) -> Vec<Job> {
    let owned = jobs.into_iter().map(|mut job| {
        job.metadata.owner_references = from(json!([{
            "apiVersion": "batch/v1", "kind": "CronJob", "name": "knowledge-backup",
            "uid": "uid-of-knowledge-backup", "controller": true,
        }]));
        job
    });
    owned.collect()
}

fn running() -> Vec<Job> {
    backup_jobs(vec![job("knowledge-backup-2", "backup")])
}

fn ended() -> Vec<Job> {
    backup_jobs(vec![ended_job(
        "knowledge-backup-2",
        "backup",
        "2026-02-01T09:25:00Z",
        "CompletionsReached",
    )])
}

/// The scenarios of a backup while the database goes.
fn with_backups() -> Vec<Scenario> {
    vec![
        (
            "the database goes while a backup runs",
            confirmed().jobs(running()),
        ),
        (
            "the database goes after its backup has ended",
            confirmed().jobs(ended()),
        ),
        (
            "the database goes and whether a backup runs can't be read",
            confirmed().with(|observed| {
                observed.jobs = Fact::Unknown("could not read the Jobs: refused".to_owned());
            }),
        ),
        (
            "the database goes and its CronJob can't be read",
            confirmed().with(|observed| {
                observed.cron_job = Fact::Unknown("could not read the CronJob: refused".to_owned());
            }),
        ),
        (
            "the database goes while a backup runs and its CronJob is going",
            confirmed().jobs(running()).with(|observed| {
                let cron_job = known(&mut observed.cron_job).get_or_insert_default();
                delete(&mut cron_job.metadata);
            }),
        ),
        (
            "the database was deleted without confirmation while a backup runs",
            Sample::settled().deleted().jobs(running()),
        ),
    ]
}

/// Its CronJob is deleted with the ProtectedDatabase, and the Jobs of that with it.
#[test]
fn a_backup_that_runs_outlives_its_database() {
    let jobs_left = |sample: Sample| {
        let mut world = Passes::new(sample.0);
        world.settle(PASSES);
        assert!(world.database_gone);
        let jobs = known(&mut world.observed.jobs).clone();
        assert!(world.observed.cron_job.known().is_some_and(Option::is_none));
        jobs
    };
    let left = jobs_left(confirmed().jobs(running()));
    let [job] = left.as_slice() else {
        panic!("the backup was ended: {left:?}");
    };
    let owners = job.metadata.owner_references.as_ref();
    assert!(owners.is_none_or(Vec::is_empty), "nothing else ends it");
    assert!(jobs_left(confirmed().jobs(ended())).is_empty());
}

/// What the rule about backups that run refuses.
pub fn cases() -> Vec<Case> {
    let running = || confirmed().jobs(running());
    let is_leaving = |step: &Step| matches!(step, Step::LeaveBackup(_));
    let all = decide(&running().0).steps;
    let (leave, without): (Vec<Step>, Vec<Step>) = all.iter().cloned().partition(is_leaving);
    assert_eq!(leave.len(), 1);
    let case = |observed: Sample, bad: &[Step]| Case {
        rule: "running_backups_outlive_their_database",
        observed: observed.0,
        bad: bad.to_vec(),
        good: vec![Step::EnsureAgentIdentity],
    };
    let unread = || Fact::Unknown("refused".to_owned());
    vec![
        Case {
            good: all,
            ..case(running(), &without)
        },
        case(
            running().with(|observed| observed.jobs = Fact::Unknown("refused".to_owned())),
            &without,
        ),
        case(
            running().with(|observed| observed.cron_job = unread()),
            &without,
        ),
        // Nobody has deleted the database, or confirmed it.
        case(Sample::settled(), &leave),
        case(Sample::settled().deleted(), &leave),
    ]
}

pub fn scenarios() -> Vec<Scenario> {
    [ways_out(), with_backups()].concat()
}

fn ways_out() -> Vec<Scenario> {
    vec![
        (
            "the database was deleted without confirmation",
            Sample::settled().deleted(),
        ),
        (
            "the database was deleted before it was ever marked",
            Sample::first_sight().deleted(),
        ),
        ("the database was deleted with confirmation", confirmed()),
        (
            "the database was deleted with the UID of another one",
            Sample::settled().deleted().annotated(
                crate::api::names::CONFIRM_DELETION_ANNOTATION,
                "uid-of-the-one-before",
            ),
        ),
        (
            "the database was deleted with confirmation beside a neighbour",
            confirmed().with(|observed| observed.neighbours = Fact::Known(vec![neighbour()])),
        ),
        (
            "the database goes and a claim is being deleted that nobody has confirmed",
            confirmed().claim(|claim| delete(claim.metadata.get_or_insert_default())),
        ),
        (
            "the database goes and a kept volume is being deleted that nobody has confirmed",
            confirmed().kept_volume("pvc-old", |volume| delete(&mut volume.metadata)),
        ),
        (
            "the database goes and its volume is on Delete again",
            confirmed().volume(|volume| volume.reclaim_policy = "Delete".to_owned()),
        ),
        (
            "the database goes while only the volume was marked",
            Sample::first_sight()
                .database(|database| mark(&mut database.metadata, OWNER, Marks::Itself))
                .volume(|volume| {
                    mark(&mut volume.metadata, OWNER, Marks::Held);
                    volume.reclaim_policy = "Retain".to_owned();
                })
                .deleted()
                .deletion_confirmed(),
        ),
        (
            "the database goes while a claim is another's",
            confirmed().claim(|claim| {
                let metadata = claim.metadata.get_or_insert_default();
                metadata.annotations = None;
                mark(metadata, "atra/other", Marks::Held);
                claim.origin.marked = false;
            }),
        ),
        (
            "the database goes and a volume whose claim is gone is released too",
            confirmed().kept_volume("pvc-old", |_| ()),
        ),
        (
            "the database goes and a volume whose claim is gone is on Delete",
            confirmed().kept_volume("pvc-old", |volume| {
                volume.reclaim_policy = "Delete".to_owned();
            }),
        ),
        (
            "the database goes and the volumes without a claim can't be read",
            confirmed().with(|observed| {
                observed.kept_volumes =
                    Fact::Unknown("could not read the guarded volumes: refused".to_owned());
            }),
        ),
        (
            "the database goes while its claim is lost",
            confirmed().claim(|claim| claim.volume = VolumeFact::Gone("pvc-a".to_owned())),
        ),
        (
            "the database goes after its workload",
            confirmed().with(|observed| observed.workload = Fact::Known(WorkloadFact::NotFound)),
        ),
        (
            "the database goes and its volume can't be read",
            confirmed().claim(|claim| {
                claim.volume = VolumeFact::Unknown(
                    "could not read PersistentVolume pvc-a: refused".to_owned(),
                );
            }),
        ),
        (
            "the database goes and its claims can't be read",
            confirmed().with(|observed| {
                observed.claims =
                    Fact::Unknown("could not read the namespace's claims: refused".to_owned());
            }),
        ),
        (
            "the database goes and its neighbours can't be read",
            confirmed().with(|observed| {
                observed.neighbours = Fact::Unknown(
                    "could not read the namespace's ProtectedDatabases: refused".to_owned(),
                );
            }),
        ),
    ]
}

#[test]
fn after_the_way_out_nothing_is_marked_and_the_volume_is_on_retain() {
    let gone = [
        "the database was deleted with confirmation",
        "the database goes and its volume is on Delete again",
        "the database goes while only the volume was marked",
    ];
    for (name, Sample(observed)) in scenarios()
        .into_iter()
        .filter(|(name, _)| gone.contains(name))
    {
        let mut world = Passes::new(observed);
        world.settle(PASSES);
        assert!(world.database_gone, "{name}");
        for claim in known(&mut world.observed.claims) {
            let VolumeFact::Found(volume) = &claim.volume else {
                panic!("{name}: no volume")
            };
            assert_eq!(volume.reclaim_policy, "Retain", "{name}");
            for metadata in [
                &volume.metadata,
                &claim.metadata.clone().unwrap_or_default(),
            ] {
                assert_eq!(
                    guard::mark_state(metadata, OWNER, Marks::Held),
                    MarkState::Unmarked,
                    "{name}"
                );
            }
        }
        assert_eq!(
            guard::mark_state(
                known(&mut world.observed.namespace).as_ref().unwrap(),
                OWNER,
                Marks::Shared
            ),
            MarkState::Unmarked,
            "{name}"
        );
    }
}
