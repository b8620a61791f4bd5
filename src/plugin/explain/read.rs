//! Reads everything that an incident is made of. A read that fails is a fact of the incident, not
//! the end of it. Nothing is judged here.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use kube::{Api, CustomResourceExt as _};

use super::events::{fetch_cluster_events, fetch_events};
use super::objects::{ask, fetch_listed, fetch_pods, fetch_revisions, fetch_workload, look_up};
use crate::api::{
    DatabaseBackup, DatabaseCheck, DatabaseLedger, DatabaseRestore, ProtectedDatabase,
    ProtectedDatabaseSpec, Workload, names,
};
use crate::incident::{Facts, Incident, build_incident, name_volumes};
use crate::plugin::connect::Cluster;
use crate::plugin::error::{ClusterRequest, PluginError};
use crate::world::Fact;

/// The most pods whose nodes are read.
const NODES: usize = 8;

/// Reads everything and builds the account of it.
///
/// # Errors
/// There is neither such a database nor anything that remembers it, or the cluster can't be
/// reached.
pub async fn fetch_incident(cluster: &Cluster, name: &str) -> Result<Incident, PluginError> {
    Ok(build_incident(&Box::pin(fetch_facts(cluster, name)).await?))
}

async fn fetch_facts(cluster: &Cluster, name: &str) -> Result<Facts, PluginError> {
    let namespace = cluster.namespace.as_str();
    let context = cluster.context.as_deref();
    let client = &cluster.client;
    let database = Api::<ProtectedDatabase>::namespaced(client.clone(), namespace)
        .get_opt(name)
        .await;
    let question = || {
        ClusterRequest::about(
            "get",
            ProtectedDatabase::crd_name(),
            name,
            Some(namespace),
            context,
        )
    };
    let database = match database {
        Err(error) if !matches!(error, kube::Error::Api(_)) => return Err(question().failed(error)),
        Err(error) => Fact::Unknown(question().failed(error).to_string()),
        Ok(found) => Fact::Known(found),
    };
    let ledger_name = names::ledger(namespace, name);
    let ledger = look_up(
        ClusterRequest::about(
            "get",
            DatabaseLedger::crd_name(),
            &ledger_name,
            None,
            context,
        ),
        &Api::<DatabaseLedger>::all(client.clone()),
        &ledger_name,
    )
    .await;
    if matches!(
        (&database, &ledger),
        (Fact::Known(None), Fact::Known(None) | Fact::Unknown(_))
    ) {
        let absent = kube::core::Status {
            code: 404,
            ..kube::core::Status::default()
        };
        return Err(question().failed(kube::Error::Api(Box::new(absent))));
    }
    let checks: Fact<Vec<DatabaseCheck>> =
        fetch_listed(cluster, name, |check: &DatabaseCheck| &check.spec.database).await;
    let backups = fetch_listed(cluster, name, |backup: &DatabaseBackup| {
        &backup.spec.database
    })
    .await;
    let restores = fetch_listed(cluster, name, |restore: &DatabaseRestore| {
        &restore.spec.database
    })
    .await;
    let wanted = find_workload(&database, &ledger);
    let workload = fetch_workload(cluster, wanted.as_ref()).await;
    let mut facts = Facts {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        context_flag: cluster.context_flag(),
        now: Timestamp::now(),
        revisions: fetch_revisions(cluster, &workload).await,
        pods: fetch_pods(cluster, wanted.as_ref()).await,
        database,
        ledger,
        checks,
        backups,
        restores,
        workload,
        claims: Vec::new(),
        volumes: Vec::new(),
        nodes: Vec::new(),
        events: Fact::Known(Vec::new()),
        cluster_events: Fact::Known(Vec::new()),
    };
    read_volumes(cluster, &mut facts).await;
    read_nodes(cluster, &mut facts).await;
    facts.events = fetch_events(cluster, &facts, wanted.as_ref()).await;
    facts.cluster_events = fetch_cluster_events(cluster, &facts).await;
    Ok(facts)
}

/// The workload as the spec names it, else as the ledger remembers the spec.
fn find_workload(
    database: &Fact<Option<ProtectedDatabase>>,
    ledger: &Fact<Option<DatabaseLedger>>,
) -> Option<Workload> {
    if let Some(database) = database.known().and_then(Option::as_ref) {
        return Some(database.spec.workload.clone());
    }
    let manifest = &ledger.known()?.as_ref()?.status.as_ref()?.database_manifest;
    let spec: ProtectedDatabaseSpec = serde_json::from_value(manifest.get("spec")?.clone()).ok()?;
    Some(spec.workload)
}

async fn read_volumes(cluster: &Cluster, facts: &mut Facts) {
    let (client, namespace, context) = (
        &cluster.client,
        cluster.namespace.as_str(),
        cluster.context.as_deref(),
    );
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    for (volume, claim) in name_volumes(facts) {
        let question = ClusterRequest::about("get", "persistentvolumes", &volume, None, context);
        facts.volumes.push(ask(question, &volumes, &volume).await);
        if !claim.is_empty() && !facts.claims.iter().any(|asked| asked.name == claim) {
            let question = ClusterRequest::about(
                "get",
                "persistentvolumeclaims",
                &claim,
                Some(namespace),
                context,
            );
            facts.claims.push(ask(question, &claims, &claim).await);
        }
    }
}

async fn read_nodes(cluster: &Cluster, facts: &mut Facts) {
    let node_of = |pod: &Pod| pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    let mut names: Vec<String> = facts
        .pods
        .known()
        .into_iter()
        .flatten()
        .filter_map(node_of)
        .collect();
    names.sort();
    names.dedup();
    let nodes = Api::all(cluster.client.clone());
    for name in names.iter().take(NODES) {
        let question =
            ClusterRequest::about("get", "nodes", name, None, cluster.context.as_deref());
        facts.nodes.push(ask(question, &nodes, name).await);
    }
}
