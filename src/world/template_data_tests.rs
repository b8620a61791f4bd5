//! Which claims of a template every pod would have its data directory on.
#![allow(
    clippy::unwrap_used,
    reason = "a sample that can't be built is a fault of the test"
)]

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::api::WorkloadKind;

/// A workload with a claim template `own`, a claim `named` and a claim `archive`.
fn workload(image: &str, directory: TemplateDirectory, mounts: &Value) -> WorkloadFound {
    let claim = |name: &str| json!({"name": name, "persistentVolumeClaim": {"claimName": name}});
    WorkloadFound {
        kind: WorkloadKind::StatefulSet,
        metadata: serde_json::from_value(json!({"name": "pg"})).unwrap(),
        selector: "app=pg".to_owned(),
        replicas: 3,
        containers: vec![ContainerFact {
            name: "postgres".to_owned(),
            image: image.to_owned(),
            mounts: serde_json::from_value(mounts.clone()).unwrap(),
            image_pull_policy: None,
            directory,
            mounts_of_pod: vec!["/of-pod".to_owned()],
        }],
        volumes: serde_json::from_value(json!([
            claim("named"), claim("archive"),
            {"name": "fixed", "persistentVolumeClaim": {"claimName": "fixed", "readOnly": true}},
        ]))
        .unwrap(),
        claim_templates: vec!["own".to_owned()],
        deletes_claims_when_scaled: false,
        placement: crate::resources::Placement::default(),
        overlaps: false,
        match_labels: BTreeMap::new(),
        template_labels: BTreeMap::new(),
    }
}

/// Image, what the template says of PGDATA, mounts, the named container, and the claims that are shared.
type Case<'a> = (
    &'a str,
    TemplateDirectory,
    Value,
    Option<&'a str>,
    &'a [&'a str],
);

#[test]
fn only_claims_with_the_data_directory_are_shared() {
    use TemplateDirectory::{At, NotShown, OfImage, OfPod};
    let mount = |name: &str, path: &str| json!({"name": name, "mountPath": path});
    let archive = mount("archive", "/archive");
    let own = mount("own", "/var/lib/postgresql/data");
    let named = mount("named", "/var/lib/postgresql/data");
    let at = |directory: &str| At(directory.to_owned());
    let cases: Vec<Case> = vec![
        ("postgres:15", OfImage, json!([named]), None, &["named"]),
        ("postgres:15", OfImage, json!([own, archive]), None, &[]),
        ("postgres:15", NotShown, json!([own, archive]), None, &[]),
        (
            "postgres:15",
            at("/archive/pg"),
            json!([own, archive]),
            None,
            &["archive"],
        ),
        ("postgres:15", OfPod, json!([named]), None, &[]),
        // Nobody says where the data is.
        (
            "shop/db:1",
            OfImage,
            json!([own, archive]),
            None,
            &["archive"],
        ),
        (
            "shop/db:1",
            OfImage,
            json!([own, archive]),
            Some("/var/lib/postgresql/data"),
            &[],
        ),
        (
            "shop/db:1",
            OfImage,
            json!([own, archive]),
            Some("/archive/pg"),
            &["archive"],
        ),
        (
            "postgres:15",
            NotShown,
            json!([mount("named", "/data")]),
            None,
            &["named"],
        ),
        // The image says where it is, and no claim is there.
        ("postgres:15", OfImage, json!([archive]), None, &[]),
        // The deeper mount has it.
        (
            "postgres:15",
            at("/data/pg"),
            json!([mount("named", "/data"), mount("own", "/data/pg")]),
            None,
            &[],
        ),
        (
            "postgres:15",
            at("/of-pod/pg"),
            json!([mount("named", "/of-pod")]),
            None,
            &[],
        ),
        (
            "postgres:15",
            at("/fixed"),
            json!([mount("fixed", "/fixed")]),
            None,
            &[],
        ),
    ];
    for (image, directory, mounts, told, wanted) in cases {
        let said = format!("{image} {directory:?} {mounts} {told:?}");
        let workload = workload(image, directory, &mounts);
        assert_eq!(workload.shared_data_claims(None, told), wanted, "{said}");
    }
}

#[test]
fn where_the_container_is_not_known_every_named_claim_may_have_it() {
    let mounts = json!([{"name": "archive", "mountPath": "/archive"}]);
    let workload = workload("postgres:15", TemplateDirectory::OfImage, &mounts);
    assert_eq!(workload.shared_data_claims(Some("db"), None), ["archive"]);
}
