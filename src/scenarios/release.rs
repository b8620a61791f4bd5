//! Scenarios of the way out: the ProtectedDatabase was deleted.

use super::in_memory::Passes;
use super::render::{PASSES, Scenario, plans};
use super::sample::{Sample, mark};
use super::sample_parts::{delete, known};
use crate::guard::{self, MarkState, Marks};
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

pub fn scenarios() -> Vec<Scenario> {
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
