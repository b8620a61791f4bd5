//! Scenarios of pods that another operator runs without a StatefulSet: each instance has a claim of its
//! own, a label says which one is the primary, and both may change at any time.

use std::fmt::Write as _;
use std::time::Duration;

use super::in_memory::Passes;
use super::recover;
use super::recovery_sample;
use super::render::render;
use super::sample::Sample;
use super::sample_objects::{
    attempt, check, complete_backup, in_recovery, judged, of_container, reset, unjudged,
    unverifiable,
};
use super::sample_parts::{from, known, metadata, pod, time, volume, workload};
use crate::api::{CheckOutcome, CheckTarget, DatabaseCheck, PodLabels};
use crate::decide::decide;
use crate::decide::recover::plan_recovery;
use crate::plan::{Plan, Step};
use crate::world::{
    ClaimFact, ClaimOrigin, ClaimOwner, Fact, ObservedRecovery, OwnerName, OwnerState, PodFact,
    PodsFound, VolumeFact, WorkloadFact,
};

const ROLE: &str = "cnpg.io/instanceRole";

fn labels(key: &str, value: &str) -> PodLabels {
    PodLabels::of(&[(key, value)])
}

fn owner() -> OwnerName {
    OwnerName {
        group: "postgresql.cnpg.io".to_owned(),
        kind: "Cluster".to_owned(),
        name: "knowledge".to_owned(),
    }
}

fn found() -> PodsFound {
    PodsFound {
        selector: labels("cnpg.io/cluster", "knowledge"),
        primary: Some(labels(ROLE, "primary")),
        container: Some("postgres".to_owned()),
        containers: workload().containers,
        server_containers: vec!["postgres".to_owned()],
        other_containers: Vec::new(),
        placement: crate::resources::Placement::default(),
        owner: Some(owner()),
    }
}

/// An instance: `knowledge-1` with the claim `data-knowledge-1` on the volume `pvc-1`.
fn instance(number: u32, role: &str) -> PodFact {
    let (name, uid) = (format!("knowledge-{number}"), format!("pod-{number}"));
    let mut instance = pod(&name, &uid, &format!("containerd://{number}"));
    instance.controller = None;
    instance.labels = labels("cnpg.io/cluster", "knowledge").match_labels;
    instance.labels.insert(ROLE.to_owned(), role.to_owned());
    instance
}

fn claim(number: u32) -> ClaimFact {
    let name = format!("data-knowledge-{number}");
    let volume_name = format!("pvc-{number}");
    let mut found = volume(&volume_name, "Delete");
    found.claim = from(serde_json::json!({
        "namespace": "atra", "name": name, "uid": format!("uid-of-{name}"),
    }));
    ClaimFact {
        origin: ClaimOrigin {
            pod: true,
            ..ClaimOrigin::default()
        },
        metadata: Some(metadata(&name)),
        phase: "Bound".to_owned(),
        volume_name: Some(volume_name),
        volume: VolumeFact::Found(Box::new(found)),
        capacity: None,
        manifest: serde_json::Value::Null,
        name,
    }
}

/// Three instances that were protected a moment ago.
fn first_sight() -> Sample {
    Sample::first_sight()
        .database(|database| {
            database.spec.workload = from(serde_json::json!({
                "selector": {"matchLabels": {"cnpg.io/cluster": "knowledge"}},
                "primary": {"matchLabels": {ROLE: "primary"}}, "container": "postgres",
            }));
        })
        .with(|observed| {
            observed.workload = Fact::Known(WorkloadFact::Pods(Box::new(found())));
            observed.claims = Fact::Known(vec![claim(1), claim(2), claim(3)]);
        })
        .pods(vec![
            instance(1, "primary"),
            instance(2, "replica"),
            instance(3, "replica"),
        ])
}

fn guarded() -> Sample {
    let mut passes = Passes::new(first_sight().0);
    passes.act_on(|step| !matches!(step, Step::CreateCheck(_) | Step::CreateJob(_)));
    Sample(passes.observed).after_a_pass()
}

/// The check is of that instance, and saw its volume.
fn of(number: u32, check: DatabaseCheck) -> DatabaseCheck {
    let (name, uid) = (format!("knowledge-{number}"), format!("pod-{number}"));
    let mut check = of_container(check, &name, &uid, &format!("containerd://{number}"));
    let target: &mut CheckTarget = check.spec.target.as_mut().expect("a target");
    for seen in &mut target.volumes {
        seen.claim = format!("data-knowledge-{number}");
        seen.claim_uid = format!("uid-of-data-knowledge-{number}");
        seen.volume = format!("pvc-{number}");
        seen.volume_handle = format!("/volumes/pvc-{number}");
    }
    check
}

fn replica(number: u32, created: &str) -> DatabaseCheck {
    let name = format!("replica-{number}");
    let seen = in_recovery(unjudged(check(&name, created)));
    of(
        number,
        judged(seen, CheckOutcome::Unverifiable, "InRecovery"),
    )
}

/// Guarded, verified on the first instance, and both replicas were seen.
fn settled() -> Sample {
    guarded()
        .checks(vec![
            of(1, check("primary-1", "2026-02-01T09:00:00Z")),
            replica(2, "2026-02-01T09:00:10Z"),
            replica(3, "2026-02-01T09:00:11Z"),
        ])
        .backups(vec![complete_backup(
            "knowledge-backup-first",
            "2026-02-01T09:01:00Z",
        )])
        .after_a_pass()
}

/// The roles of the three instances.
fn roles(sample: Sample, roles: [&str; 3]) -> Sample {
    let [one, two, three] = roles;
    sample.pods(vec![instance(1, one), instance(2, two), instance(3, three)])
}

/// The second instance is the primary now, and its newest check found that.
fn failed_over(newest: DatabaseCheck) -> Sample {
    let was_primary = in_recovery(unjudged(check("was-primary", "2026-02-01T09:28:20Z")));
    roles(settled(), ["replica", "primary", "replica"])
        .and_check(of(2, newest))
        .and_check(of(1, was_primary))
}

fn without_pods(sample: Sample) -> Sample {
    sample.pods(Vec::new()).with(|observed| {
        let empty = PodsFound {
            containers: Vec::new(),
            owner: None,
            ..found()
        };
        observed.workload = Fact::Known(WorkloadFact::Pods(Box::new(empty)));
        for claim in known(&mut observed.claims) {
            claim.origin = ClaimOrigin {
                marked: true,
                ..ClaimOrigin::default()
            };
        }
    })
}

fn owned(sample: Sample, state: &OwnerState) -> Sample {
    sample.with(|observed| {
        observed.claim_owners = (1..=3)
            .map(|number| ClaimOwner {
                claim: format!("data-knowledge-{number}"),
                owner: owner(),
                place: 0,
                state: state.clone(),
            })
            .collect();
    })
}

fn on_one_claim(sample: Sample) -> Sample {
    sample.with(|observed| {
        let pods = known(&mut observed.pods);
        let (claims, mounts) = (pods[0].claims.clone(), pods[0].mounts.clone());
        (pods[1].claims, pods[1].mounts) = (claims, mounts);
    })
}

/// The instance has started five times before, the last time some seconds ago, and each start was
/// checked.
fn starting_again(sample: Sample, number: u32) -> Sample {
    let mut sample = sample;
    for second in 51..56 {
        let name = format!("start-{second}");
        let mut earlier = check(&name, &format!("2026-02-01T09:29:{second}Z"));
        if number > 1 {
            let seen = in_recovery(unjudged(earlier));
            earlier = judged(seen, CheckOutcome::Unverifiable, "InRecovery");
        }
        let mut earlier = of(number, earlier);
        let target = earlier.spec.target.get_or_insert_default();
        target.container_id = format!("containerd://{second}");
        sample = sample.and_check(earlier);
    }
    sample.with(|observed| {
        let pods = known(&mut observed.pods);
        let place = usize::try_from(number - 1).expect("a place");
        "containerd://again".clone_into(&mut pods[place].running[0].id);
    })
}

/// The spec names no container, and the pods have different ones.
fn several_containers(sample: Sample) -> Sample {
    sample
        .database(|database| database.spec.workload.container = None)
        .with(|observed| {
            let found = PodsFound {
                container: None,
                server_containers: vec!["main".to_owned(), "postgres".to_owned()],
                ..found()
            };
            observed.workload = Fact::Known(WorkloadFact::Pods(Box::new(found)));
        })
}

fn scenarios() -> Vec<(&'static str, Sample)> {
    let promoted = || unjudged(check("promoted", "2026-02-01T09:28:00Z"));
    let emptied = || reset("emptied", "2026-02-01T09:28:00Z");
    let starting =
        |sample: Sample| sample.with(|observed| known(&mut observed.pods)[0].running.clear());
    vec![
        ("three instances, first sight", first_sight()),
        ("three instances, settled", settled()),
        (
            "the label has moved to a replica",
            roles(settled(), ["replica", "primary", "replica"]),
        ),
        (
            "failover: the replica has the data",
            failed_over(promoted()),
        ),
        ("failover to an emptied primary", failed_over(emptied())),
        (
            "no pod is labelled as the primary",
            roles(settled(), ["replica", "replica", "replica"]),
        ),
        (
            "two pods are labelled as the primary",
            roles(settled(), ["primary", "primary", "replica"]),
        ),
        ("the labelled pod does not run", starting(settled())),
        ("all pods are gone", without_pods(settled())),
        (
            "the owner is gone",
            owned(without_pods(settled()), &OwnerState::Gone),
        ),
        (
            "the owner is being deleted",
            owned(settled(), &OwnerState::Terminating),
        ),
        (
            "all pods are gone, and the owner can't be read",
            owned(without_pods(settled()), &OwnerState::NotKnown),
        ),
        ("the owner exists", owned(settled(), &OwnerState::Exists)),
        (
            "another owner of the same name was created since",
            owned(
                without_pods(settled()),
                &OwnerState::Replaced("u-again".to_owned()),
            ),
        ),
        (
            "an instance starts for the sixth time within a minute",
            starting_again(settled(), 3),
        ),
        (
            "the primary starts for the sixth time within a minute",
            starting_again(settled(), 1),
        ),
        (
            "pods with different containers have the labels",
            several_containers(guarded()),
        ),
        (
            "only a pooler has ever had the labels",
            without_pods(first_sight()).with(|observed| {
                observed.claims = Fact::Known(Vec::new());
                let pooler = PodsFound {
                    containers: Vec::new(),
                    server_containers: Vec::new(),
                    other_containers: vec!["pgbouncer".to_owned()],
                    owner: None,
                    ..found()
                };
                observed.workload = Fact::Known(WorkloadFact::Pods(Box::new(pooler)));
            }),
        ),
        (
            "no pod has ever had the labels",
            without_pods(first_sight()).with(|observed| observed.claims = Fact::Known(Vec::new())),
        ),
        ("two instances have one claim", on_one_claim(settled())),
    ]
}

#[test]
fn plans_of_bare_pods() {
    let mut text = String::new();
    for (name, Sample(observed)) in scenarios() {
        let _ = writeln!(text, "== {name}\n{}", render(&decide(&observed)));
    }
    insta::assert_snapshot!("bare_pods", text);
}

fn status(plan: &Plan, condition: &str) -> (&'static str, &'static str) {
    let mut conditions = plan.conditions.iter();
    let found = conditions
        .find(|found| found.condition.as_str() == condition)
        .expect("the condition");
    (found.status.as_str(), found.reason)
}

/// The condition of the scenario of that name.
fn said(name: &str, condition: &str) -> (&'static str, &'static str) {
    let mut all = scenarios().into_iter();
    let (_, Sample(observed)) = all.find(|(other, _)| *other == name).expect("the scenario");
    status(&decide(&observed), condition)
}

#[test]
fn a_failover_is_no_alarm_and_an_emptied_primary_is_one() {
    let moved = "failover: the replica has the data";
    assert_eq!(said(moved, "DataVerified"), ("True", "Verified"));
    assert_eq!(said(moved, "DataReset").0, "False");
    let emptied = "failover to an emptied primary";
    assert_eq!(said(emptied, "DataVerified").0, "False");
    assert_eq!(said(emptied, "DataReset").0, "True");
}

/// While a replica is made, which may take hours, its server does not answer.
#[test]
fn a_new_instance_that_does_not_answer_is_no_alarm() {
    let silent = unverifiable("new", "2026-02-01T09:28:00Z", "ConnectionFailed");
    let Sample(observed) = guarded().checks(vec![
        of(1, check("primary-1", "2026-02-01T09:00:00Z")),
        of(3, attempt(unjudged(silent), 20)),
    ]);
    let plan = decide(&observed);
    assert_eq!(status(&plan, "DataReset").0, "False", "{}", render(&plan));
}

#[test]
fn without_one_primary_nothing_is_green() {
    for name in [
        "no pod is labelled as the primary",
        "two pods are labelled as the primary",
    ] {
        let wanted = ("Unknown", "PrimaryNotKnown");
        assert_eq!(said(name, "DataVerified"), wanted, "{name}");
    }
    for name in [
        "the labelled pod does not run",
        "the label has moved to a replica",
        "all pods are gone",
        "no pod has ever had the labels",
    ] {
        assert_eq!(said(name, "DataVerified").0, "Unknown", "{name}");
    }
}

#[test]
fn claims_stay_guarded_without_pods_and_without_an_owner() {
    assert_eq!(said("all pods are gone", "Guarded"), ("True", "Guarded"));
    assert_eq!(said("the owner is gone", "Guarded"), ("True", "OwnerGone"));
    assert_eq!(said("the owner exists", "Guarded"), ("True", "Guarded"));
    assert_eq!(
        said("two instances have one claim", "Guarded"),
        ("False", "ClaimMountedTwice")
    );
}

/// Owners are not watched, and a user who recreated one waits for what Holdfast says of it.
#[test]
fn an_owner_that_is_gone_is_looked_for_again() {
    let looks_again = |name: &str| {
        let mut all = scenarios().into_iter();
        let (_, Sample(observed)) = all.find(|(other, _)| *other == name).expect("the scenario");
        let wait = decide(&observed).again_after;
        wait.is_some_and(|wait| wait <= Duration::from_secs(15))
    };
    assert!(looks_again("the owner is gone"));
    assert!(looks_again(
        "another owner of the same name was created since"
    ));
    assert!(!looks_again("all pods are gone"));
}

/// Another operator may recreate the pod of an instance in a loop; the primary is never held back.
#[test]
fn an_instance_that_starts_again_and_again_is_checked_more_rarely() {
    let made_beside = |sample: Sample, number: u32| {
        let Sample(observed) = starting_again(sample, number);
        let plan = decide(&observed);
        let pod = format!("knowledge-{number}");
        let is_of_instance = |step: &Step| match step {
            Step::CreateCheck(check) => check
                .spec
                .target
                .as_ref()
                .is_some_and(|target| target.pod == pod),
            _ => false,
        };
        (
            plan.steps.iter().any(is_of_instance),
            status(&plan, "DataVerified"),
        )
    };
    let made = |number: u32| made_beside(settled(), number);
    assert_eq!(made(3), (false, ("True", "Verified")));
    assert_eq!(made(1), (true, ("Unknown", "Checking")));
    // As long as it is not known which one is the primary, it may be this one.
    for unknown in [
        ["replica", "replica", "replica"],
        ["primary", "primary", "replica"],
    ] {
        let (is_made, _) = made_beside(roles(settled(), unknown), 3);
        assert!(is_made, "{unknown:?}");
    }
    // Without labels it is the one that was verified, and no other.
    let without_labels = |sample: Sample| {
        sample
            .wanted(|spec| spec.workload.primary = None)
            .with(|observed| {
                let found = PodsFound {
                    primary: None,
                    ..found()
                };
                observed.workload = Fact::Known(WorkloadFact::Pods(Box::new(found)));
            })
    };
    assert!(!made_beside(without_labels(settled()), 3).0);
    let lost = settled().and_check(of(1, reset("lost", "2026-02-01T09:29:40Z")));
    assert!(made_beside(without_labels(lost), 3).0);
}

/// The only instance of a replica cluster has the labels of the primary, and is a replica for good.
#[test]
fn a_replica_cluster_is_looked_at_more_and_more_rarely() {
    let mut sample = guarded();
    for number in 0..9 {
        let created = format!("2026-02-01T09:0{number}:00Z");
        let seen = in_recovery(unjudged(check(&format!("standby-{number}"), &created)));
        let seen = judged(seen, CheckOutcome::Unverifiable, "InRecovery");
        sample = sample.and_check(of(1, attempt(seen, number)));
    }
    let Sample(observed) = sample.with(|observed| known(&mut observed.pods).truncate(1));
    let plan = decide(&observed);
    let is_check = |step: &Step| matches!(step, Step::CreateCheck(_));
    assert!(!plan.steps.iter().any(is_check), "{}", render(&plan));
}

/// A label that names a replica is checked again, however its server was found before.
#[test]
fn a_moved_label_is_checked_at_once() {
    let Sample(observed) = roles(settled(), ["replica", "primary", "replica"]);
    let plan = decide(&observed);
    let is_of_labelled = |step: &Step| match step {
        Step::CreateCheck(check) => check
            .spec
            .target
            .as_ref()
            .is_some_and(|target| target.pod == "knowledge-2"),
        _ => false,
    };
    assert!(plan.steps.iter().any(is_of_labelled), "{}", render(&plan));
}

fn recovery(change: impl FnOnce(&mut ObservedRecovery)) -> String {
    let mut observed = recovery_sample::observed();
    observed.world.workload = Fact::Known(WorkloadFact::Pods(Box::new(found())));
    let binding = recover::binding(&mut observed);
    let claim = binding.claim.as_mut().expect("a claim");
    let metadata = claim.metadata.as_mut().expect("its metadata");
    metadata.deletion_timestamp = Some(time("2026-02-01T09:00:00Z"));
    change(&mut observed);
    match plan_recovery(&observed) {
        Err(blocker) => blocker.to_string(),
        Ok(plan) => {
            let steps = plan.steps.iter().map(Step::describe);
            steps.chain(plan.notes).collect::<Vec<_>>().join("\n")
        }
    }
}

#[test]
fn a_recovery_does_not_stop_pods_that_another_operator_runs() {
    let owned_by = |owner: Option<OwnerName>| {
        recovery(|observed| {
            let mut pods = found();
            pods.owner = owner;
            observed.world.workload = Fact::Known(WorkloadFact::Pods(Box::new(pods)));
        })
    };
    let said = owned_by(Some(owner()));
    assert!(said.contains("cnpg.io/hibernation=on"), "{said}");
    let other = OwnerName {
        group: "db.example.com".to_owned(),
        ..owner()
    };
    let said = owned_by(Some(other));
    assert!(said.contains("Stop them with its own tool"), "{said}");
    assert!(!said.contains("hibernation"), "{said}");
    let said = owned_by(None);
    assert!(said.contains("kubectl -n atra delete pod pg-0"), "{said}");
    // When they are gone it goes on, and starts nothing.
    let said = recovery(|observed| {
        observed.world.pods = Fact::Known(Vec::new());
        recover::binding(observed).pods.clear();
    });
    assert!(said.contains("Holdfast starts no pods"), "{said}");
    assert!(!said.contains("scale"), "{said}");
}
