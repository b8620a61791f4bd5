//! What the agent of a restore is given of the disk of the server.

use serde_json::{Value, json};

use super::restore_sample::{announced, decided, restore, restoring};
use super::sample::Sample;
use super::sample_parts::from;
use crate::api::{DataDisk, REQUEST_VARIABLE, RestoreRequest, VolumeStorage};
use crate::plan::Step;
use crate::world::{Fact, OtherMountFact, PodFact, VolumeFact};

const CLAIM: &str = "data-knowledge-postgres-0";

/// A disk of a cloud of 20 GiB.
fn sample() -> Sample {
    restoring(restore(&announced())).claim(|claim| {
        claim.capacity = Some(20 << 30);
        if let VolumeFact::Found(volume) = &mut claim.volume {
            volume.storage = VolumeStorage::of(&from(
                json!({"csi": {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-1"}}),
            ));
        }
    })
}

fn with_pod(sample: Sample, change: impl FnOnce(&mut PodFact)) -> Sample {
    sample.with(|observed| {
        if let Fact::Known(pods) = &mut observed.pods {
            change(&mut pods[0]);
        }
    })
}

fn disk(sample: &Sample) -> DataDisk {
    let decision = decided(sample);
    let job = decision.plan.steps.iter().find_map(|step| match step {
        Step::CreateJob(job) => Some(serde_json::to_value(job).expect("a Job is JSON")),
        _ => None,
    });
    let job = job.expect("it begins");
    let containers = &job["spec"]["template"]["spec"]["containers"][0]["env"];
    let mut variables = containers.as_array().expect("variables").iter();
    let request = variables.find(|one| one["name"] == REQUEST_VARIABLE);
    let request = request.and_then(|one| one["value"].as_str());
    let request: RestoreRequest =
        serde_json::from_str(request.expect("a request")).expect("a request is JSON");
    request.disk
}

#[test]
fn the_capacity_of_the_claim_that_has_the_data_is_given() {
    let expected = DataDisk {
        claim: Some(CLAIM.to_owned()),
        capacity_bytes: Some(20 << 30),
        unknown: None,
    };
    assert_eq!(disk(&sample()), expected);
    // The write-ahead log has another claim, below another path.
    let both = with_pod(sample(), |pod| {
        let mut other = pod.mounts[0].clone();
        other.claim = "wal".to_owned();
        other.path = "/wal".to_owned();
        pod.mounts.push(other);
    });
    assert_eq!(disk(&both), expected);
}

#[test]
fn what_says_nothing_of_the_disk_is_given_with_its_reason() {
    let storage = |source: Value| {
        sample().claim(|claim| {
            if let VolumeFact::Found(volume) = &mut claim.volume {
                volume.storage = VolumeStorage::of(&from(source));
            }
        })
    };
    let cases = vec![
        (storage(json!({"hostPath": {"path": "/x"}})), "directory"),
        (storage(json!({"local": {"path": "/x"}})), "directory"),
        (
            storage(json!({"nfs": {"server": "s", "path": "/x"}})),
            "directory",
        ),
        (
            sample().claim(|claim| claim.capacity = None),
            "has no capacity",
        ),
        (
            sample().claim(|claim| claim.volume = VolumeFact::Unknown("refused".to_owned())),
            "could not be read",
        ),
        (
            with_pod(sample(), |pod| {
                pod.other_mounts.push(OtherMountFact {
                    container: "postgres".to_owned(),
                    path: "/var/lib/postgresql/data/pgdata".to_owned(),
                });
            }),
            "on no PersistentVolumeClaim",
        ),
        (
            with_pod(sample(), |pod| pod.mounts.clear()),
            "on no PersistentVolumeClaim",
        ),
    ];
    for (sample, says) in cases {
        let found = disk(&sample);
        assert_eq!(found.capacity_bytes, None, "{says}");
        let why = found.unknown.unwrap_or_default();
        assert!(why.contains(says), "{says}: {why}");
    }
}
