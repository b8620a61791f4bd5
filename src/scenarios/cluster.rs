//! A cluster in memory: what kubelet, volume controller, provisioner and agents do, over the API
//! server in memory. One Postgres that runs wherever its claim is.

use k8s_openapi::api::core::v1::PersistentVolume;
use serde_json::{Value, json};

use super::api_server::{ApiServer, CrashPoint, Key, Store, metadata};
use super::sample_objects::{complete_backup, evidence};
use crate::api::{ConfirmedVerb, DatabaseCheck, DatabaseRestore, ProtectedDatabase, names};
use crate::engine::{Context, Metrics, PassError, RestoreError, Settings, reconcile, restore};
use crate::guard;

/// The volume with the data.
pub const DATA_VOLUME: &str = "pv-data";
/// The storage that it is for.
pub const DATA_PATH: &str = "/volumes/pv-data";
/// A volume with a copy of it.
pub const REPLICA_VOLUME: &str = "pv-replica";
/// Rows of a database that was just initialized.
const SEED_ROWS: [i64; 2] = [1, 27];

/// The cluster.
#[derive(Clone, Default)]
pub struct Cluster {
    pub server: ApiServer,
    /// For how many seconds a quota has refused the pods of agents; none where they run.
    pub refused_for: Option<i64>,
}

fn key(plural: &str, namespace: &str, name: &str) -> Key {
    (plural.to_owned(), namespace.to_owned(), name.to_owned())
}

impl Cluster {
    /// A Postgres with data, and a ProtectedDatabase that nobody has seen yet.
    pub fn new() -> Self {
        let cluster = Self::default();
        let mut store = cluster.server.store();
        let mut create = |plural: &str, namespace: &str, object: Value| {
            let name = object["metadata"]["name"]
                .as_str()
                .expect("a name")
                .to_owned();
            store.create(key(plural, namespace, &name), object);
        };
        for (policy, binding) in guard::policies("holdfast-system") {
            create("validatingadmissionpolicies", "", json!(policy));
            create("validatingadmissionpolicybindings", "", json!(binding));
        }
        create("namespaces", "", json!({"metadata": {"name": "atra"}}));
        create("persistentvolumes", "", volume(DATA_VOLUME, "data"));
        create("persistentvolumeclaims", "atra", claim(DATA_VOLUME));
        create("statefulsets", "atra", stateful_set());
        create("protecteddatabases", "atra", database());
        drop(store);
        cluster.settle_kubernetes();
        cluster
    }

    /// Another cluster in the same state.
    pub fn fork(&self) -> Self {
        Self {
            server: self.server.fork(),
            refused_for: self.refused_for,
        }
    }

    /// A new process of the operator, which may die at a write.
    pub fn operator(&self, crash: Option<CrashPoint>) -> Context {
        let settings = Settings {
            agent_image: "holdfast:test".to_owned(),
            ..Settings::for_tests("holdfast-system")
        };
        let operator = Context::new(self.server.client(crash), settings, Metrics::default());
        self.show_volumes(&operator);
        operator
    }

    /// Ends all Jobs: one that seems to run is asked about after some seconds.
    pub fn end_jobs(&self) {
        let ended = json!({"status": {"conditions": [{"type": "Complete", "status": "True"}]}});
        let jobs = self.server.store().all("jobs");
        for ((_, namespace, name), _) in jobs {
            self.change("jobs", &namespace, &name, &ended);
        }
    }

    /// Passes of one operator, and what Kubernetes does between them, until nothing changes any
    /// more or the operator is dead.
    pub async fn operate(&self, operator: &Context) {
        let mut quiet = 0;
        for _ in 0..400 {
            let before = self.server.store().version();
            self.show_volumes(operator);
            let passed: Result<_, PassError> = reconcile(operator, "atra", "knowledge").await;
            self.restore(operator).await;
            if self.server.has_crashed() {
                return;
            }
            if let Err(error) = passed {
                assert!(is_conflict(&error.to_string()), "{error}");
            }
            self.settle_kubernetes();
            quiet = if self.server.store().version() == before {
                quiet + 1
            } else {
                0
            };
            if quiet == 3 {
                return;
            }
        }
        panic!("it does not come to rest: {:?}", self.server.store().writes);
    }

    /// What the watch of volumes would say.
    pub fn show_volumes(&self, operator: &Context) {
        let volumes = self.server.store().all("persistentvolumes");
        let volumes: Vec<PersistentVolume> = volumes
            .into_iter()
            .map(|(_, volume)| super::sample_parts::from(volume))
            .collect();
        operator.volumes.replace(&volumes);
    }

    async fn restore(&self, operator: &Context) {
        let restores = self.server.store().all("databaserestores");
        for ((_, namespace, name), _) in restores {
            let done: Result<_, RestoreError> = restore(operator, &namespace, &name).await;
            if let Err(error) = done
                && !self.server.has_crashed()
            {
                assert!(is_conflict(&error.to_string()), "{error}");
            }
        }
    }

    /// Lets the controllers of Kubernetes, and the agents, work until they have nothing to do.
    pub fn settle_kubernetes(&self) {
        loop {
            let mut store = self.server.store();
            let before = store.version();
            bind(&mut store);
            release(&mut store);
            run_pods(&mut store);
            if let Some(seconds) = self.refused_for {
                refuse_agents(&mut store, seconds);
            } else {
                run_restores(&mut store);
                run_restores_of_files(&mut store);
                run_checks(&mut store);
                run_backups(&mut store);
            }
            if store.version() == before {
                return;
            }
        }
    }

    /// The container is started again.
    pub fn restart(&self) {
        let mut store = self.server.store();
        for (key, _) in store.all("pods") {
            store.remove(&key);
        }
        drop(store);
        self.settle_kubernetes();
    }

    /// The claim goes although it is guarded, as by somebody who has taken the guard away.
    pub fn lose_claim(&self) {
        let mut store = self.server.store();
        for (key, _) in store.all("pods") {
            store.remove(&key);
        }
        store.remove(&key("persistentvolumeclaims", "atra", "data"));
    }

    /// The claim goes, and the storage could not delete the volume, which was on Delete: somebody had taken
    /// the guard away from both.
    pub fn fail_to_delete_volume(&self) {
        self.lose_claim();
        let mut store = self.server.store();
        store.update(&key("persistentvolumes", "", DATA_VOLUME), |volume| {
            volume["spec"]["persistentVolumeReclaimPolicy"] = "Delete".into();
            volume["status"]["phase"] = "Failed".into();
        });
    }

    /// The volume of the claim that is gone names another claim, which does not exist.
    pub fn rename_claim_of_volume(&self) {
        let mut store = self.server.store();
        store.update(&key("persistentvolumes", "", DATA_VOLUME), |volume| {
            volume["spec"]["claimRef"] =
                json!({"namespace": "atra", "name": "other", "uid": "u-other"});
        });
    }

    /// The deletion of the claim was confirmed at that time.
    pub fn confirm_claim(&self, at: jiff::Timestamp) {
        let mut store = self.server.store();
        let place = key("persistentvolumeclaims", "atra", "data");
        store.update(&place, |claim| {
            let patch = guard::build_confirmation(&metadata(claim), ConfirmedVerb::Delete, at);
            json_patch::patch(claim, &patch).expect("a patch of the claim that was read");
        });
    }

    /// The claim has another, empty volume instead.
    pub fn switch_volume(&self) {
        self.lose_claim();
        let mut store = self.server.store();
        let mut fresh = claim("");
        fresh["spec"]["volumeName"].take();
        store.create(key("persistentvolumeclaims", "atra", "data"), fresh);
        drop(store);
        self.settle_kubernetes();
    }

    /// Namespace and everything in it go.
    pub fn lose_namespace(&self) {
        let mut store = self.server.store();
        let plurals = [
            "pods",
            "persistentvolumeclaims",
            "statefulsets",
            "protecteddatabases",
            "databasechecks",
            "databasebackups",
            "databaserestores",
            "jobs",
            "cronjobs",
            "serviceaccounts",
            "rolebindings",
        ];
        for (key, _) in plurals
            .iter()
            .flat_map(|plural| store.all(plural))
            .collect::<Vec<_>>()
        {
            store.remove(&key);
        }
        store.remove(&key("namespaces", "", "atra"));
        drop(store);
        self.settle_kubernetes();
    }

    /// Asks for the data volume back.
    pub fn ask_for_restore(&self) {
        self.ask_for(DATA_VOLUME);
    }

    /// The tables of the database are emptied, as by a mistake of its owner.
    pub fn empty_tables(&self) {
        self.keep_rows([0, 0]);
    }

    /// The tables of the database have so many rows from now on.
    pub fn keep_rows(&self, rows: [i64; 2]) {
        let mut store = self.server.store();
        let volume = mounted(&store).expect("a volume");
        set_content(&mut store, &volume, &json!({"rows": rows, "oid": 16_384}));
    }

    /// Asks for the newest backup that counts.
    pub fn ask_for_backup(&self, into: &str) {
        self.ask_from(&json!({"latestGood": true}), into);
    }

    /// Asks for a volume.
    pub fn ask_for(&self, volume: &str) {
        self.ask_from(&json!({ "volume": volume }), "Replace");
    }

    /// Asks for a restore from there.
    pub fn ask_from(&self, source: &Value, into: &str) {
        let uid = {
            let store = self.server.store();
            let database = store.get("protecteddatabases", "atra", "knowledge");
            database.map(|database| database["metadata"]["uid"].clone())
        };
        let mut restore = json!({
            "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseRestore",
            "metadata": {"name": "back", "namespace": "atra"},
            "spec": {"database": "knowledge", "from": source, "into": into},
        });
        if into == "Replace" {
            restore["spec"]["confirm"] = json!(uid);
        }
        if let Some(files) = source.get("files") {
            restore["spec"]["files"] = files.clone();
            restore["spec"]["from"] = json!({"latestGood": true});
        }
        let restore: DatabaseRestore = super::sample_parts::from(restore);
        let key = key("databaserestores", "atra", "back");
        self.server.store().create(key, json!(restore));
    }

    /// Somebody else gets a namespace of the name, and sets up the same there.
    pub fn use_name_again(&self) {
        let mut store = self.server.store();
        let mut create = |plural: &str, namespace: &str, object: Value| {
            let name = object["metadata"]["name"]
                .as_str()
                .expect("a name")
                .to_owned();
            store.create(key(plural, namespace, &name), object);
        };
        create("namespaces", "", json!({"metadata": {"name": "atra"}}));
        let mut fresh = claim("");
        fresh["spec"]["volumeName"].take();
        create("persistentvolumeclaims", "atra", fresh);
        create("statefulsets", "atra", stateful_set());
        create("protecteddatabases", "atra", database());
        drop(store);
        self.settle_kubernetes();
    }

    /// Creates an object as anybody may.
    pub fn create(&self, plural: &str, namespace: &str, object: Value) {
        let name = object["metadata"]["name"]
            .as_str()
            .expect("a name")
            .to_owned();
        let key = key(plural, namespace, &name);
        self.server.store().create(key, object);
        self.settle_kubernetes();
    }

    /// Changes an object as anybody may who may write it.
    pub fn change(&self, plural: &str, namespace: &str, name: &str, with: &Value) {
        let key = key(plural, namespace, name);
        self.server
            .store()
            .update(&key, |object| json_patch::merge(object, with));
        self.settle_kubernetes();
    }

    /// An object as it is.
    pub fn get(&self, plural: &str, namespace: &str, name: &str) -> Value {
        let store = self.server.store();
        let found = store.get(plural, namespace, name);
        found
            .unwrap_or_else(|| panic!("no {plural} {name}"))
            .clone()
    }

    /// The workload is applied again, as its owner does after its namespace was gone.
    pub fn apply_workload(&self) {
        let key = key("statefulsets", "atra", "pg");
        self.server.store().create(key, stateful_set());
        self.settle_kubernetes();
    }

    /// Whether the volume with the data is there, on Retain: then nothing is lost.
    pub fn keeps_data(&self) -> bool {
        let store = self.server.store();
        store
            .get("persistentvolumes", "", DATA_VOLUME)
            .is_some_and(|volume| volume["spec"]["persistentVolumeReclaimPolicy"] == guard::RETAIN)
    }

    /// The volume that the running pod has.
    pub fn mounted_volume(&self) -> Option<String> {
        let store = self.server.store();
        let (_, _) = store.all("pods").first()?;
        let claim = store.get("persistentvolumeclaims", "atra", "data")?;
        claim["spec"]["volumeName"].as_str().map(ToOwned::to_owned)
    }

    /// Status and reason of a condition of the ProtectedDatabase.
    pub fn condition(&self, type_: &str) -> Option<(String, String)> {
        let store = self.server.store();
        let database = store.get("protecteddatabases", "atra", "knowledge")?;
        let conditions = database["status"]["conditions"].as_array()?;
        let found = conditions
            .iter()
            .find(|condition| condition["type"] == type_)?;
        let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
        Some((text("status"), text("reason")))
    }
}

/// Whether a failure is one that another pass settles.
fn is_conflict(error: &str) -> bool {
    [
        "already exists",
        "precondition",
        "test of the patch",
        "another object",
        "does not exist",
    ]
    .iter()
    .any(|words| error.contains(words))
}

/// Binds claims to the volumes that they name or that are reserved for them; makes an empty one for
/// those that have none.
fn bind(store: &mut Store) {
    for (claim_key, claim) in store.all("persistentvolumeclaims") {
        let uid = metadata(&claim).uid.unwrap_or_default();
        let name = claim_key.2.clone();
        if claim["metadata"]["deletionTimestamp"].is_string() {
            continue;
        }
        let volumes = store.all("persistentvolumes");
        let is_for_it = |volume: &Value| {
            let reference = &volume["spec"]["claimRef"];
            let holder = reference["uid"].as_str().unwrap_or_default();
            reference["name"] == name && (holder.is_empty() || holder == uid)
        };
        let named = claim["spec"]["volumeName"]
            .as_str()
            .filter(|name| !name.is_empty());
        let found = match named {
            Some(named) => volumes.iter().find(|((.., volume), _)| volume == named),
            None => volumes.iter().find(|(_, volume)| is_for_it(volume)),
        };
        match (found, named) {
            (Some((volume_key, volume)), _) if is_for_it(volume) => {
                store.update(volume_key, |volume| {
                    volume["spec"]["claimRef"]["uid"] = uid.clone().into();
                    volume["status"]["phase"] = "Bound".into();
                });
                store.update(&claim_key, |claim| {
                    claim["spec"]["volumeName"] = volume_key.2.clone().into();
                    claim["status"]["phase"] = "Bound".into();
                });
            }
            (None, None) => {
                let fresh = format!("pv-{uid}");
                let mut volume = volume(&fresh, &name);
                volume["spec"]["claimRef"]["uid"] = uid.into();
                store.create(key("persistentvolumes", "", &fresh), volume);
            }
            (None, Some(_)) => {
                store.update(&claim_key, |claim| claim["status"]["phase"] = "Lost".into());
            }
            (Some(_), _) => {}
        }
    }
}

/// A volume whose claim is gone is Released; on Delete its files go with it, unless the storage has failed
/// to delete them.
fn release(store: &mut Store) {
    let claims: Vec<String> = store
        .all("persistentvolumeclaims")
        .iter()
        .filter_map(|(_, claim)| metadata(claim).uid)
        .collect();
    for (volume_key, volume) in store.all("persistentvolumes") {
        let reference = &volume["spec"]["claimRef"];
        let holder = reference["uid"].as_str().unwrap_or_default();
        if holder.is_empty() {
            let phase = volume["status"]["phase"].as_str().unwrap_or_default();
            if reference.is_object() && matches!(phase, "Released" | "Failed") {
                store.update(&volume_key, |volume| {
                    volume["status"]["phase"] = "Available".into();
                });
            }
            continue;
        }
        if claims.iter().any(|claim| claim == holder) {
            continue;
        }
        if volume["status"]["phase"] == "Failed" {
            continue;
        }
        if volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete" {
            store.remove(&volume_key);
        } else if volume["status"]["phase"] != "Released" {
            store.update(&volume_key, |volume| {
                volume["status"]["phase"] = "Released".into();
            });
        }
    }
}

/// Runs the pod of the StatefulSet as long as its claim is bound.
fn run_pods(store: &mut Store) {
    let pod_key = key("pods", "atra", "pg-0");
    let Some(set) = store.get("statefulsets", "atra", "pg").cloned() else {
        return;
    };
    let claim = store.get("persistentvolumeclaims", "atra", "data");
    let is_bound = claim.is_some_and(|claim| {
        claim["status"]["phase"] == "Bound" && claim["metadata"]["deletionTimestamp"].is_null()
    });
    let pod = store.get("pods", "atra", "pg-0").is_some();
    if set["spec"]["replicas"] == 0 {
        store.remove(&pod_key);
    } else if is_bound && !pod {
        let started = store.version();
        let now = jiff::Timestamp::now().to_string();
        let owner = json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "pg", "controller": true,
            "uid": metadata(&set).uid,
        });
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": "pg-0", "namespace": "atra", "labels": {"app": "pg"},
                "ownerReferences": [owner],
            },
            "spec": set["spec"]["template"]["spec"],
            "status": {
                "phase": "Running", "podIP": "10.0.0.7",
                "containerStatuses": [{
                    "name": "postgres", "containerID": format!("containerd://{started}"),
                    "image": "postgres:15", "imageID": "", "ready": true, "restartCount": 0,
                    "state": {"running": {"startedAt": now}},
                }],
            },
        });
        store.create(pod_key, pod);
    }
}

/// What is in the database of a volume, where it is not what was always there: rows, and its object id.
fn content(store: &Store, volume: &str) -> Option<Value> {
    store.get("contents", "", volume).cloned()
}

fn set_content(store: &mut Store, volume: &str, content: &Value) {
    let key = key("contents", "", volume);
    store.remove(&key);
    let mut object = content.clone();
    object["metadata"] = json!({"name": volume});
    store.create(key, object);
}

fn mounted(store: &Store) -> Option<String> {
    let claim = store.get("persistentvolumeclaims", "atra", "data")?;
    claim["spec"]["volumeName"].as_str().map(ToOwned::to_owned)
}

/// Restores the set of every restore's Job, and reports it as its agent does: in the one field of the
/// status that is its own.
fn run_restores(store: &mut Store) {
    for name in agent_jobs(store, "restore") {
        let job = store
            .get("jobs", "atra", &name)
            .cloned()
            .unwrap_or_default();
        let owner = job["metadata"]["ownerReferences"][0].clone();
        let restore = owner["name"].as_str().unwrap_or_default();
        let restore_key = key("databaserestores", "atra", restore);
        let Some(found) = store.get("databaserestores", "atra", restore).cloned() else {
            continue;
        };
        let (Some(volume), true) = (mounted(store), found["status"]["report"].is_null()) else {
            continue;
        };
        let is_kept = found["spec"]["into"] == "Replace";
        let now = jiff::Timestamp::now().to_string();
        let mut database = json!({
            "name": "knowledge_os", "restoredAs": "knowledge_os_restore_1", "oid": 16_999,
            "tables": 2, "expectedRows": 26_422, "rows": 26_422, "isIdentical": true,
        });
        if is_kept {
            database["keptAs"] = "knowledge_os_before_restore_1".into();
            set_content(
                store,
                &volume,
                &json!({"rows": [85, 26_337], "oid": 16_999}),
            );
        }
        store.update(&restore_key, |restore| {
            restore["status"]["report"] = json!({
                "phase": "Done", "completionTime": now, "databases": [database],
                "tables": [
                    {"database": "knowledge_os", "name": "public.experts", "rows": 85},
                    {"database": "knowledge_os", "name": "public.knowledge_nodes", "rows": 26_337},
                ],
            });
        });
        store.update(&key("jobs", "atra", &name), |job| {
            job["status"] = json!({"succeeded": 1, "conditions": [{
                "type": "Complete", "status": "True", "lastTransitionTime": now,
            }]});
        });
    }
}

/// The same for the Jobs that restore files, which touch no data.
fn run_restores_of_files(store: &mut Store) {
    for name in agent_jobs(store, names::RESTORE_FILES_TASK) {
        let job = store.get("jobs", "atra", &name).cloned();
        let job = job.unwrap_or_default();
        let owner = job["metadata"]["ownerReferences"][0]["name"].clone();
        let restore = owner.as_str().unwrap_or_default();
        let found = store.get("databaserestores", "atra", restore).cloned();
        if found.is_none_or(|found| !found["status"]["report"].is_null()) {
            continue;
        }
        let now = jiff::Timestamp::now().to_string();
        store.update(&key("databaserestores", "atra", restore), |restore| {
            restore["status"]["report"] = json!({
                "phase": "Done", "completionTime": now,
                "files": {
                    "claim": "uploads", "path": "images", "restoredAs": "images", "isIdentical": true,
                    "keptAs": "images.before-restore-1", "expectedFiles": 4, "files": 4,
                },
            });
        });
        store.update(&key("jobs", "atra", &name), |job| {
            job["status"] = json!({"succeeded": 1, "conditions": [{
                "type": "Complete", "status": "True", "lastTransitionTime": now,
            }]});
        });
    }
}

/// Reports for every check whose Job exists: the data, or an empty database on any other volume.
fn run_checks(store: &mut Store) {
    for (check_key, check) in store.all("databasechecks") {
        let is_reported = check["status"]["evidence"].is_object();
        let has_job = store.get("jobs", "atra", &check_key.2).is_some();
        let check: DatabaseCheck = super::sample_parts::from(check);
        let Some(target) = check.spec.target.filter(|_| has_job && !is_reported) else {
            continue;
        };
        let mut found = evidence();
        let (is_data, pod) = if let Some(host) = &target.host {
            let Some(pod) = answering(store, host) else {
                continue;
            };
            (has_data(store, &pod), Some(pod))
        } else {
            let mut volumes = target.volumes.iter();
            let is_data = volumes
                .any(|volume| volume.volume_handle == DATA_PATH || volume.volume == REPLICA_VOLUME);
            (is_data, store.get("pods", "atra", &target.pod).cloned())
        };
        if let Some(pod) = &pod {
            let labels = &pod["metadata"]["labels"];
            found.identity.in_recovery = labels["cnpg.io/instanceRole"] == "replica";
            let status = &pod["status"];
            let address = status["podIP"].as_str().unwrap_or_default();
            address.clone_into(&mut found.server_address);
            let started = &status["containerStatuses"][0]["state"]["running"]["startedAt"];
            found.identity.postmaster_started_at = super::sample_parts::from(started.clone());
        }
        if !is_data {
            "7599999999999999999".clone_into(&mut found.identity.system_identifier);
            for (table, rows) in found.tables.iter_mut().zip(SEED_ROWS) {
                table.rows = rows;
            }
        }
        let mounted = mounted(store).filter(|_| target.host.is_none());
        if let Some(content) = mounted.and_then(|volume| content(store, &volume)) {
            let rows = content["rows"].as_array().cloned().unwrap_or_default();
            for (table, rows) in found.tables.iter_mut().zip(rows) {
                table.rows = rows.as_i64().unwrap_or_default();
            }
            found.databases[0].oid = content["oid"].as_i64().unwrap_or_default();
        }
        let now = jiff::Timestamp::now().to_string();
        store.update(&check_key, |check| {
            check["status"]["startTime"] = now.clone().into();
            check["status"]["completionTime"] = now.into();
            check["status"]["evidence"] = json!(found);
        });
        store.update(&key("jobs", "atra", &check_key.2), |job| {
            job["status"] = json!({"succeeded": 1});
        });
    }
}

/// The pod that a Service leads to, by its labels.
fn answering(store: &Store, service: &str) -> Option<Value> {
    let service = store.get("services", "atra", service)?;
    let selector = service["spec"]["selector"].as_object()?.clone();
    let pods = store.all("pods").into_iter().map(|(_, pod)| pod);
    let mut selected = pods.filter(|pod| {
        let labels = &pod["metadata"]["labels"];
        selector.iter().all(|(key, value)| labels[key] == *value)
    });
    selected.next()
}

/// Whether a pod has the data, or a copy of it.
fn has_data(store: &Store, pod: &Value) -> bool {
    let claim = &pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"];
    let claim = claim.as_str().unwrap_or_default();
    let claim = store.get("persistentvolumeclaims", "atra", claim);
    claim.is_some_and(|claim| {
        let volume = &claim["spec"]["volumeName"];
        *volume == DATA_VOLUME || *volume == REPLICA_VOLUME
    })
}

/// Lets a quota refuse the pods of every Job, which was made so many seconds ago: the Job controller
/// writes an event and nothing else.
fn refuse_agents(store: &mut Store, seconds: i64) {
    let made = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds);
    for (job_key, job) in store.all("jobs") {
        let (uid, name) = (job["metadata"]["uid"].clone(), job_key.2.clone());
        let event_key = key("events", "atra", &name);
        if store.get("events", "atra", &name).is_some() {
            continue;
        }
        store.update(&job_key, |job| {
            job["metadata"]["creationTimestamp"] = made.to_string().into();
        });
        let message = format!(
            "Error creating: pods \"{name}-x\" is forbidden: exceeded quota: none, requested: pods=1"
        );
        let event = json!({
            "metadata": {"name": name, "namespace": "atra"}, "type": "Warning",
            "reason": "FailedCreate", "message": message, "involvedObject": {"uid": uid},
        });
        store.create(event_key, event);
    }
}

/// Takes the backup of every backup Job.
fn run_backups(store: &mut Store) {
    for name in agent_jobs(store, "backup") {
        if store.get("databasebackups", "atra", &name).is_some() {
            continue;
        }
        let now = jiff::Timestamp::now().to_string();
        let mut backup = json!(complete_backup(&name, &now));
        backup["metadata"] = json!({"name": name, "namespace": "atra"});
        backup["status"]["bucket"] = "backups".into();
        backup["status"]["path"] = format!("atra/knowledge/{name}").into();
        backup["status"]["manifestSha256"] = "ab".repeat(32).into();
        store.create(key("databasebackups", "atra", &name), backup);
        store.update(&key("jobs", "atra", &name), |job| {
            job["status"] = json!({"succeeded": 1});
        });
    }
}

fn database() -> Value {
    let database: ProtectedDatabase = super::sample_parts::from(json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "ProtectedDatabase",
        "metadata": {"name": "knowledge", "namespace": "atra"},
        "spec": {
            "workload": {"kind": "StatefulSet", "name": "pg"},
            "connection": {"database": "knowledge_os", "credentialsSecret": {"name": "pg-auth"}},
            "backup": {
                "schedule": "0 3 * * *",
                "storage": {
                    "s3": {"bucket": "backups", "credentialsSecret": {"name": "s3-auth"}},
                },
            },
            "restore": {"credentialsSecret": {"name": "pg-restore"}},
        },
    }));
    json!(database)
}

fn claim(volume: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "atra"},
        "spec": {
            "storageClassName": "fast", "accessModes": ["ReadWriteOnce"], "volumeName": volume,
            "resources": {"requests": {"storage": "1Gi"}},
        },
    })
}

pub fn volume(name: &str, claim: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
        "spec": {
            "persistentVolumeReclaimPolicy": "Delete", "storageClassName": "fast",
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": format!("/volumes/{name}")},
            "claimRef": {"namespace": "atra", "name": claim},
        },
        "status": {"phase": "Available"},
    })
}

fn stateful_set() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "pg", "namespace": "atra"},
        "spec": {
            "replicas": 1, "serviceName": "pg", "selector": {"matchLabels": {"app": "pg"}},
            "template": {
                "metadata": {"labels": {"app": "pg"}},
                "spec": {
                    "containers": [{
                        "name": "postgres", "image": "postgres:15",
                        "volumeMounts": [
                            {"name": "data", "mountPath": "/var/lib/postgresql/data"},
                        ],
                    }],
                    "volumes": [
                        {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
                    ],
                },
            },
        },
    })
}

/// Names of the Jobs of one task.
pub fn agent_jobs(store: &Store, task: &str) -> Vec<String> {
    let jobs = store.all("jobs");
    let is_of_task = |job: &Value| job["metadata"]["labels"][names::TASK_LABEL] == *task;
    let jobs = jobs.into_iter().filter(|(_, job)| is_of_task(job));
    jobs.map(|((.., name), _)| name).collect()
}
