//! Whose a workload or a volume is: nobody's of whom it is not known.

use super::cluster::Cluster;
use super::sample::Sample;
use super::sample_parts::{known, rival};
use crate::api::names::NAMESPACE_UID_ANNOTATION;
use crate::decide::decide;
use crate::engine::reconcile;
use crate::install::parse_selector;
use crate::plan::Step;
use crate::world::{Fact, NeighbourFact};

#[test]
fn a_workload_is_that_of_the_older_database_and_of_none_as_long_as_that_is_not_known() {
    let owns = |neighbours: Fact<Vec<NeighbourFact>>| {
        let Sample(observed) = Sample::settled().with(|observed| observed.neighbours = neighbours);
        observed.owns_workload()
    };
    assert!(owns(Fact::Known(Vec::new())));
    assert!(owns(Fact::Known(vec![rival(false)])));
    assert!(!owns(Fact::Known(vec![rival(true)])));
    assert!(!owns(Fact::Unknown("refused".to_owned())));
}

#[tokio::test]
async fn a_database_that_the_operator_does_not_select_is_another_operators() {
    let cluster = Cluster::new();
    let mut operator = cluster.operator(None);
    operator.settings.selector = parse_selector("shard=a").expect("a selector");
    let pass = reconcile(&operator, "atra", "knowledge").await;
    assert!(pass.is_ok());
    let writes = cluster.server.store().writes.clone();
    assert_eq!(writes, Vec::<String>::new());
}

#[test]
fn a_volume_of_another_namespace_of_the_name_is_not_the_databases() {
    let of_namespace = |uid: &str| {
        Sample::settled().kept_volume("pvc-old", |volume| {
            let annotations = volume.metadata.annotations.get_or_insert_default();
            annotations.insert(NAMESPACE_UID_ANNOTATION.to_owned(), uid.to_owned());
        })
    };
    let Sample(own) = of_namespace("uid-of-atra");
    assert!(own.guarded_volume("pvc-old").is_some());
    let Sample(other) = of_namespace("uid-of-another");
    assert!(other.guarded_volume("pvc-old").is_none());
    // Without the ledger it may be one that was accepted.
    let Sample(unread) = of_namespace("uid-of-another").with(|observed| {
        observed.ledger = Fact::Unknown("refused".to_owned());
    });
    assert!(unread.guarded_volume("pvc-old").is_some());
}

#[test]
fn a_twin_is_set_to_retain_once_and_only_for_a_volume_of_the_database() {
    let retained = |sample: Sample| {
        let steps = decide(&sample.0).steps;
        let is_retain = |step: &&Step| matches!(step, Step::RetainTwin(_));
        steps.iter().filter(is_retain).count()
    };
    let twin = |sample: Sample| sample.twin("pv-twin", |_| ());
    assert_eq!(retained(twin(Sample::settled())), 1);
    // It can stand for storage that contains that of several.
    assert_eq!(retained(twin(twin(Sample::settled()))), 1);
    let of_others = twin(Sample::settled()).with(|observed| {
        for twin in &mut known(&mut observed.twins).found {
            twin.of = "pvc-of-others".to_owned();
        }
    });
    assert_eq!(retained(of_others), 0);
}
