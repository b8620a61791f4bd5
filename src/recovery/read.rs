//! Reads everything that matters for bringing one database back. Reads only; nothing is judged
//! here.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{
    Namespace, PersistentVolume, PersistentVolumeClaim, PersistentVolumeSpec, Pod, PodSpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};

use super::wanted::choose;
use super::{MountingPod, Obstacle, Place, Situation, Wanted, WorkloadState};
use crate::api::{
    DatabaseLedger, DatabaseLedgerSpec, ProtectedDatabase, ProtectedDatabaseSpec, Workload,
    WorkloadKind, names,
};
use crate::{guard, resources};

/// Why a situation could not be read. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A read failed, so what it would have told is not known.
    #[error("could not read {what}: {source}")]
    Failed {
        /// What was to be read.
        what: String,
        /// The API server's answer.
        source: Box<kube::Error>,
    },
    /// What was read leaves open what is to come back.
    #[error(transparent)]
    Obstacle(#[from] Obstacle),
}

/// Reads the situation of one database. With `volume` only of the claim that this volume belongs
/// to.
///
/// # Errors
/// A read failed, or nothing says what is to come back.
pub async fn fetch_situation(
    client: &Client,
    namespace: &str,
    name: &str,
    volume: Option<&str>,
) -> Result<Situation, ReadError> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let databases: Api<ProtectedDatabase> = Api::namespaced(client.clone(), namespace);
    let ledgers: Api<DatabaseLedger> = Api::all(client.clone());
    let ledger_name = names::ledger(namespace, name);
    let (found_namespace, database, ledger, loose) = tokio::join!(
        namespaces.get_metadata_opt(namespace),
        databases.get_opt(name),
        ledgers.get_opt(&ledger_name),
        fetch_volume(client, volume)
    );
    let found_namespace =
        read(&format!("Namespace {namespace}"), found_namespace)?.map(|found| found.metadata);
    let database = read(&format!("ProtectedDatabase {name}"), database)?;
    let loose = loose?;
    let ledger = match read(&format!("DatabaseLedger {ledger_name}"), ledger)? {
        Some(ledger) => ledger,
        None if volume.is_some() && database.is_some() => {
            let spec = DatabaseLedgerSpec {
                namespace: namespace.to_owned(),
                database: name.to_owned(),
            };
            DatabaseLedger::new(&ledger_name, spec)
        }
        None => {
            return Err(Obstacle::new(format!(
                "nothing is remembered of a database {name} in namespace {namespace}: there is no \
                 DatabaseLedger {ledger_name}. See what is remembered: kubectl get dbledger"
            ))
            .into());
        }
    };
    let spec = database
        .as_ref()
        .map(|database| database.spec.clone())
        .or_else(|| remembered_spec(&ledger));
    let workload = match &spec {
        Some(spec) => fetch_workload(client, namespace, name, &spec.workload).await?,
        None => None,
    };
    let extra_claims = spec.map(|spec| spec.extra_claims).unwrap_or_default();
    let wanted = choose(
        &ledger,
        &extra_claims,
        workload.as_ref(),
        volume,
        loose.as_ref(),
    )?;
    let pods = fetch_pods(client, namespace).await?;
    let is_of_workload = |pod: &&SeenPod| {
        workload
            .as_ref()
            .is_some_and(|workload| pod.workload.as_deref() == Some(workload.name()))
    };
    let workload_pods = pods
        .iter()
        .filter(is_of_workload)
        .map(|pod| pod.mounting.name.clone())
        .collect();
    let mut places = Vec::new();
    for wanted in wanted {
        places.push(fetch_place(client, namespace, wanted, &pods).await?);
    }
    Ok(Situation {
        namespace_name: namespace.to_owned(),
        name: name.to_owned(),
        ledger,
        namespace: found_namespace,
        database,
        workload,
        workload_pods,
        places,
    })
}

fn read<T>(what: &str, result: Result<T, kube::Error>) -> Result<T, ReadError> {
    result.map_err(|source| ReadError::Failed {
        what: what.to_owned(),
        source: Box::new(source),
    })
}

fn remembered_spec(ledger: &DatabaseLedger) -> Option<ProtectedDatabaseSpec> {
    let manifest = &ledger.status.as_ref()?.database_manifest;
    serde_json::from_value(manifest.get("spec")?.clone()).ok()
}

async fn fetch_volume(
    client: &Client,
    name: Option<&str>,
) -> Result<Option<PersistentVolume>, ReadError> {
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    let api: Api<PersistentVolume> = Api::all(client.clone());
    read(&format!("PersistentVolume {name}"), api.get_opt(name).await)
}

async fn fetch_place(
    client: &Client,
    namespace: &str,
    wanted: Wanted,
    pods: &[SeenPod],
) -> Result<Place, ReadError> {
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
    let claim = read(
        &format!("PersistentVolumeClaim {}", wanted.claim),
        claims.get_opt(&wanted.claim).await,
    )?;
    let volume = fetch_volume(client, Some(&wanted.volume)).await?;
    let bound_to = claim
        .as_ref()
        .and_then(|claim| claim.spec.as_ref()?.volume_name.as_deref())
        .filter(|bound| *bound != wanted.volume);
    let other_volume = fetch_volume(client, bound_to).await?;
    let held_by_other = match &volume {
        Some(volume) => fetch_held_by_other(client, namespace, &wanted.claim, volume).await?,
        None => false,
    };
    let same_storage = if volume.is_none() {
        fetch_same_storage(client, &wanted).await?
    } else {
        None
    };
    let pods = pods
        .iter()
        .filter(|pod| pod.claims.contains(&wanted.claim))
        .map(|pod| pod.mounting.clone())
        .collect();
    Ok(Place {
        wanted,
        claim,
        volume,
        other_volume,
        held_by_other,
        same_storage,
        pods,
    })
}

/// Whether the volume is tied to another claim than the wanted one, and that claim is there: the
/// one that it names by UID, or by name alone.
async fn fetch_held_by_other(
    client: &Client,
    namespace: &str,
    claim: &str,
    volume: &PersistentVolume,
) -> Result<bool, ReadError> {
    let holder = volume
        .spec
        .as_ref()
        .and_then(|spec| spec.claim_ref.clone())
        .unwrap_or_default();
    let (Some(name), Some(place)) = (holder.name, holder.namespace) else {
        return Ok(false);
    };
    if name == claim && place == namespace {
        return Ok(false);
    }
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &place);
    let found = read(
        &format!("PersistentVolumeClaim {place}/{name}"),
        claims.get_metadata_opt(&name).await,
    )?;
    Ok(found.is_some_and(|found| holder.uid.is_none() || found.metadata.uid == holder.uid))
}

/// Another volume object for the storage of a volume that is gone: made again, the two would give
/// the same files to two claims.
async fn fetch_same_storage(client: &Client, wanted: &Wanted) -> Result<Option<String>, ReadError> {
    let manifest = wanted
        .volume_manifest
        .as_ref()
        .and_then(|manifest| manifest.get("spec").cloned());
    let Some(spec) =
        manifest.and_then(|spec| serde_json::from_value::<PersistentVolumeSpec>(spec).ok())
    else {
        return Ok(None);
    };
    let handle = guard::volume_handle(&spec);
    if handle.is_empty() {
        return Ok(None);
    }
    let api: Api<PersistentVolume> = Api::all(client.clone());
    let list = read(
        "the PersistentVolumes",
        api.list(&ListParams::default()).await,
    )?;
    let is_same = |volume: &&PersistentVolume| {
        volume
            .spec
            .as_ref()
            .is_some_and(|spec| guard::volume_handle(spec) == handle)
    };
    Ok(list.items.iter().find(is_same).map(ResourceExt::name_any))
}

/// A pod that has not ended, as far as it matters here.
struct SeenPod {
    mounting: MountingPod,
    /// The claims that it mounts.
    claims: Vec<String>,
    /// Name of the StatefulSet or Deployment that made it.
    workload: Option<String>,
}

/// The pods of the namespace that have not ended.
async fn fetch_pods(client: &Client, namespace: &str) -> Result<Vec<SeenPod>, ReadError> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let list = read(
        "the namespace's pods",
        api.list(&ListParams::default()).await,
    )?;
    let has_ended = |pod: &Pod| {
        let phase = pod
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref());
        matches!(phase, Some("Succeeded" | "Failed"))
    };
    Ok(list
        .items
        .iter()
        .filter(|pod| !has_ended(pod))
        .map(seen)
        .collect())
}

fn seen(pod: &Pod) -> SeenPod {
    let volumes = pod
        .spec
        .iter()
        .flat_map(|spec| spec.volumes.iter().flatten());
    SeenPod {
        mounting: MountingPod {
            name: pod.name_any(),
            uid: pod.uid().unwrap_or_default(),
        },
        claims: volumes
            .filter_map(|volume| volume.persistent_volume_claim.as_ref())
            .map(|source| source.claim_name.clone())
            .collect(),
        workload: resources::workload_of(&pod.metadata).map(ToOwned::to_owned),
    }
}

/// Reads the workload that the spec names. Two of one name are left alone: the wrong one must not
/// be scaled down.
async fn fetch_workload(
    client: &Client,
    namespace: &str,
    database: &str,
    workload: &Workload,
) -> Result<Option<WorkloadState>, ReadError> {
    let name = &workload.name;
    let stateful_sets: Api<StatefulSet> = Api::namespaced(client.clone(), namespace);
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let stateful_set = match workload.kind {
        Some(WorkloadKind::Deployment) => None,
        _ => read(
            &format!("StatefulSet {name}"),
            stateful_sets.get_opt(name).await,
        )?,
    };
    let deployment = match workload.kind {
        Some(WorkloadKind::StatefulSet) => None,
        _ => read(
            &format!("Deployment {name}"),
            deployments.get_opt(name).await,
        )?,
    };
    match (stateful_set, deployment) {
        (Some(_), Some(_)) => Err(Obstacle::new(format!(
            "namespace {namespace} has both a StatefulSet and a Deployment {name}, and \
             spec.workload.kind does not say which one runs Postgres. Set it: kubectl -n \
             {namespace} patch protdb {database} --type=merge -p \
             '{{\"spec\":{{\"workload\":{{\"kind\":\"StatefulSet\"}}}}}}'"
        ))
        .into()),
        (Some(found), None) => Ok(Some(stateful_set_state(found, workload))),
        (None, Some(found)) => Ok(Some(deployment_state(found, workload))),
        (None, None) => Ok(None),
    }
}

fn stateful_set_state(found: StatefulSet, workload: &Workload) -> WorkloadState {
    let spec = found.spec.unwrap_or_default();
    let policy = spec
        .persistent_volume_claim_retention_policy
        .and_then(|policy| policy.when_scaled);
    WorkloadState {
        claim_templates: spec
            .volume_claim_templates
            .iter()
            .flatten()
            .map(ResourceExt::name_any)
            .collect(),
        deletes_claims_when_scaled: policy.as_deref() == Some("Delete"),
        metadata: found.metadata,
        ..state(
            WorkloadKind::StatefulSet,
            spec.replicas,
            spec.template.spec.unwrap_or_default(),
            workload,
        )
    }
}

fn deployment_state(found: Deployment, workload: &Workload) -> WorkloadState {
    let spec = found.spec.unwrap_or_default();
    WorkloadState {
        metadata: found.metadata,
        ..state(
            WorkloadKind::Deployment,
            spec.replicas,
            spec.template.spec.unwrap_or_default(),
            workload,
        )
    }
}

fn state(
    kind: WorkloadKind,
    replicas: Option<i32>,
    pod: PodSpec,
    workload: &Workload,
) -> WorkloadState {
    let container = resources::database_container(
        &pod.containers,
        |container| &container.name,
        workload.container.as_deref(),
    );
    WorkloadState {
        kind,
        metadata: ObjectMeta::default(),
        replicas: replicas.unwrap_or(1),
        mounts: container
            .and_then(|container| container.volume_mounts.clone())
            .unwrap_or_default(),
        volumes: pod.volumes.unwrap_or_default(),
        claim_templates: Vec::new(),
        deletes_claims_when_scaled: false,
    }
}
