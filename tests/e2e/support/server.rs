//! A Postgres as users have it: a StatefulSet under Pod Security `restricted`, whose application
//! seeds an empty database by itself.

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::{Scene, holdfast};

/// The database of every server here.
pub const DATABASE: &str = "knowledge_os";
/// Experts in the data, as in `incidents/002-volume-switched.txt`.
pub const EXPERTS: u32 = 85;
/// Knowledge nodes in the data.
pub const NODES: u32 = 26_337;
/// Both, as they are counted while nothing is lost.
pub const ALL_ROWS: (u64, u64) = (EXPERTS as u64, NODES as u64);

/// Nothing here crashes the machine: what a server wrote is read back from the page cache, also
/// after its container was killed.
const WITHOUT_SYNC: [&str; 8] = [
    "-c",
    "fsync=off",
    "-c",
    "full_page_writes=off",
    "-c",
    "synchronous_commit=off",
    "-c",
    "shared_buffers=16MB",
];

/// Where the data is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataClaim {
    /// A claim named in the pod template, made here too.
    Named(String),
    /// A claim that the StatefulSet makes from its template `data`.
    Template,
}

/// Whom the checks and backups of a server log in as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckRole {
    /// The role that `kubectl holdfast grant-sql` makes. It is in the database, so it goes with it.
    Granted,
    /// The superuser, which the image makes again with every initdb.
    Superuser,
}

/// The `ConfigMap` with what initdb runs.
pub const SEED_CONFIG_MAP: &str = "seed";
/// The role that is granted.
pub const GRANTED_ROLE: &str = "holdfast";
/// Its password.
pub const GRANTED_PASSWORD: &str = "wrong-donkey-capacitor-pin";

/// A Postgres with one pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Name of the StatefulSet.
    pub name: String,
    /// Its image.
    pub image: String,
    /// Where its data is.
    pub claim: DataClaim,
    /// The test's namespace.
    pub namespace: String,
    /// Whom its checks log in as.
    pub role: CheckRole,
}

/// One start of the server's container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// UID of the pod.
    pub pod_uid: String,
    /// Id of the container.
    pub container_id: String,
}

impl Server {
    /// A Postgres 15 on a claim named in its pod template.
    pub fn new(scene: &Scene) -> Self {
        Self {
            name: "knowledge-postgres".to_owned(),
            image: testbed::POSTGRES_15_IMAGE.to_owned(),
            claim: DataClaim::Named("knowledge-data".to_owned()),
            namespace: scene.namespace().to_owned(),
            role: CheckRole::Granted,
        }
    }

    /// The same with a Postgres 17, on a claim from a claim template.
    pub fn seventeen(scene: &Scene) -> Self {
        Self {
            image: testbed::POSTGRES_17_IMAGE.to_owned(),
            claim: DataClaim::Template,
            ..Self::new(scene)
        }
    }

    /// The same, with checks that log in as the superuser.
    pub fn as_superuser(&self) -> Self {
        Self {
            role: CheckRole::Superuser,
            ..self.clone()
        }
    }

    /// Name of the Secret that its checks log in with.
    pub fn secret(&self) -> &'static str {
        match self.role {
            CheckRole::Granted => "pg-holdfast",
            CheckRole::Superuser => "pg-auth",
        }
    }

    /// What a person does who gives the checks a role: runs what `grant-sql` prints, and sets its
    /// password.
    pub fn grant(&self, scene: &Scene) {
        if self.role == CheckRole::Superuser {
            return;
        }
        let script = Self::build_grant_script(scene);
        self.shell(
            scene,
            &format!(
                "psql -X -q -v ON_ERROR_STOP=1 -U \"$POSTGRES_USER\" -d {DATABASE} <<'END'\n{script}\n\
                 END"
            ),
        );
    }

    /// The SQL for that role.
    pub fn build_grant_script(scene: &Scene) -> String {
        let script = holdfast(scene, &format!("grant-sql --database {DATABASE}"));
        assert_eq!(script.code, Some(0), "{}", script.printed);
        format!(
            "{}\nALTER ROLE {GRANTED_ROLE} PASSWORD '{GRANTED_PASSWORD}';",
            script.printed
        )
    }

    /// Name of its pod.
    pub fn pod(&self) -> String {
        format!("{}-0", self.name)
    }

    /// Name of its claim.
    pub fn claim(&self) -> String {
        match &self.claim {
            DataClaim::Named(name) => name.clone(),
            DataClaim::Template => format!("data-{}", self.pod()),
        }
    }

    /// Runs a statement; bare rows, columns parted by `|`.
    pub fn sql(&self, scene: &Scene, statement: &str) -> String {
        self.sql_in(scene, DATABASE, statement)
    }

    /// The same in another database.
    pub fn sql_in(&self, scene: &Scene, database: &str, statement: &str) -> String {
        scene
            .testbed
            .sql(&self.namespace, &self.pod(), database, statement)
            .unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// Runs a shell command in its container.
    pub fn shell(&self, scene: &Scene, command: &str) -> String {
        let command = ["bash", "-c", command];
        scene
            .testbed
            .exec(&self.namespace, &self.pod(), "postgres", &command)
            .unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// Removes every file of the database cluster under its running server, which may add some
    /// meanwhile.
    pub fn remove_data(&self, scene: &Scene) {
        let tries = "for try in $(seq 20); do rm -rf $PGDATA/* && break; done; \
            test -z \"$(ls $PGDATA)\"";
        self.shell(scene, tries);
    }

    /// Rows of experts and of knowledge nodes, counted by hand.
    pub fn count(&self, scene: &Scene) -> (u64, u64) {
        self.count_in(scene, DATABASE)
    }

    /// The same in another database.
    pub fn count_in(&self, scene: &Scene, database: &str) -> (u64, u64) {
        let counted = self.sql_in(
            scene,
            database,
            "SELECT (SELECT count(*) FROM experts), (SELECT count(*) FROM knowledge_nodes)",
        );
        let (experts, nodes) = counted.split_once('|').expect("two columns");
        (
            experts.parse().expect("a number"),
            nodes.parse().expect("a number"),
        )
    }

    /// Starts it with an empty volume; the application seeds 1 expert and 27 nodes.
    pub async fn start_seeded(&self, scene: &Scene) -> Start {
        scene.apply(&self.build_manifests());
        let start = self.wait_ready(scene, None).await;
        self.grant(scene);
        start
    }

    /// Starts it and fills it with the data of the incident.
    pub async fn start_filled(&self, scene: &Scene) -> Start {
        let start = self.start_seeded(scene).await;
        self.fill(scene);
        start
    }

    /// Adds what is missing to the seed.
    pub fn fill(&self, scene: &Scene) {
        let statements = format!(
            "INSERT INTO experts SELECT n, 'expert ' || n FROM generate_series(2, {EXPERTS}) n; \
             INSERT INTO knowledge_nodes SELECT n, 1 + n % {EXPERTS}, 'node ' || n FROM \
             generate_series(28, {NODES}) n"
        );
        self.sql(scene, &statements);
    }

    /// Sets how many pods it has: none lets it go down, one brings it up again.
    pub fn scale(&self, scene: &Scene, replicas: u32) {
        scene.kubectl(&format!(
            "scale statefulset {} --replicas={replicas}",
            self.name
        ));
    }

    /// Waits until its pod is ready, in another start than `before`, and the server answers.
    pub async fn wait_ready(&self, scene: &Scene, before: Option<&Start>) -> Start {
        let pods = scene.api::<Pod>();
        let what = "the Postgres pod to be ready in a new start";
        let ready = async || {
            let pod = pods
                .get(&self.pod())
                .await
                .map_err(|error| error.to_string())?;
            let start = ready_start(&pod).ok_or_else(|| format!("not ready: {:?}", pod.status))?;
            if before == Some(&start) {
                Err(format!("still {start:?}"))
            } else {
                Ok(start)
            }
        };
        let start = scene.wait(what, ready).await;
        let answer = async || {
            scene
                .testbed
                .sql(&self.namespace, &self.pod(), "postgres", "SELECT 1")
                .map_err(|error| format!("{error:#}"))
        };
        scene.wait("an answer of the server", answer).await;
        start
    }

    /// Deletes its pod and waits until the next one is ready.
    pub async fn restart_pod(&self, scene: &Scene, before: &Start) -> Start {
        scene.kubectl(&format!("delete pod {} --wait=false", self.pod()));
        self.wait_ready(scene, Some(before)).await
    }

    /// Deletes its pod and waits until the container of the next one runs, whether it takes
    /// connections or not.
    pub async fn restart_pod_unready(&self, scene: &Scene, before: &Start) {
        scene.kubectl(&format!("delete pod {} --wait=false", self.pod()));
        let pods = scene.api::<Pod>();
        scene
            .wait("the next pod's container to run", async || {
                let pod = pods
                    .get(&self.pod())
                    .await
                    .map_err(|error| error.to_string())?;
                let containers = pod
                    .status
                    .iter()
                    .flat_map(|status| status.container_statuses.iter().flatten());
                let is_running = containers.into_iter().any(|container| {
                    container
                        .state
                        .as_ref()
                        .is_some_and(|state| state.running.is_some())
                });
                if is_running && pod.metadata.uid.as_ref() != Some(&before.pod_uid) {
                    Ok(())
                } else {
                    Err(format!("{:?}", pod.status))
                }
            })
            .await;
    }

    /// Lets the pod template name another claim. Waits until the pod that mounts it is ready.
    pub async fn mount(&self, scene: &Scene, claim: &str, before: &Start) -> Start {
        let patch = json!([{"op": "replace", "path": "/spec/template/spec/volumes/1/persistentVolumeClaim/claimName", "value": claim}]);
        scene.kubectl(&format!(
            "patch statefulset {} --type=json -p {patch}",
            self.name
        ));
        self.wait_ready(scene, Some(before)).await
    }

    /// Everything, ready to be applied.
    pub fn build_manifests(&self) -> Vec<Value> {
        let Self {
            name, namespace, ..
        } = self;
        let mut all = vec![
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pg-auth", "namespace": namespace},
                "stringData": {"username": "admin", "password": "correct-horse-battery-staple"}}),
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pg-holdfast", "namespace": namespace},
                "stringData": {"username": GRANTED_ROLE, "password": GRANTED_PASSWORD}}),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": SEED_CONFIG_MAP, "namespace": namespace}, "data": {"seed.sql": SEED}}),
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace},
                "spec": {"selector": {"app": name}, "ports": [{"port": 5432}]}}),
        ];
        if let DataClaim::Named(claim) = &self.claim {
            all.push(build_claim(namespace, claim));
        }
        all.push(self.build_stateful_set());
        all
    }

    fn build_stateful_set(&self) -> Value {
        let Self {
            name,
            namespace,
            image,
            ..
        } = self;
        let from_secret = |key: &str| json!({"secretKeyRef": {"name": "pg-auth", "key": key}});
        let mut set = json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "serviceName": name,
                "selector": {"matchLabels": {"app": name}},
                "template": {
                    "metadata": {"labels": {"app": name}},
                    "spec": {
                        "terminationGracePeriodSeconds": 10,
                        "securityContext": {"runAsNonRoot": true, "runAsUser": 999, "runAsGroup": 999, "fsGroup": 999,
                            "seccompProfile": {"type": "RuntimeDefault"}},
                        "containers": [{
                            "name": "postgres", "image": image, "imagePullPolicy": "IfNotPresent",
                            "args": WITHOUT_SYNC,
                            "env": [
                                {"name": "POSTGRES_USER", "valueFrom": from_secret("username")},
                                {"name": "POSTGRES_PASSWORD", "valueFrom": from_secret("password")},
                                {"name": "POSTGRES_DB", "value": DATABASE},
                                {"name": "PGDATA", "value": "/var/lib/postgresql/data/pgdata"},
                                {"name": "POSTGRES_INITDB_ARGS", "value": "--no-sync"},
                            ],
                            "ports": [{"containerPort": 5432}],
                            // Each look at a running server is a process that it forks.
                            "startupProbe": {"tcpSocket": {"port": 5432}, "periodSeconds": 1, "failureThreshold": 300},
                            "readinessProbe": {"tcpSocket": {"port": 5432}, "periodSeconds": 5},
                            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
                            "volumeMounts": [
                                {"name": "data", "mountPath": "/var/lib/postgresql/data"},
                                {"name": "seed", "mountPath": "/docker-entrypoint-initdb.d"},
                            ],
                        }],
                        "volumes": [{"name": "seed", "configMap": {"name": SEED_CONFIG_MAP}}],
                    },
                },
            },
        });
        match &self.claim {
            DataClaim::Named(claim) => {
                let volumes = set["spec"]["template"]["spec"]["volumes"]
                    .as_array_mut()
                    .expect("volumes");
                volumes
                    .push(json!({"name": "data", "persistentVolumeClaim": {"claimName": claim}}));
            }
            DataClaim::Template => {
                let mut template = build_claim(namespace, "data");
                template["metadata"] = json!({"name": "data"});
                set["spec"]["volumeClaimTemplates"] = json!([template]);
            }
        }
        set
    }
}

/// What the application does with an empty database: it makes its tables and seeds them, and
/// everything looks healthy.
const SEED: &str = "CREATE TABLE experts (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE knowledge_nodes (id int PRIMARY KEY, expert_id int REFERENCES experts, content text NOT NULL);
INSERT INTO experts VALUES (1, 'Default expert');
INSERT INTO knowledge_nodes SELECT n, 1, 'seeded node ' || n FROM generate_series(1, 27) AS n;
";

/// A claim of the default StorageClass.
pub fn build_claim(namespace: &str, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": namespace},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}})
}

fn ready_start(pod: &Pod) -> Option<Start> {
    let status = pod.status.as_ref()?;
    let is_ready = status
        .conditions
        .iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let container = status
        .container_statuses
        .iter()
        .flatten()
        .find(|container| container.name == "postgres")?;
    let is_running = container
        .state
        .as_ref()
        .is_some_and(|state| state.running.is_some());
    if !is_ready || !is_running || pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    Some(Start {
        pod_uid: pod.metadata.uid.clone()?,
        container_id: container.container_id.clone()?,
    })
}
