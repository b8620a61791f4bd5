//! What protecting a database does before any disaster: the guard, the first check, the first
//! backup, and what a person sees of it.

use holdfast::api::{CheckOutcome, ConditionStatus, ConditionType, find_condition, names, reasons};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Pod};
use kube::{Api, Resource, ResourceExt};

use crate::support::{
    NAME, Scene, Server, assert_tells, beside_others, build_database, names_of, outcome,
    reclaim_policy, volume_of,
};

#[test]
fn a_database_on_a_named_claim_is_guarded_verified_and_backed_up() {
    beside_others("protect-named", async |scene| {
        Box::pin(protect(scene, &Server::new(scene))).await;
    });
}

#[test]
fn a_postgres_17_on_a_claim_from_a_template_is_guarded_verified_and_backed_up() {
    beside_others("protect-template", async |scene| {
        Box::pin(protect(scene, &Server::seventeen(scene))).await;
    });
}

/// Nobody names the new claim: it is known by the StatefulSet that makes it.
/// `shard::claim_newborn` has what may happen before that.
#[test]
fn a_claim_that_comes_with_another_replica_is_guarded_too() {
    beside_others("protect-scaled", async |scene| {
        let server = Server::seventeen(scene);
        scene.protect_plainly(&server).await;
        assert_eq!(
            scene.kubectl("get storageclass -o jsonpath={.items[*].reclaimPolicy}"),
            "Delete"
        );
        server.scale(scene, 2);
        let claim = format!("data-{}-1", server.name);
        scene
            .wait("the new claim to be guarded", async || {
                let status = scene.status().await;
                let guarded = find_condition(&status.conditions, ConditionType::Guarded)
                    .ok_or("no condition yet")?;
                let is_new = status
                    .claims
                    .iter()
                    .any(|one| one.name == claim && one.guarded);
                if is_new && guarded.status == "True" {
                    Ok(())
                } else {
                    Err(format!("{guarded:?} {:?}", status.claims))
                }
            })
            .await;
        let owner = format!("{}/{NAME}", scene.namespace());
        let volume = volume_of(scene, &claim).await;
        assert_eq!(reclaim_policy(&volume), "Retain");
        assert_marks(&volume, Some(&owner), true);
        assert_marks(
            &scene.get::<PersistentVolumeClaim>(&claim).await,
            Some(&owner),
            true,
        );
        for target in [format!("pvc {claim}"), format!("pv {}", volume.name_any())] {
            assert_tells(
                &scene.refused(&format!("delete {target} --wait=false")),
                &["Holdfast refuses to delete"],
            );
        }
    });
}

async fn protect(scene: &Scene, server: &Server) {
    let start = server.start_filled(scene).await;
    let volume = volume_of(scene, &server.claim()).await;
    assert_eq!(
        reclaim_policy(&volume),
        "Delete",
        "volumes are made so, which is what Holdfast is for"
    );

    scene.protect(&build_database(scene, server)).await;
    let guarded = scene
        .wait_condition(
            ConditionType::Guarded,
            ConditionStatus::True,
            reasons::GUARDED,
        )
        .await;
    assert_tells(
        &guarded.message,
        &[&server.claim(), &volume.name_any(), "Retain"],
    );
    scene.wait_green().await;

    let owner = format!("{}/{NAME}", scene.namespace());
    let volume = volume_of(scene, &server.claim()).await;
    assert_eq!(reclaim_policy(&volume), "Retain");
    assert_marks(&volume, Some(&owner), true);
    assert_marks(
        &scene.get::<PersistentVolumeClaim>(&server.claim()).await,
        Some(&owner),
        true,
    );
    assert_marks(&scene.database().await, Some(&owner), true);
    assert_marks(&scene.get::<StatefulSet>(&server.name).await, None, false);
    let namespaces: Api<Namespace> = Api::all(scene.client.clone());
    assert_marks(
        &namespaces
            .get(scene.namespace())
            .await
            .expect("the namespace"),
        None,
        false,
    );

    let status = scene.status().await;
    assert_eq!(status.claims.len(), 1, "{:?}", status.claims);
    let claim = &status.claims[0];
    assert_eq!(
        (claim.name.as_str(), claim.volume.as_str()),
        (server.claim().as_str(), volume.name_any().as_str())
    );
    assert_eq!(
        (claim.reclaim_policy.as_str(), claim.guarded, claim.mounted),
        ("Retain", true, true)
    );

    scene.assert_checked_once(&start).await;
    let checks = scene.checks_but_of_backups().await;
    let first = &checks[0];
    assert_eq!(
        (checks.len(), outcome(first)),
        (1, Some(CheckOutcome::Verified))
    );
    let baseline = status.baseline.expect("a baseline");
    // The check that has confirmed the first backup is the newest good one.
    assert!(
        names_of(&scene.checks().await).contains(&baseline.check),
        "{baseline:?}"
    );
    assert_eq!(
        baseline.system_identifier,
        server.sql(scene, "SELECT system_identifier FROM pg_control_system()")
    );
    let verdict = first
        .status
        .clone()
        .expect("a status")
        .verdict
        .expect("a verdict");
    assert_tells(
        &verdict.message,
        &[
            "85 rows in public.experts (at least 80)",
            "26,337 rows in public.knowledge_nodes (at least 10,000)",
        ],
    );

    assert_columns(scene);
    assert_agents_ran_restricted(scene).await;
}

/// What `kubectl get` shows without being asked for more.
fn assert_columns(scene: &Scene) {
    let printed = scene.kubectl(&format!("get protdb {NAME}"));
    let lines: Vec<Vec<&str>> = printed
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        lines[0].join(" "),
        "NAME READY DATA GUARDED LAST BACKUP LAST CHECK AGE"
    );
    assert_eq!(
        &lines[1][..4],
        [NAME, "True", "Verified", "True"],
        "{printed}"
    );
    let printed = scene.kubectl("get dbcheck");
    assert_tells(&printed, &["OUTCOME", "Restart", "Verified", "26422"]);
    let printed = scene.kubectl("get dbbackup");
    assert_tells(&printed, &["STATE", "Complete", "26422"]);
}

/// The namespace refuses pods that are not restricted, and the agents' pods were not refused.
async fn assert_agents_ran_restricted(scene: &Scene) {
    let refused =
        scene.refused("run root --image=localhost/postgres:15 --restart=Never --privileged");
    assert_tells(&refused, &["violates PodSecurity \"restricted"]);
    let pods = scene.list::<Pod>().await;
    let agents: Vec<Pod> = pods
        .into_iter()
        .filter(|pod| pod.labels().contains_key(names::TASK_LABEL))
        .collect();
    assert_eq!(
        agents.len(),
        3,
        "a check, a backup, and the check that confirms it: {:?}",
        names_of(&agents)
    );
    for agent in agents {
        let phase = agent.status.clone().and_then(|status| status.phase);
        assert!(
            matches!(phase.as_deref(), Some("Succeeded" | "Running")),
            "{}: {phase:?}",
            agent.name_any()
        );
    }
}

pub fn assert_marks<K: Resource>(object: &K, owner: Option<&str>, held: bool) {
    let name = object.meta().name.clone().unwrap_or_default();
    let label = object
        .meta()
        .labels
        .as_ref()
        .and_then(|labels| labels.get(names::PROTECTED_LABEL));
    assert_eq!(label.map(String::as_str), Some("true"), "{name}");
    let annotation = object
        .meta()
        .annotations
        .as_ref()
        .and_then(|all| all.get(names::PROTECTED_BY_ANNOTATION));
    assert_eq!(annotation.map(String::as_str), owner, "{name}");
    let finalizer = object
        .meta()
        .finalizers
        .iter()
        .flatten()
        .any(|finalizer| finalizer == names::KEEP_FINALIZER);
    assert_eq!(finalizer, held, "{name}: {:?}", object.meta().finalizers);
}
