//! The first stage: reads only. Every read ends in a fact, also when it fails. Nothing is judged
//! here.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Pod, ServiceAccount};
use k8s_openapi::api::rbac::v1::RoleBinding;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::{DeleteParams, ListParams, Preconditions};
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::Value;

use super::Fact;
use super::observed::{
    ClaimFact, ClaimOrigin, LedgerFact, NeighbourFact, Observed, PodFact, PolicyFact, VolumeFact,
    WorkloadFact, WorkloadFound,
};
use crate::api::{
    ConditionType, DatabaseBackup, DatabaseCheck, DatabaseLedger, DeletionGuard, ProtectedDatabase,
    Workload, WorkloadKind, find_condition, names,
};
use crate::guard;

mod files;
mod volumes;
mod workload;

use files::fetch_file_places;
use workload::{fetch_workload, pod_fact};

/// Reads everything that matters for one database.
///
/// `policy` tells what the guard's own rules are; only who installed them knows how they were
/// built.
pub async fn observe(
    client: &Client,
    agent_image: &str,
    policy: impl Future<Output = Fact<PolicyFact>>,
    database: ProtectedDatabase,
) -> Observed {
    let namespace = database.namespace().unwrap_or_default();
    let name = database.name_any();
    let workload = fetch_workload(client, &namespace, &database.spec.workload).await;
    let found = match &workload {
        Fact::Known(WorkloadFact::Found(found)) => Some(found.as_ref()),
        _ => None,
    };
    let labelled = ListParams::default().labels(&format!("{}={name}", names::DATABASE_LABEL));
    // By field and not by label: a check that a person creates carries no label of ours.
    let ours = ListParams::default().fields(&format!("spec.database={name}"));
    let (
        neighbours,
        pods,
        namespace_metadata,
        policy,
        ledger,
        checks,
        backups,
        jobs,
        cron_job,
        agent_identity,
        file_places,
    ) = tokio::join!(
        fetch_neighbours(client, &namespace, &database),
        fetch_pods(client, &namespace, found),
        fetch_namespace(client, &namespace),
        fetch_policy(client, policy, &database),
        fetch_ledger(client, &namespace, &name),
        fetch_list::<DatabaseCheck>(client, &namespace, &ours, "DatabaseChecks"),
        fetch_list::<DatabaseBackup>(client, &namespace, &ours, "DatabaseBackups"),
        fetch_list::<Job>(client, &namespace, &labelled, "Jobs"),
        fetch_cron_job(client, &namespace, &name),
        fetch_agent_identity(client, &namespace),
        fetch_file_places(client, &namespace, &database),
    );
    let claims = match (&workload, &pods) {
        (Fact::Unknown(why), _) | (_, Fact::Unknown(why)) => Fact::Unknown(why.clone()),
        _ => {
            fetch_claims(
                client,
                &namespace,
                &database,
                found,
                pods.known().map(Vec::as_slice).unwrap_or_default(),
            )
            .await
        }
    };
    let kept_volumes = match &claims {
        Fact::Unknown(why) => Fact::Unknown(why.clone()),
        Fact::Known(claims) => volumes::fetch_kept_volumes(client, &database, claims).await,
    };
    Observed {
        now: Time(jiff::Timestamp::now()),
        agent_image: agent_image.to_owned(),
        database: Arc::new(database),
        workload,
        neighbours,
        pods,
        claims,
        kept_volumes,
        namespace: namespace_metadata,
        policy,
        ledger,
        checks,
        backups,
        jobs,
        cron_job,
        agent_identity,
        file_places,
    }
}

async fn fetch_list<K>(
    client: &Client,
    namespace: &str,
    parameters: &ListParams,
    what: &str,
) -> Fact<Vec<K>>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
    K::DynamicType: Default,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    Fact::from_read(what, api.list(parameters).await.map(|list| list.items))
}

async fn fetch_neighbours(
    client: &Client,
    namespace: &str,
    database: &ProtectedDatabase,
) -> Fact<Vec<NeighbourFact>> {
    let api: Api<ProtectedDatabase> = Api::namespaced(client.clone(), namespace);
    let age = |candidate: &ProtectedDatabase| {
        (
            candidate.creation_timestamp().map(|time| time.0),
            candidate.uid(),
        )
    };
    let list = api.list(&ListParams::default()).await;
    Fact::from_read("the namespace's ProtectedDatabases", list).map(|list| {
        list.items
            .into_iter()
            .filter(|other| other.uid() != database.uid())
            .map(|other| NeighbourFact {
                name: other.name_any(),
                same_workload: other.meta().deletion_timestamp.is_none()
                    && same_workload(&other.spec.workload, &database.spec.workload),
                older: age(&other) < age(database),
                guards: other.spec.guard.deletion == DeletionGuard::Deny
                    && !(other.meta().deletion_timestamp.is_some()
                        && guard::deletion_confirmed(other.meta())),
            })
            .collect()
    })
}

fn same_workload(theirs: &Workload, ours: &Workload) -> bool {
    theirs.name == ours.name
        && match (theirs.kind, ours.kind) {
            (Some(theirs), Some(ours)) => theirs == ours,
            _ => true,
        }
}

async fn fetch_namespace(client: &Client, namespace: &str) -> Fact<ObjectMeta> {
    let api: Api<Namespace> = Api::all(client.clone());
    Fact::from_read(
        "the namespace",
        api.get_metadata(namespace)
            .await
            .map(|object| object.metadata),
    )
}

async fn fetch_policy(
    client: &Client,
    policy: impl Future<Output = Fact<PolicyFact>>,
    database: &ProtectedDatabase,
) -> Fact<PolicyFact> {
    match policy.await {
        Fact::Known(PolicyFact::InForce) if needs_trial(database) => {
            try_to_delete(client, database).await
        }
        other => other,
    }
}

/// Whether it is still to be shown that the API server refuses: it can be once the label is there,
/// and it would not be when that was confirmed.
fn needs_trial(database: &ProtectedDatabase) -> bool {
    let conditions = database
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    let is_guarded = find_condition(conditions, ConditionType::Guarded)
        .is_some_and(|guarded| guarded.status == "True");
    guard::is_labelled(&database.metadata)
        && !is_guarded
        && !guard::deletion_confirmed(&database.metadata)
}

/// Asks for a deletion as a dry run, which changes nothing and must be refused by our policy.
async fn try_to_delete(client: &Client, database: &ProtectedDatabase) -> Fact<PolicyFact> {
    let api: Api<ProtectedDatabase> =
        Api::namespaced(client.clone(), &database.namespace().unwrap_or_default());
    let preconditions = Preconditions {
        uid: database.uid(),
        resource_version: None,
    };
    let trial = DeleteParams {
        dry_run: true,
        preconditions: Some(preconditions),
        ..DeleteParams::default()
    };
    match api.delete(&database.name_any(), &trial).await {
        Err(kube::Error::Api(answer)) if answer.message.contains(guard::REFUSAL) => {
            Fact::Known(PolicyFact::InForce)
        }
        Err(error) => Fact::Unknown(format!(
            "could not try whether a deletion is refused: {error}"
        )),
        Ok(_) => Fact::Known(PolicyFact::NotEnforced),
    }
}

async fn fetch_ledger(client: &Client, namespace: &str, name: &str) -> Fact<Option<LedgerFact>> {
    let api: Api<DatabaseLedger> = Api::all(client.clone());
    Fact::from_read(
        "the DatabaseLedger",
        api.get_opt(&names::ledger(namespace, name)).await,
    )
    .map(|ledger| ledger.map(LedgerFact::new))
}

async fn fetch_cron_job(client: &Client, namespace: &str, name: &str) -> Fact<Option<CronJob>> {
    let api: Api<CronJob> = Api::namespaced(client.clone(), namespace);
    Fact::from_read(
        "the backup CronJob",
        api.get_opt(&names::backup_cron_job(name)).await,
    )
}

async fn fetch_agent_identity(client: &Client, namespace: &str) -> Fact<bool> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let bindings: Api<RoleBinding> = Api::namespaced(client.clone(), namespace);
    let (account, binding) = tokio::join!(
        accounts.get_metadata_opt(names::AGENT_SERVICE_ACCOUNT),
        bindings.get_metadata_opt(names::AGENT_SERVICE_ACCOUNT)
    );
    Fact::from_read(
        "the agents' service account",
        account.and_then(|account| binding.map(|binding| account.is_some() && binding.is_some())),
    )
}

async fn fetch_pods(
    client: &Client,
    namespace: &str,
    workload: Option<&WorkloadFound>,
) -> Fact<Vec<PodFact>> {
    let Some(workload) = workload else {
        return Fact::Known(Vec::new());
    };
    let selected = ListParams::default().labels(&workload.selector);
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let controllers = match workload.kind {
        WorkloadKind::StatefulSet => vec![workload.metadata.uid.clone().unwrap_or_default()],
        WorkloadKind::Deployment => {
            let sets: Api<ReplicaSet> = Api::namespaced(client.clone(), namespace);
            match sets.list_metadata(&selected).await {
                Ok(list) => list
                    .items
                    .iter()
                    .filter(|set| controller_uid(set.meta()) == workload.metadata.uid.as_deref())
                    .filter_map(ResourceExt::uid)
                    .collect(),
                Err(error) => {
                    return Fact::Unknown(format!(
                        "could not read the Deployment's ReplicaSets: {error}"
                    ));
                }
            }
        }
    };
    Fact::from_read("the workload's pods", pods.list(&selected).await).map(|list| {
        list.items
            .iter()
            .filter(|pod| {
                controller_uid(pod.meta())
                    .is_some_and(|uid| controllers.iter().any(|controller| controller == uid))
            })
            .map(pod_fact)
            .collect()
    })
}

fn controller_uid(metadata: &ObjectMeta) -> Option<&str> {
    metadata
        .owner_references
        .as_ref()?
        .iter()
        .find(|reference| reference.controller == Some(true))
        .map(|reference| reference.uid.as_str())
}

async fn fetch_claims(
    client: &Client,
    namespace: &str,
    database: &ProtectedDatabase,
    workload: Option<&WorkloadFound>,
    pods: &[PodFact],
) -> Fact<Vec<ClaimFact>> {
    let api: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
    let existing = match api.list(&ListParams::default()).await {
        Ok(list) => list.items,
        Err(error) => {
            return Fact::Unknown(format!("could not read the namespace's claims: {error}"));
        }
    };
    let owner = names::protected_by(namespace, &database.name_any());
    let mut origins: BTreeMap<String, ClaimOrigin> = BTreeMap::new();
    for name in &database.spec.extra_claims {
        origins.entry(name.clone()).or_default().extra = true;
    }
    for name in workload
        .iter()
        .flat_map(|workload| &workload.template_claims)
    {
        origins.entry(name.clone()).or_default().template = true;
    }
    for mount in pods.iter().flat_map(|pod| &pod.mounts) {
        origins.entry(mount.claim.clone()).or_default().pod = true;
    }
    for claim in &existing {
        let name = claim.name_any();
        if workload.is_some_and(|workload| workload.makes_claim(&name)) {
            origins.entry(name.clone()).or_default().template = true;
        }
        if claim.annotations().get(names::PROTECTED_BY_ANNOTATION) == Some(&owner) {
            origins.entry(name).or_default().marked = true;
        }
    }
    let mut claims = Vec::with_capacity(origins.len());
    for (name, origin) in origins {
        let claim = existing.iter().find(|claim| claim.name_any() == name);
        claims.push(fetch_claim(client, name, origin, claim).await);
    }
    Fact::Known(claims)
}

async fn fetch_claim(
    client: &Client,
    name: String,
    origin: ClaimOrigin,
    claim: Option<&PersistentVolumeClaim>,
) -> ClaimFact {
    let Some(claim) = claim else {
        return ClaimFact {
            name,
            origin,
            metadata: None,
            phase: String::new(),
            volume: VolumeFact::NotBound,
            manifest: Value::Null,
        };
    };
    ClaimFact {
        name,
        origin,
        metadata: Some(claim.metadata.clone()),
        phase: claim
            .status
            .as_ref()
            .and_then(|status| status.phase.clone())
            .unwrap_or_default(),
        volume: volumes::fetch_volume_of(client, claim).await,
        manifest: guard::build_claim_manifest(claim),
    }
}
