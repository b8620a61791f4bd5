//! Scenarios of confirmations: while one is in force the guard is not complete, and says which; one
//! that has ended is removed.

use super::render::{Scenario, plans};
use super::sample::{Sample, mark};
use super::sample_parts::{CONFIRMED_AT, confirm, confirm_at, delete, known, metadata};
use crate::api::{ConditionType, ConfirmedVerb, names};
use crate::decide::decide;
use crate::guard::Marks;
use crate::world::{ClaimFact, ClaimOrigin, Fact, LedgerFact, PolicyFact, VolumeFact};

#[test]
fn plans_of_what_is_confirmed() {
    insta::assert_snapshot!("confirmed", plans(scenarios()));
}

/// Guarded says "deletion is refused" only where it is.
#[test]
fn the_guard_is_not_complete_while_anything_is_confirmed() {
    for (name, Sample(observed)) in scenarios() {
        let plan = decide(&observed);
        let guarded = plan
            .conditions
            .iter()
            .find(|found| found.condition == ConditionType::Guarded)
            .expect("the condition");
        let is_inert = name.contains("tomorrow")
            || name.contains("older versions")
            || name.contains("another database");
        if !is_inert {
            assert_eq!(guarded.status.as_str(), "False", "{name}");
        }
        let says = guarded.message.contains("--revoke");
        let in_force = name.ends_with("is confirmed")
            || name.ends_with("ends now")
            || name.contains("at once")
            || name.contains("beside");
        assert_eq!(says, in_force && !is_inert, "{name}: {}", guarded.message);
    }
}

pub fn scenarios() -> Vec<Scenario> {
    use ConfirmedVerb::{Change, Delete};
    let settled = Sample::settled;
    let claim = |verb: ConfirmedVerb, time: &'static str| {
        settled().claim(|claim| confirm_at(claim.metadata.get_or_insert_default(), verb, time))
    };
    vec![
        (
            "the deletion of the claim is confirmed",
            claim(Delete, CONFIRMED_AT),
        ),
        (
            "a change of the claim is confirmed",
            claim(Change, CONFIRMED_AT),
        ),
        (
            "the confirmation of the claim ends now",
            claim(Delete, "2026-02-01T09:15:00Z"),
        ),
        (
            "the confirmation of the claim has ended",
            claim(Delete, "2026-02-01T09:14:59Z"),
        ),
        (
            "the confirmation of the claim is of tomorrow",
            claim(Delete, "2026-02-02T09:30:00Z"),
        ),
        (
            "the operator's clock is 2 minutes behind and the claim is confirmed",
            claim(Delete, "2026-02-01T09:32:00Z")
                .with(|observed| observed.clock_ahead = Fact::Known(-120)),
        ),
        (
            "the operator's clock is 20 minutes ahead and a change of the claim is confirmed",
            claim(Change, "2026-02-01T09:10:00Z")
                .with(|observed| observed.clock_ahead = Fact::Known(1_200)),
        ),
        (
            "the operator's clock is 2 minutes behind and the confirmation has ended",
            claim(Delete, "2026-02-01T09:16:00Z")
                .with(|observed| observed.clock_ahead = Fact::Known(-120)),
        ),
        (
            "the clock of the API server is not known, and the confirmation would have ended",
            claim(Delete, "2026-02-01T09:14:59Z").with(|observed| {
                let why = "could not read the API server's time: its answer has no date";
                observed.clock_ahead = Fact::Unknown(why.to_owned());
            }),
        ),
        (
            "the claim carries the UID alone, as older versions took it",
            settled().claim(|claim| {
                let metadata = claim.metadata.get_or_insert_default();
                let uid = metadata.uid.clone().unwrap_or_default();
                let annotations = metadata.annotations.get_or_insert_default();
                annotations.insert(names::CONFIRM_DELETION_ANNOTATION.to_owned(), uid);
            }),
        ),
        (
            "the volume is confirmed",
            settled().volume(|volume| confirm_at(&mut volume.metadata, Change, CONFIRMED_AT)),
        ),
        (
            "a kept volume is confirmed",
            settled().kept_volume("pvc-old", |volume| confirm(&mut volume.metadata)),
        ),
        (
            "the workload is confirmed",
            settled().workload(|workload| confirm(&mut workload.metadata)),
        ),
        (
            "the confirmation of the workload has ended",
            settled()
                .workload(|workload| confirm(&mut workload.metadata))
                .at("2026-02-01T09:43:01Z"),
        ),
        (
            "the namespace is confirmed",
            settled().with(|observed| {
                confirm(
                    known(&mut observed.namespace)
                        .as_mut()
                        .expect("a namespace"),
                );
            }),
        ),
        (
            "the ledger is confirmed",
            settled().with(|observed| {
                let fact = known(&mut observed.ledger).take().expect("a ledger");
                let mut ledger = fact.ledger.clone();
                confirm(&mut ledger.metadata);
                *known(&mut observed.ledger) = Some(LedgerFact::new(ledger));
            }),
        ),
        (
            "a definition is confirmed",
            settled().with(|observed| {
                let what = "the deletion of CustomResourceDefinition \
                    databasechecks.holdfast.dev is confirmed until 2026-02-01T09:45:00Z, so the \
                    API server accepts it. To revoke that: kubectl holdfast unlock \
                    crd/databasechecks.holdfast.dev --revoke";
                observed.policy = Fact::Known(PolicyFact::DefinitionConfirmed(what.to_owned()));
            }),
        ),
        (
            "the database itself is confirmed",
            settled().deletion_confirmed(),
        ),
        (
            "everything is confirmed at once",
            settled()
                .deletion_confirmed()
                .change_confirmed()
                .claim(|claim| confirm(claim.metadata.get_or_insert_default()))
                .volume(|volume| confirm(&mut volume.metadata))
                .workload(|workload| confirm(&mut workload.metadata)),
        ),
        (
            "the claim is confirmed beside one that was deleted without confirmation",
            settled()
                .claim(|claim| delete(claim.metadata.get_or_insert_default()))
                .volume(|volume| confirm(&mut volume.metadata)),
        ),
        (
            "the claim was deleted in time and its pod runs for long",
            settled()
                .claim(|claim| delete(claim.metadata.get_or_insert_default()))
                .claim(|claim| confirm(claim.metadata.get_or_insert_default()))
                .at("2026-02-01T13:00:00Z"),
        ),
        (
            "the claim was deleted after its confirmation had ended",
            settled()
                .claim(|claim| delete(claim.metadata.get_or_insert_default()))
                .claim(|claim| {
                    let metadata = claim.metadata.get_or_insert_default();
                    confirm_at(metadata, Delete, "2026-02-01T09:13:59Z");
                }),
        ),
        (
            "a change of the claim is confirmed, and it was deleted",
            settled()
                .claim(|claim| delete(claim.metadata.get_or_insert_default()))
                .claim(|claim| {
                    confirm_at(claim.metadata.get_or_insert_default(), Change, CONFIRMED_AT);
                }),
        ),
        (
            "the claim of another database is confirmed",
            settled().claims(|claims| {
                let mut theirs = metadata("redis-data");
                mark(&mut theirs, "atra/other", Marks::Held);
                confirm_at(&mut theirs, Delete, "2026-02-01T09:00:00Z");
                claims.push(ClaimFact {
                    name: "redis-data".to_owned(),
                    origin: ClaimOrigin {
                        extra: true,
                        ..ClaimOrigin::default()
                    },
                    metadata: Some(theirs),
                    volume: VolumeFact::NotBound,
                    ..claims[0].clone()
                });
            }),
        ),
    ]
}
