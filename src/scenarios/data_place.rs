//! Scenarios of data beside its claim: what is reported before it is lost, and which change of
//! a mount is let through.

use super::render::{Scenario, plans};
use super::sample::Sample;
use super::sample_objects::{check, unverifiable};
use crate::api::{DatabaseCheck, ImageEvidence, names, reasons};

const ABOVE: &str = "/var/lib/postgresql";
const DATA: &str = "/var/lib/postgresql/data";

#[test]
fn plans_for_data_beside_its_claim() {
    insta::assert_snapshot!("data_place", plans(scenarios()));
}

/// The claim is mounted there.
fn mounted_at(mut check: DatabaseCheck, path: &str) -> DatabaseCheck {
    let target = check.spec.target.get_or_insert_default();
    for volume in &mut target.volumes {
        path.clone_into(&mut volume.mount_path);
    }
    check
}

/// The image declares this volume, and the server says that its data is there.
fn seen(mut check: DatabaseCheck, volume: &str, directory: &str) -> DatabaseCheck {
    if let Some(evidence) = &mut check.status.get_or_insert_default().evidence {
        evidence.image = Some(image(volume));
        directory.clone_into(&mut evidence.identity.data_directory);
    }
    check
}

fn image(volume: &str) -> ImageEvidence {
    ImageEvidence {
        volumes: vec![volume.to_owned()],
        data_directory: String::new(),
    }
}

fn good() -> DatabaseCheck {
    check("knowledge-1", "2026-02-01T09:00:00Z")
}

fn known(check: DatabaseCheck) -> Sample {
    Sample::settled().checks(vec![check])
}

fn noted(sample: Sample) -> Sample {
    sample.workload(|workload| {
        workload
            .metadata
            .annotations
            .get_or_insert_default()
            .insert(
                names::MOUNT_REPAIR_ANNOTATION.to_owned(),
                format!("postgres {ABOVE} -> {DATA}"),
            );
    })
}

fn with_pgdata(sample: Sample, directory: &str) -> Sample {
    sample.with(|observed| {
        let pods = super::sample_parts::known(&mut observed.pods);
        for running in pods.iter_mut().flat_map(|pod| &mut pod.running) {
            directory.clone_into(&mut running.configured_directory);
        }
    })
}

/// The login was refused; the agent saw its image anyway.
fn refused() -> DatabaseCheck {
    let mut check = unverifiable(
        "knowledge-1",
        "2026-02-01T09:00:00Z",
        reasons::AUTHENTICATION_FAILED,
    );
    check.status.get_or_insert_default().image = Some(image(DATA));
    mounted_at(check, ABOVE)
}

fn beside(mut check: DatabaseCheck, path: &str) -> DatabaseCheck {
    let target = check.spec.target.get_or_insert_default();
    target.other_mounts = vec![path.to_owned()];
    check
}

pub fn scenarios() -> Vec<Scenario> {
    let above = || mounted_at(good(), ABOVE);
    let lost = || seen(above(), DATA, DATA);
    let published = |sample: Sample| {
        sample.with(|observed| {
            let pods = super::sample_parts::known(&mut observed.pods);
            for running in pods.iter_mut().flat_map(|pod| &mut pod.running) {
                "example.com/shop/db:1".clone_into(&mut running.image);
            }
        })
    };
    vec![
        ("a claim above the image's VOLUME", known(lost())),
        ("the note is there", noted(known(lost()))),
        (
            "a claim above the image's VOLUME, with a subPath and the data in a directory of it",
            known(seen(above(), DATA, "/var/lib/postgresql/data/pgdata")).workload(|workload| {
                let mount =
                    serde_json::json!({"name": "data", "mountPath": ABOVE, "subPath": "pg"});
                workload.containers[0].mounts = serde_json::from_value(mount).into_iter().collect();
            }),
        ),
        (
            "the pod runs no more, and the note stays",
            noted(known(lost())).pods(Vec::new()),
        ),
        (
            "the claim was mounted where it belongs",
            noted(known(seen(good(), DATA, DATA))),
        ),
        (
            "Postgres 18 with its claim at the image's VOLUME",
            known(seen(above(), ABOVE, "/var/lib/postgresql/18/docker")),
        ),
        (
            "PGDATA beside the image's VOLUME",
            known(seen(above(), DATA, "/var/lib/postgresql/pgdata")),
        ),
        (
            "nobody can log in, and PGDATA is in the image's VOLUME",
            with_pgdata(known(refused()), DATA),
        ),
        (
            "nobody can log in, and nothing says where the data is",
            known(refused()),
        ),
        (
            "the role may not see where the data is",
            known(seen(above(), DATA, "")),
        ),
        (
            "an agent that looked at no image, in one that is published",
            known({
                let mut check = seen(above(), DATA, DATA);
                if let Some(evidence) = &mut check.status.get_or_insert_default().evidence {
                    evidence.image = None;
                }
                check
            }),
        ),
        (
            "an agent that looked at no image, in one of somebody's own",
            published(known({
                let mut check = seen(above(), DATA, DATA);
                if let Some(evidence) = &mut check.status.get_or_insert_default().evidence {
                    evidence.image = None;
                }
                check
            })),
        ),
        (
            "an emptyDir over the claim",
            known(beside(seen(above(), DATA, DATA), DATA)),
        ),
        (
            "an emptyDir at the path of the claim, spelled otherwise",
            known(beside(
                seen(mounted_at(good(), DATA), DATA, DATA),
                "/var/lib/postgresql/data/./",
            )),
        ),
    ]
}

#[test]
fn the_note_names_the_container_and_both_paths() {
    let plan = crate::decide::decide(&known(seen(mounted_at(good(), ABOVE), DATA, DATA)).0);
    let noted = plan.steps.iter().find_map(|step| match step {
        crate::plan::Step::NoteMountRepair(step) => step.repair.as_deref(),
        _ => None,
    });
    assert_eq!(
        noted,
        Some("postgres /var/lib/postgresql -> /var/lib/postgresql/data")
    );
}
