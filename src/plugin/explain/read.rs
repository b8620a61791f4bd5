//! Reads everything that an incident is made of. A read that fails is a fact of the incident, not
//! the end of it. Nothing is judged here.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod};
use kube::CustomResourceExt as _;

use super::events::{fetch_cluster_events, fetch_events};
use super::objects::{
    fetch_listed, fetch_pods, fetch_revisions, fetch_workload, seen, told, told_of,
};
use crate::api::{
    DatabaseBackup, DatabaseCheck, DatabaseLedger, DatabaseRestore, ProtectedDatabase,
    ProtectedDatabaseSpec, Workload, names,
};
use crate::incident::{Facts, Incident, build_incident, name_volumes};
use crate::plugin::connect::Cluster;
use crate::plugin::error::{ClusterRequest, PluginError};
use crate::world::{Fact, LedgerOrigin};

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
    let reader = cluster.reader();
    let database = reader.find::<ProtectedDatabase>(name).await;
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
    let ledger = told(
        ClusterRequest::about(
            "get",
            DatabaseLedger::crd_name(),
            &ledger_name,
            None,
            context,
        ),
        reader.find_cluster::<DatabaseLedger>(&ledger_name).await,
    );
    let ledger = of_namespace(cluster, ledger, &database).await;
    if matches!(
        (&database, &ledger),
        (Fact::Known(None), Fact::Known(None) | Fact::Unknown(_))
    ) {
        return Err(question().absent());
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
    let found = fetch_workload(cluster, wanted.as_ref()).await;
    let pods = fetch_pods(cluster, wanted.as_ref(), &found).await;
    let workload = found.map(|found| found.map(seen));
    let mut facts = Facts {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        context_flag: cluster.context_flag(),
        now: Timestamp::now(),
        revisions: fetch_revisions(cluster, &workload).await,
        pods,
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

/// The ledger, if it is of this namespace. Another owner's of the same name is not shown.
async fn of_namespace(
    cluster: &Cluster,
    ledger: Fact<Option<DatabaseLedger>>,
    database: &Fact<Option<ProtectedDatabase>>,
) -> Fact<Option<DatabaseLedger>> {
    let Fact::Known(Some(found)) = ledger else {
        return ledger;
    };
    let reader = cluster.reader();
    let namespace = reader
        .get_cluster_metadata::<Namespace>(&cluster.namespace)
        .await;
    let database = database.known().and_then(Option::as_ref);
    let proof = database.map(|database| &database.metadata);
    match LedgerOrigin::of(&found, &namespace, proof) {
        LedgerOrigin::This | LedgerOrigin::Recreated => Fact::Known(Some(found)),
        LedgerOrigin::NotKnown(why) => Fact::Unknown(why),
        LedgerOrigin::Other(other) => Fact::Unknown(other.describe()),
    }
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
    let (namespace, context) = (cluster.namespace.as_str(), cluster.context.as_deref());
    let reader = cluster.reader();
    for (volume, claim) in name_volumes(facts) {
        let question = ClusterRequest::about("get", "persistentvolumes", &volume, None, context);
        let answer = reader.find_cluster::<PersistentVolume>(&volume).await;
        facts.volumes.push(told_of(&volume, question, answer));
        if !claim.is_empty() && !facts.claims.iter().any(|asked| asked.name == claim) {
            let question = ClusterRequest::about(
                "get",
                "persistentvolumeclaims",
                &claim,
                Some(namespace),
                context,
            );
            let answer = reader.find::<PersistentVolumeClaim>(&claim).await;
            facts.claims.push(told_of(&claim, question, answer));
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
    let reader = cluster.reader();
    for name in names.iter().take(NODES) {
        let question =
            ClusterRequest::about("get", "nodes", name, None, cluster.context.as_deref());
        let answer = reader.find_cluster::<Node>(name).await;
        facts.nodes.push(told_of(name, question, answer));
    }
}
