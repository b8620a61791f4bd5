//! Scenarios of objects that are being deleted and that something of others holds: what holds them is
//! named, and whose it is.

use super::render::{Scenario, plans};
use super::sample::Sample;
use super::sample_parts::{delete, known};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

#[test]
fn whatever_hangs_is_named_with_what_holds_it() {
    insta::assert_snapshot!("going", plans(scenarios()));
}

fn held(metadata: &mut ObjectMeta, finalizers: &[&str]) {
    delete(metadata);
    let mut all = metadata.finalizers.take().unwrap_or_default();
    all.extend(finalizers.iter().map(|name| (*name).to_owned()));
    metadata.finalizers = Some(all);
}

fn workload(finalizers: &[&str]) -> Sample {
    Sample::settled().workload(|workload| held(&mut workload.metadata, finalizers))
}

pub fn scenarios() -> Vec<Scenario> {
    vec![
        (
            "the workload is being deleted in the foreground",
            workload(&["foregroundDeletion"]),
        ),
        (
            "the workload is being deleted and a controller of others holds it",
            workload(&["foregroundDeletion", "resources.example.org/finalizer"]),
        ),
        (
            "the workload is being replaced by its operator",
            workload(&["orphan"]),
        ),
        (
            "the namespace is being deleted and a controller of others holds it",
            Sample::settled().with(|observed| {
                let namespace = known(&mut observed.namespace).as_mut();
                held(namespace.unwrap(), &["controller.example.org/namespace"]);
            }),
        ),
        (
            "the ledger is being deleted and a controller of others holds it",
            Sample::settled().with(|observed| {
                let ledger = known(&mut observed.ledger).as_mut().unwrap();
                held(&mut ledger.ledger.metadata, &["backup.example.org/copy"]);
            }),
        ),
        (
            "the database was released and a controller of others holds it",
            Sample::settled().database(|database| {
                database.metadata.finalizers = None;
                held(&mut database.metadata, &["gitops.example.org/finalizer"]);
            }),
        ),
        (
            "the database was released and nothing holds it",
            Sample::settled().database(|database| {
                database.metadata.finalizers = None;
                delete(&mut database.metadata);
            }),
        ),
    ]
}

/// A workload that its operator replaces leaves no lasting gap.
#[test]
fn a_replacement_passes_by_itself() {
    let reason = |sample: Sample| {
        let plan = crate::decide::decide(&sample.0);
        let guarded = plan
            .conditions
            .into_iter()
            .find(|condition| condition.condition == crate::api::ConditionType::Guarded);
        guarded.unwrap().reason
    };
    assert!(crate::api::passes_by_itself(reason(workload(&["orphan"]))));
    assert!(!crate::api::passes_by_itself(reason(workload(&[
        "orphan",
        "foregroundDeletion"
    ]))));
}
