//! What is planned for every way in which claim, volume, namespace and ProtectedDatabase can be
//! amiss; golden. And that no course lets a claim go whose volume would go with it.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::json;

use super::sample::{claim, from, situation, volume};
use super::{Situation, Step, away_since, plan};
use crate::guard;

/// A situation and its name.
type Scenario = (&'static str, Situation);

fn scenario(name: &'static str, change: impl FnOnce(&mut Situation)) -> Scenario {
    let mut situation = situation();
    change(&mut situation);
    (name, situation)
}

fn deleted(metadata: &mut k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) {
    metadata.deletion_timestamp = from(json!("2026-02-01T09:00:00Z"));
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn scenarios() -> Vec<Scenario> {
    let released = || Some(from(volume("pv-1", "u-claim", "Released", "Retain")));
    let without_claim = |situation: &mut Situation| {
        situation.places[0].claim = None;
        situation.places[0].pods.clear();
        situation.places[0].volume = released();
    };
    let on_another = |situation: &mut Situation| {
        situation.places[0].claim = Some(from(claim("u-fresh", "pv-2", "Bound")));
        situation.places[0].volume = released();
        situation.places[0].other_volume = Some(from(volume("pv-2", "u-fresh", "Bound", "Retain")));
    };
    vec![
        scenario("everything where it belongs", |_| {}),
        scenario("the claim is gone", without_claim),
        scenario(
            "the claim has just gone, and the binder has not seen it",
            |situation| {
                without_claim(situation);
                situation.places[0].volume =
                    Some(from(volume("pv-1", "u-claim", "Bound", "Retain")));
            },
        ),
        scenario("the claim is gone and the volume reserved", |situation| {
            without_claim(situation);
            situation.places[0].volume = Some(from(volume("pv-1", "", "Available", "Retain")));
        }),
        scenario(
            "a fresh claim waits and the volume is reserved",
            |situation| {
                without_claim(situation);
                let mut fresh = claim("u-fresh", "", "Pending");
                fresh["spec"]["volumeName"] = json!(null);
                situation.places[0].claim = Some(from(fresh));
                situation.places[0].volume = Some(from(volume("pv-1", "", "Available", "Retain")));
            },
        ),
        scenario("a fresh claim of another size waits", |situation| {
            without_claim(situation);
            let mut fresh = claim("u-fresh", "", "Pending");
            fresh["spec"] =
                json!({"storageClassName": "fast", "resources": {"requests": {"storage": "9Gi"}}});
            situation.places[0].claim = Some(from(fresh));
        }),
        scenario("the claim is Terminating, its pod runs", |situation| {
            let claim = situation.places[0].claim.as_mut();
            deleted(&mut claim.unwrap_or_else(|| panic!("a claim")).metadata);
        }),
        scenario(
            "the claim is Terminating and its volume is on Delete",
            |situation| {
                let claim = situation.places[0].claim.as_mut();
                deleted(&mut claim.unwrap_or_else(|| panic!("a claim")).metadata);
                situation.places[0].volume =
                    Some(from(volume("pv-1", "u-claim", "Bound", "Delete")));
            },
        ),
        scenario(
            "the claim is Terminating, confirmed and without pods",
            |situation| {
                let place = &mut situation.places[0];
                place.pods.clear();
                let metadata = &mut place
                    .claim
                    .as_mut()
                    .unwrap_or_else(|| panic!("a claim"))
                    .metadata;
                deleted(metadata);
                metadata.annotations.get_or_insert_default().insert(
                    "holdfast.dev/confirm-deletion".to_owned(),
                    "u-claim".to_owned(),
                );
            },
        ),
        scenario("the claim is on another volume", on_another),
        scenario(
            "the claim is on another volume, which is on Delete",
            |situation| {
                on_another(situation);
                let mut other = volume("pv-2", "u-fresh", "Bound", "Delete");
                other["metadata"] = json!({"name": "pv-2", "uid": "u-pv-2"});
                situation.places[0].other_volume = Some(from(other));
            },
        ),
        scenario(
            "the claim is on another volume, and the StatefulSet deletes its claims when scaled",
            |situation| {
                on_another(situation);
                if let Some(workload) = &mut situation.workload {
                    workload.deletes_claims_when_scaled = true;
                }
            },
        ),
        scenario("the volume is gone and its claim Lost", |situation| {
            situation.places[0].claim = Some(from(claim("u-claim", "pv-1", "Lost")));
            situation.places[0].volume = None;
        }),
        scenario(
            "the volume was made again, and its claim is still Lost",
            |situation| {
                situation.places[0].claim = Some(from(claim("u-claim", "pv-1", "Lost")));
            },
        ),
        scenario("claim and volume are gone", |situation| {
            without_claim(situation);
            situation.places[0].volume = None;
        }),
        scenario(
            "claim and volume are gone, and nobody remembers the volume",
            |situation| {
                without_claim(situation);
                situation.places[0].volume = None;
                situation.places[0].wanted.volume_manifest = None;
            },
        ),
        scenario(
            "the claim is gone, and the volume of that name is for other storage",
            |situation| {
                without_claim(situation);
                let mut other = volume("pv-1", "u-claim", "Released", "Retain");
                other["spec"]["hostPath"] = json!({"path": "/volumes/another"});
                situation.places[0].volume = Some(from(other));
                situation.places[0].wanted.volume_manifest =
                    Some(json!({"spec": {"hostPath": {"path": "/volumes/pv-1"}}}));
            },
        ),
        scenario(
            "claim and volume are gone, and another volume is for the same storage",
            |situation| {
                without_claim(situation);
                situation.places[0].volume = None;
                situation.places[0].same_storage = Some("pv-9".to_owned());
            },
        ),
        scenario(
            "the claim is gone and the volume Terminating",
            |situation| {
                without_claim(situation);
                deleted(
                    &mut situation.places[0]
                        .volume
                        .as_mut()
                        .unwrap_or_else(|| panic!("a volume"))
                        .metadata,
                );
            },
        ),
        scenario(
            "the claim is gone and the volume is another claim's",
            |situation| {
                without_claim(situation);
                let mut taken = volume("pv-1", "u-other", "Bound", "Retain");
                taken["spec"]["claimRef"] =
                    json!({"namespace": "shop", "name": "orders", "uid": "u-other"});
                situation.places[0].volume = Some(from(taken));
                situation.places[0].held_by_other = true;
            },
        ),
        scenario(
            "the volume was tied to a claim that is not there",
            |situation| {
                situation.places[0].claim = Some(from(claim("u-claim", "pv-1", "Lost")));
                let mut taken = volume("pv-1", "", "Available", "Retain");
                taken["spec"]["claimRef"] = json!({"namespace": "atra", "name": "nobody"});
                situation.places[0].volume = Some(from(taken));
            },
        ),
        scenario(
            "the volume was tied to a claim of the same name that is gone, and another of that \
             name is Lost",
            |situation| {
                situation.places[0].claim = Some(from(claim("u-claim", "pv-1", "Lost")));
                situation.places[0].volume =
                    Some(from(volume("pv-1", "u-before", "Released", "Retain")));
            },
        ),
        scenario(
            "the volume is reserved for a claim of that name, and the claim is still Lost",
            |situation| {
                situation.places[0].claim = Some(from(claim("u-claim", "pv-1", "Lost")));
                situation.places[0].volume = Some(from(volume("pv-1", "", "Available", "Retain")));
            },
        ),
        scenario("the pod template mounts another claim", |situation| {
            if let Some(workload) = &mut situation.workload {
                workload.volumes = from(
                    json!([{"name": "data", "persistentVolumeClaim": {"claimName": "other"}}]),
                );
            }
            situation.places[0].pods.clear();
        }),
        scenario("the StatefulSet has another claim template", |situation| {
            if let Some(workload) = &mut situation.workload {
                workload.volumes.clear();
                workload.claim_templates = vec!["renamed".to_owned()];
            }
        }),
        scenario(
            "the namespace is Terminating and its pods are gone",
            |situation| {
                deleted(
                    situation
                        .namespace
                        .as_mut()
                        .unwrap_or_else(|| panic!("a namespace")),
                );
                situation.workload = None;
            },
        ),
        scenario(
            "namespace, claim and ProtectedDatabase are gone",
            |situation| {
                without_claim(situation);
                (situation.namespace, situation.workload, situation.database) = (None, None, None);
            },
        ),
        scenario("the ProtectedDatabase is Terminating", |situation| {
            deleted(
                &mut situation
                    .database
                    .as_mut()
                    .unwrap_or_else(|| panic!("a database"))
                    .metadata,
            );
        }),
        scenario(
            "a recovery was interrupted after it had scaled down",
            |situation| {
                without_claim(situation);
                if let Some(workload) = &mut situation.workload {
                    workload.replicas = 0;
                    workload.metadata.annotations =
                        from(json!({"holdfast.dev/replicas-before-recovery": "3"}));
                }
            },
        ),
    ]
}

#[test]
fn every_way_back_reads() {
    let mut told = String::new();
    for (name, situation) in scenarios() {
        let _ = writeln!(told, "# {name}");
        match plan(&situation) {
            Ok(course) => {
                for finding in &course.findings {
                    let _ = writeln!(told, "found: {finding}");
                }
                for step in &course.steps {
                    let _ = writeln!(
                        told,
                        "  {} {}",
                        if step.disturbs() { "!" } else { "-" },
                        step.describe()
                    );
                }
                for note in &course.notes {
                    let _ = writeln!(told, "note: {note}");
                }
            }
            Err(obstacle) => {
                let _ = writeln!(told, "obstacle: {obstacle}");
            }
        }
        let since = away_since(&situation).map_or_else(
            || "not known, or not away".to_owned(),
            |since: Timestamp| since.to_string(),
        );
        let _ = writeln!(told, "away since: {since}\n");
    }
    insta::assert_snapshot!(told);
}

/// Whether the claim that a step lets go has a volume that is on Retain, or set to it by an earlier
/// step.
fn lets_go_only_what_is_kept(situation: &Situation, steps: &[Step]) -> bool {
    steps.iter().enumerate().all(|(position, step)| {
        if !matches!(step, Step::DeleteClaim(_) | Step::LetClaimGo(_)) {
            return true;
        }
        let place = &situation.places[0];
        let bound = [&place.volume, &place.other_volume]
            .into_iter()
            .flatten()
            .find(|volume| volume.metadata.name.as_deref() == place.bound_to());
        let is_retained = bound.is_none_or(|volume| {
            volume
                .spec
                .as_ref()
                .and_then(|spec| spec.persistent_volume_reclaim_policy.as_deref())
                == Some(guard::RETAIN)
        });
        is_retained
            || steps[..position]
                .iter()
                .any(|earlier| matches!(earlier, Step::KeepVolume { .. }))
    })
}

#[test]
fn no_course_lets_a_claim_go_whose_volume_is_not_kept_and_the_test_can_fail() {
    let mut kept_first = 0;
    for (name, situation) in scenarios() {
        let Ok(course) = plan(&situation) else {
            continue;
        };
        assert!(
            lets_go_only_what_is_kept(&situation, &course.steps),
            "{name}: {:?}",
            course.steps
        );
        let without: Vec<Step> = course
            .steps
            .iter()
            .filter(|step| !matches!(step, Step::KeepVolume { .. }))
            .cloned()
            .collect();
        if without.len() < course.steps.len() {
            kept_first += 1;
            assert!(
                !lets_go_only_what_is_kept(&situation, &without),
                "{name}: without the step that keeps the volume it would be lost"
            );
        }
    }
    assert_eq!(
        kept_first, 2,
        "two of the scenarios have a volume on Delete"
    );
}
