//! Scenarios of storage that more than one volume object stands for, of volumes that are kept without
//! end, and of what the ledger remembers when a volume takes the place of another one.

use std::time::Duration;

use serde_json::json;

use super::in_memory::Passes;
use super::recovery_sample::pod_of_twin;
use super::render::{PASSES, Scenario, plans};
use super::sample::{Sample, mark};
use super::sample_parts::{confirm, delete, from, known, volume};
use crate::api::{
    ConditionType, LEDGER_VOLUME_LIMIT, RememberedVolume, VolumeStorage, names, reasons,
};
use crate::decide::decide;
use crate::guard::Marks;
use crate::plan::Step;
use crate::world::{
    Fact, LedgerFact, MountFact, Observed, PodFact, RepairPause, VolumeFact, VolumeFound,
};

#[test]
fn plans_of_storage() {
    insta::assert_snapshot!("storage", plans(scenarios()));
}

fn storage(path: &str) -> VolumeStorage {
    let spec = serde_json::from_value(json!({"hostPath": {"path": path}}));
    VolumeStorage::of(&spec.expect("a source"))
}

fn retained(volume: &mut VolumeFound) {
    volume.reclaim_policy = "Retain".to_owned();
}

/// The namespace has kept that many volumes.
fn having_kept(count: usize, sample: Sample) -> Sample {
    let names = (1..=count).map(|number| format!("pv-kept-{number:02}"));
    let names: Vec<String> = names.collect();
    sample.with(|observed| observed.kept_in_namespace = Fact::Known(names))
}

pub fn scenarios() -> Vec<Scenario> {
    let mut all = of_twins();
    all.extend(of_the_limit());
    all
}

/// A target by one of its portals.
fn portal(host: &str) -> VolumeStorage {
    let source = json!({"iscsi": {"targetPortal": host, "iqn": "iqn.a", "lun": 0}});
    VolumeStorage::of(&serde_json::from_value(source).expect("a source"))
}

/// Another volume for the same storage, bound to a claim of that namespace which pods have.
fn in_use(namespace: &str, pods: Fact<Vec<PodFact>>) -> Sample {
    let twin = Sample::settled().twin("pv-twin", |volume| {
        retained(volume);
        volume.phase = "Bound".to_owned();
        volume.claim = Some(from(json!({
            "namespace": namespace, "name": "theirs", "uid": "u-theirs",
        })));
    });
    twin.with(|observed| known(&mut observed.twins).found[0].pods = pods)
}

fn of_another_directory() -> PodFact {
    let mut pod = pod_of_twin();
    pod.mounts = vec![MountFact {
        claim: "theirs".to_owned(),
        container: "postgres".to_owned(),
        path: "/data".to_owned(),
        sub_path: "other".to_owned(),
        read_only: false,
    }];
    pod
}

/// The other volume is that of another claim of the database.
fn of_its_own(observed: &mut Observed) {
    known(&mut observed.twins).found[0].is_own = true;
}

fn of_twins() -> Vec<Scenario> {
    let (first, settled) = (Sample::first_sight, Sample::settled);
    let twin = |change: fn(&mut VolumeFound)| settled().twin("pv-twin", change);
    let released = |volume: &mut VolumeFound| volume.phase = "Released".to_owned();
    vec![
        ("another volume is for the same storage", twin(|_| ())),
        (
            "another volume is for the same storage at first sight",
            first().twin("pv-twin", |_| ()),
        ),
        (
            "another volume for the same storage is on Retain",
            twin(retained),
        ),
        (
            "another volume for the same storage is Released on Delete",
            twin(released),
        ),
        (
            "another volume for the same storage is Released on Retain",
            twin(|volume| {
                volume.phase = "Released".to_owned();
                retained(volume);
            }),
        ),
        (
            "another volume for the same storage is being deleted",
            twin(|volume| delete(&mut volume.metadata)),
        ),
        (
            "another volume for the same storage is being deleted on Retain",
            twin(|volume| {
                delete(&mut volume.metadata);
                retained(volume);
            }),
        ),
        (
            "another volume for the same storage is being deleted, and nothing is backed up",
            twin(|volume| delete(&mut volume.metadata)).wanted(|spec| spec.backup = None),
        ),
        (
            "a pod writes to the same storage through another volume",
            in_use("atra", Fact::Known(vec![pod_of_twin()])),
        ),
        (
            "pods of another namespace write to the same storage through another volume",
            in_use("theirs", Fact::Known(vec![pod_of_twin()])),
        ),
        (
            "nobody uses another volume for the same storage that is bound",
            in_use("theirs", Fact::Known(Vec::new())),
        ),
        (
            "another volume for the same storage is used in another directory only",
            in_use("atra", Fact::Known(vec![of_another_directory()])).workload(|workload| {
                workload.containers[0].mounts[0].sub_path = Some("pg".to_owned());
            }),
        ),
        (
            "it is not known who uses another volume for the same storage",
            in_use(
                "theirs",
                Fact::Unknown(
                    "could not read the pods that may use PersistentVolume pv-twin: this is not \
                     permitted"
                        .to_owned(),
                ),
            ),
        ),
        (
            "two claims of the database are for the same storage, and a pod has each",
            in_use("atra", Fact::Known(vec![pod_of_twin()])).with(of_its_own),
        ),
        (
            "two claims of the database are for the same storage, and one pod has both",
            in_use("atra", Fact::Known(vec![pod_of_twin()])).with(|observed| {
                of_its_own(observed);
                let own = observed.claims.known().map(|claims| claims[0].name.clone());
                if let Fact::Known(pods) = &mut known(&mut observed.twins).found[0].pods {
                    pods[0].claims.extend(own);
                }
            }),
        ),
        (
            "two claims of the database are for the same storage, and no pod has the first",
            in_use("atra", Fact::Known(vec![pod_of_twin()])).with(|observed| {
                of_its_own(observed);
                observed.pods = Fact::Known(Vec::new());
            }),
        ),
        (
            "five volumes are for the same storage",
            settled()
                .twin("pv-twin-1", retained)
                .twin("pv-twin-2", retained)
                .twin("pv-twin-3", retained)
                .twin("pv-twin-4", retained)
                .with(|observed| known(&mut observed.twins).more = 1),
        ),
        (
            "one volume for the same storage is on Retain, and another is not",
            settled()
                .twin("pv-twin-1", retained)
                .twin("pv-twin-2", |_| ()),
        ),
        (
            "something sets another volume for the same storage to Delete again and again",
            twin(|_| ()).with(|observed| {
                known(&mut observed.twins).found[0].pause = Some(RepairPause {
                    times: 6,
                    wait: Duration::from_secs(10),
                });
            }),
        ),
        (
            "another volume may be for the same storage",
            settled()
                .claim(|claim| match &mut claim.volume {
                    VolumeFact::Found(volume) => volume.storage = portal("10.0.0.1"),
                    other => panic!("no volume but {other:?}"),
                })
                .twin("pv-twin", |volume| volume.storage = portal("10.0.0.2")),
        ),
        (
            "another volume is for the directory above",
            twin(|volume| volume.storage = storage("/volumes")),
        ),
        (
            "another volume is for the directory above, on Retain",
            twin(|volume| {
                volume.storage = storage("/volumes");
                retained(volume);
            }),
        ),
        (
            "the volumes can't be listed",
            settled().with(|observed| {
                let why = "could not list the PersistentVolumes yet".to_owned();
                observed.twins = Fact::Unknown(why);
            }),
        ),
    ]
}

fn left_ledgers(count: usize) -> Vec<String> {
    let names = (1..=count).map(|number| format!("atra.gone-{number:02}"));
    names.collect()
}

fn of_the_limit() -> Vec<Scenario> {
    let (first, settled) = (Sample::first_sight, Sample::settled);
    let stripped = |sample: Sample| {
        sample
            .claim(|claim| {
                let metadata = claim.metadata.get_or_insert_default();
                (metadata.labels, metadata.annotations, metadata.finalizers) = (None, None, None);
            })
            .volume(|volume| {
                let metadata = &mut volume.metadata;
                (metadata.labels, metadata.annotations, metadata.finalizers) = (None, None, None);
                volume.reclaim_policy = "Delete".to_owned();
            })
    };
    vec![
        (
            "the namespace has kept fewer volumes than it may",
            having_kept(19, first()),
        ),
        (
            "the namespace has kept as many volumes as it may",
            having_kept(20, first()),
        ),
        (
            "the namespace may keep one volume",
            having_kept(1, first()).with(|observed| observed.kept_volume_limit = 1),
        ),
        (
            "ledgers of databases that are gone are left, as many as may be",
            first().with(|observed| observed.left_ledgers = Fact::Known(left_ledgers(20))),
        ),
        (
            "ledgers of databases that are gone are left, fewer than may be",
            first().with(|observed| observed.left_ledgers = Fact::Known(left_ledgers(19))),
        ),
        (
            "what has a ledger keeps it, however many are left",
            settled().with(|observed| observed.left_ledgers = Fact::Known(left_ledgers(25))),
        ),
        (
            "what is guarded stays guarded at the limit",
            having_kept(25, settled()),
        ),
        (
            "what was guarded and lost all marks is marked again at the limit",
            having_kept(25, stripped(settled())),
        ),
        (
            "a new claim whose volume is kept by itself is guarded at the limit",
            having_kept(20, first()).volume(retained),
        ),
        (
            "a new claim with forged marks is not guarded at the limit",
            having_kept(20, first()).claim(|claim| {
                let metadata = claim.metadata.get_or_insert_default();
                mark(metadata, "atra/knowledge", Marks::Held);
            }),
        ),
        (
            "a new claim with a forged label is not guarded at the limit",
            having_kept(20, first()).claim(|claim| {
                let metadata = claim.metadata.get_or_insert_default();
                let labels = metadata.labels.get_or_insert_default();
                labels.insert(names::PROTECTED_LABEL.to_owned(), "true".to_owned());
            }),
        ),
        (
            "a claim that only the status knows stays guarded at the limit",
            having_kept(25, stripped(settled()))
                .with(|observed| observed.ledger = Fact::Known(None)),
        ),
        (
            "a new claim is deleted at the limit",
            having_kept(20, first()).claim(|claim| delete(claim.metadata.get_or_insert_default())),
        ),
        (
            "a new claim with forged marks is deleted at the limit",
            having_kept(20, first()).claim(|claim| {
                let metadata = claim.metadata.get_or_insert_default();
                mark(metadata, "atra/knowledge", Marks::Held);
                delete(metadata);
            }),
        ),
        (
            "a new claim with forged marks is deleted with a confirmation at the limit",
            having_kept(20, first()).claim(|claim| {
                let metadata = claim.metadata.get_or_insert_default();
                mark(metadata, "atra/knowledge", Marks::Held);
                delete(metadata);
                confirm(metadata);
            }),
        ),
    ]
}

/// The twin is set to Retain once, by the version that was read, and carries no mark.
#[test]
fn a_twin_is_retained_once_and_not_marked() {
    let mut passes = Passes::new(Sample::settled().twin("pv-twin", |_| ()).0);
    passes.settle(PASSES);
    let twin = &passes.observed.twins.known().expect("twins").found[0].volume;
    assert!(twin.is_retained());
    assert_eq!(twin.metadata.labels, None);
    assert_eq!(twin.metadata.annotations, None);
    assert_eq!(twin.metadata.finalizers, None);
    let retained = passes.done.iter().filter(|step| step.contains("pv-twin"));
    assert_eq!(retained.count(), 1, "{:?}", passes.done);
}

/// What the ledger would remember.
fn remembered(sample: &Sample) -> Vec<RememberedVolume> {
    let plan = decide(&sample.0);
    let written = plan.steps.into_iter().find_map(|step| match step {
        Step::WriteLedger { status, .. } => Some(*status),
        _ => None,
    });
    let present = sample.0.ledger.known().cloned().flatten();
    let present = present.and_then(|fact| fact.ledger.status);
    written.or(present).expect("a memory").volumes
}

fn handles(sample: &Sample) -> Vec<(String, String)> {
    let volumes = remembered(sample).into_iter();
    volumes
        .map(|volume| (volume.volume, volume.volume_handle))
        .collect()
}

fn named(volume: &str, handle: &str) -> (String, String) {
    (volume.to_owned(), handle.to_owned())
}

#[test]
fn what_the_last_good_check_saw_is_never_overwritten() {
    // The volume of the name is for other storage.
    let elsewhere = Sample::settled().volume(|volume| volume.storage = storage("/elsewhere"));
    assert_eq!(
        handles(&elsewhere),
        [
            named("pvc-a", "/volumes/pvc-a"),
            named("pvc-a", "/elsewhere")
        ]
    );
    // An older version did not note the storage, but it noted the manifest.
    let old = elsewhere.with(|observed| {
        let Fact::Known(Some(fact)) = &mut observed.ledger else {
            panic!("no ledger");
        };
        let mut ledger = fact.ledger.clone();
        let volume = &mut ledger.status.as_mut().expect("a memory").volumes[0];
        volume.volume_handle = String::new();
        volume.volume_manifest = json!({"spec": {"hostPath": {"path": "/volumes/pvc-a"}}});
        *fact = LedgerFact::new(ledger);
    });
    assert_eq!(
        handles(&old),
        [named("pvc-a", ""), named("pvc-a", "/elsewhere")]
    );
    // Another volume is there for the claim.
    let other = Sample::settled().volume(|found| {
        let mut other = volume("pvc-b", "Retain");
        other.metadata.labels.clone_from(&found.metadata.labels);
        other
            .metadata
            .annotations
            .clone_from(&found.metadata.annotations);
        other
            .metadata
            .finalizers
            .clone_from(&found.metadata.finalizers);
        *found = other;
    });
    assert_eq!(
        handles(&other),
        [
            named("pvc-a", "/volumes/pvc-a"),
            named("pvc-b", "/volumes/pvc-b")
        ]
    );
}

#[test]
fn what_the_last_good_check_saw_is_not_crowded_out() {
    let crowded = Sample::settled().with(|observed| {
        let claims = known(&mut observed.claims);
        let good = claims[0].clone();
        claims.clear();
        for number in 0..200 {
            let mut claim = good.clone();
            claim.name = format!("claim-{number}");
            if let VolumeFact::Found(volume) = &mut claim.volume {
                let name = format!("pv-{number}");
                volume.storage = storage(&format!("/volumes/{name}"));
                volume.metadata.name = Some(name);
            }
            claims.push(claim);
        }
    });
    let guarded = decide(&crowded.0).conditions.into_iter();
    let mut guarded = guarded.filter(|condition| condition.condition == ConditionType::Guarded);
    let said = guarded.next().expect("a condition");
    assert_eq!(said.reason, reasons::TOO_MANY_CLAIMS, "{}", said.message);
    let remembered = handles(&crowded);
    assert_eq!(remembered.len(), LEDGER_VOLUME_LIMIT);
    assert_eq!(remembered[0], named("pvc-a", "/volumes/pvc-a"));
}

/// A ledger of a version that knew no name for that kind of storage: the manifest has it.
#[test]
fn a_baseline_without_a_handle_gets_it_from_the_manifest() {
    let sample = Sample::settled();
    let ledger = sample.0.ledger.known().cloned().flatten();
    let mut ledger = ledger.expect("a ledger").ledger;
    let status = ledger.status.as_mut().expect("a memory");
    let baseline = status.baseline.as_mut().expect("a baseline");
    baseline.volumes[0].volume_handle = String::new();
    status.volumes[0].volume_handle = String::new();
    status.volumes[0].volume_manifest =
        json!({"spec": {"rbd": {"monitors": ["a"], "pool": "db", "image": "pg"}}});
    let check = LedgerFact::new(ledger).remembered.expect("a check");
    let target = check.spec.target.expect("a target");
    assert_eq!(target.volumes[0].volume_handle, "rbd:db/pg@a");
}
