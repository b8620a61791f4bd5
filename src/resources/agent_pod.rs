//! The pod that agents run in: the database's own image with our static binary, or our own, Secrets
//! as files, Pod Security `restricted`. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, Container, EmptyDirVolumeSource, EnvVar, EnvVarSource, KeyToPath,
    NodeAffinity, NodeSelectorRequirement, NodeSelectorTerm, ObjectFieldSelector,
    PersistentVolumeClaimVolumeSource, PodReadinessGate, PodSecurityContext, PodSpec,
    PodTemplateSpec, PreferredSchedulingTerm, ResourceRequirements, SeccompProfile,
    SecretVolumeSource, SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::ObjectMeta;

use super::agent_home::{escape, settle};
use super::agent_settings::AgentPodSettings;
use crate::api::{
    Agents, BINARY_DIRECTORY, BackupDirectory, CredentialsSecret, FILES_DIRECTORY,
    IDENTITY_DIRECTORY, IDENTITY_FILE, JOB_NAME_VARIABLE, POSTGRES_CA_DIRECTORY,
    POSTGRES_CERTIFICATE_DIRECTORY, POSTGRES_CREDENTIALS_DIRECTORY, ProtectedDatabase,
    REQUEST_VARIABLE, S3_CA_DIRECTORY, S3_COPY_CA_DIRECTORY, S3_COPY_CREDENTIALS_DIRECTORY,
    S3_CREDENTIALS_DIRECTORY, S3CredentialsSecret, SecretKey, WORK_DIRECTORY, claim_mount,
    claims_of, names,
};

/// User and group of agents: nobody's on any image, and not the database's.
const USER: i64 = 65532;

/// The readiness gate of agents, a condition that nobody ever writes.
const NO_SERVER_GATE: &str = "holdfast.dev/no-server";

/// Where the static binary is copied to.
pub(super) const BINARY: &str = "/opt/holdfast/bin/holdfast";

/// The task of backups.
pub(super) const BACKUP: &str = "backup";
/// The task of restores.
pub(super) const RESTORE: &str = "restore";
/// The task of drills.
pub(super) const DRILL: &str = "drill";
/// What `pg_dump` takes for values of 100 MiB, which is four times as much, and the agent beside it.
const BACKUP_MEMORY: &str = "768Mi";

/// What an agent is to do.
pub(super) struct Task<'a> {
    /// `check`, `files`, `backup`, `restore`, `drill`, `catalog` or `copy`.
    pub name: &'a str,
    /// The request as JSON.
    pub request: String,
    /// Which credentials are mounted.
    pub secrets: Secrets,
    /// The claim whose files are checked, if any.
    pub claim: Option<ExaminedClaim<'a>>,
    /// The directories that belong to the backup set, with their claims.
    pub directories: &'a [BackupDirectory],
    /// The node on which the claim of the first of them is mounted already.
    pub node: Option<&'a str>,
}

/// Which credentials an agent gets: no more than it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Secrets {
    /// Those of Postgres.
    Postgres,
    /// Those of Postgres and of the bucket.
    PostgresAndStorage,
    /// Those of the bucket, for the look at its sets.
    Storage,
    /// Those of restores, and of the bucket.
    Restore,
    /// Those of the bucket, to read a set, and the private keys of encrypted ones: a drill reaches no server
    /// but its own.
    Drill,
    /// Those of the bucket of backups, and of the copy at this place in the spec.
    Copy(usize),
}

impl Secrets {
    const fn has_postgres(self) -> bool {
        !matches!(self, Self::Storage | Self::Drill | Self::Copy(_))
    }

    /// Whether the programs of Postgres are needed.
    const fn needs_programs(self) -> bool {
        !matches!(self, Self::Storage | Self::Copy(_))
    }

    const fn has_storage(self) -> bool {
        !matches!(self, Self::Postgres)
    }
}

/// A claim of the user whose files are checked.
pub(super) struct ExaminedClaim<'a> {
    /// Its name.
    pub claim: &'a str,
    /// User to look as. Default: the agents' own.
    pub user: Option<i64>,
    /// Group to look as. Default: the agents' own.
    pub group: Option<i64>,
    /// The node on which it is mounted already: a volume for one node at a time can be mounted
    /// nowhere else.
    pub node: Option<&'a str>,
}

/// The labels of agents' Jobs and pods.
pub(super) fn labels(database: &ProtectedDatabase, task: &str) -> BTreeMap<String, String> {
    [
        (
            names::DATABASE_LABEL,
            database.metadata.name.as_deref().unwrap_or_default(),
        ),
        (names::TASK_LABEL, task),
        (names::MANAGED_BY_LABEL, names::OPERATOR_MANAGER),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect()
}

/// The pod template of an agent.
pub(super) fn build_template(
    database: &ProtectedDatabase,
    task: &Task<'_>,
    settings: &AgentPodSettings,
) -> PodTemplateSpec {
    let security = pod_security_context(&reader(task), &settings.agents);
    let secrets = secrets(database, task.secrets, security.fs_group.is_none());
    let mut mounts = vec![mount("work", WORK_DIRECTORY, false)];
    mounts.extend(
        secrets
            .iter()
            .map(|secret| mount(secret.volume, secret.directory, true)),
    );
    let mut volumes = vec![empty_dir("work", Some("Memory"), "1Mi")];
    volumes.extend(secrets.iter().map(SecretMount::volume));
    let mut agent = Container {
        name: "agent".to_owned(),
        env: Some(build_environment(task)),
        // A restore is dumped again, to compare it.
        resources: Some(resources(
            if [BACKUP, RESTORE, DRILL].contains(&task.name) {
                BACKUP_MEMORY
            } else {
                "512Mi"
            },
        )),
        security_context: Some(security_context()),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Container::default()
    };
    let mut install = None;
    if task.claim.is_some() || !task.secrets.needs_programs() {
        // In our own image: this needs no program of Postgres, and files that are only compared and the right
        // to remove backups are no business of the database's image. A backup reads its directories in that.
        agent.image = Some(settings.agent_image.clone());
        agent.image_pull_policy = Some("IfNotPresent".to_owned());
        agent.args = Some(["agent", task.name].map(ToOwned::to_owned).to_vec());
    } else {
        agent.image = Some(settings.database_image.clone());
        agent
            .image_pull_policy
            .clone_from(&settings.image_pull_policy);
        agent.command = Some([BINARY, "agent", task.name].map(ToOwned::to_owned).to_vec());
        mounts.insert(0, mount("binary", BINARY_DIRECTORY, true));
        volumes.insert(0, empty_dir("binary", None, "256Mi"));
        install = Some(vec![build_install(settings)]);
    }
    if let Some(claim) = &task.claim {
        mounts.push(mount("files", FILES_DIRECTORY, true));
        volumes.push(claim_volume("files", claim.claim));
    }
    for (place, claim) in claims_of(task.directories).into_iter().enumerate() {
        let name = format!("files-{place}");
        mounts.push(mount(&name, &claim_mount(FILES_DIRECTORY, place), true));
        volumes.push(claim_volume(&name, claim));
    }
    agent.volume_mounts = Some(mounts);
    let mut template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels(database, task.name)),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            affinity: task
                .claim
                .as_ref()
                .map_or(task.node, |claim| claim.node)
                .map(prefer_node),
            automount_service_account_token: Some(true),
            containers: vec![agent],
            enable_service_links: Some(false),
            init_containers: install,
            // Never Ready: a Service that its labels fit sends no client to it.
            readiness_gates: Some(vec![PodReadinessGate {
                condition_type: NO_SERVER_GATE.to_owned(),
            }]),
            restart_policy: Some("Never".to_owned()),
            security_context: Some(security),
            service_account_name: Some(names::AGENT_SERVICE_ACCOUNT.to_owned()),
            termination_grace_period_seconds: Some(30),
            volumes: Some(volumes),
            ..PodSpec::default()
        }),
    };
    settle(&mut template, settings);
    template
}

/// The container that copies our static binary into the pod.
fn build_install(settings: &AgentPodSettings) -> Container {
    Container {
        name: "install".to_owned(),
        image: Some(settings.agent_image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        args: Some(
            ["agent", "install", "--to", BINARY]
                .map(ToOwned::to_owned)
                .to_vec(),
        ),
        resources: Some(resources("64Mi")),
        security_context: Some(security_context()),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(vec![mount("binary", BINARY_DIRECTORY, false)]),
        ..Container::default()
    }
}

fn build_environment(task: &Task<'_>) -> Vec<EnvVar> {
    vec![
        EnvVar {
            name: REQUEST_VARIABLE.to_owned(),
            value: Some(escape(&task.request)),
            ..EnvVar::default()
        },
        EnvVar {
            name: JOB_NAME_VARIABLE.to_owned(),
            value_from: Some(EnvVarSource {
                field_ref: Some(ObjectFieldSelector {
                    field_path: "metadata.labels['batch.kubernetes.io/job-name']".to_owned(),
                    ..ObjectFieldSelector::default()
                }),
                ..EnvVarSource::default()
            }),
            ..EnvVar::default()
        },
    ]
}

/// Who the pod's containers run as.
///
/// A pod that looks at a claim has no `fsGroup`: with one, the kubelet gives every file on a volume
/// to that group and makes it writable for it. It leaves out volumes that are mounted read-only,
/// but a CSI driver with the capability `VOLUME_MOUNT_GROUP` gets the group anyway. The users'
/// files are not ours to change, so none is set.
///
/// Where the cluster assigns users, ours would be refused: only what a user has named is set.
fn pod_security_context(reader: &FileReader, agents: &Agents) -> PodSecurityContext {
    let asked = agents.security_context.clone().unwrap_or_default();
    let own = (agents.assigned_user != Some(true)).then_some(USER);
    let group_of_volumes = asked.fs_group.or(own);
    PodSecurityContext {
        app_armor_profile: asked.app_armor_profile,
        fs_group: group_of_volumes.filter(|_| !reader.has_claim),
        run_as_group: reader.group.or(asked.run_as_group).or(own),
        run_as_non_root: Some(true),
        run_as_user: reader.user.or(asked.run_as_user).or(own),
        se_linux_options: asked.se_linux_options,
        seccomp_profile: asked.seccomp_profile.or_else(|| {
            Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                ..SeccompProfile::default()
            })
        }),
        supplemental_groups: asked.supplemental_groups,
        ..PodSecurityContext::default()
    }
}

/// A preference and no requirement: a claim that can be mounted on several nodes is read from
/// another one when this one is full.
fn prefer_node(node: &str) -> Affinity {
    let requirement = NodeSelectorRequirement {
        key: "metadata.name".to_owned(),
        operator: "In".to_owned(),
        values: Some(vec![node.to_owned()]),
    };
    let preference = NodeSelectorTerm {
        match_fields: Some(vec![requirement]),
        ..NodeSelectorTerm::default()
    };
    Affinity {
        node_affinity: Some(NodeAffinity {
            preferred_during_scheduling_ignored_during_execution: Some(vec![
                PreferredSchedulingTerm {
                    preference,
                    weight: 100,
                },
            ]),
            ..NodeAffinity::default()
        }),
        ..Affinity::default()
    }
}

fn claim_volume(name: &str, claim: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: claim.to_owned(),
            read_only: Some(true),
        }),
        ..Volume::default()
    }
}

/// As whom a task reads users' files, if it does.
struct FileReader {
    has_claim: bool,
    user: Option<i64>,
    group: Option<i64>,
}

fn reader(task: &Task<'_>) -> FileReader {
    let directory = task.directories.first();
    let (user, group) = match (&task.claim, directory) {
        (Some(claim), _) => (claim.user, claim.group),
        (None, Some(directory)) => (directory.run_as_user, directory.run_as_group),
        (None, None) => (None, None),
    };
    FileReader {
        has_claim: task.claim.is_some() || directory.is_some(),
        user,
        group,
    }
}

/// A Secret that is mounted as files under names of our own.
struct SecretMount {
    volume: &'static str,
    directory: &'static str,
    secret: String,
    /// The user's key and our file name.
    files: Vec<(String, &'static str)>,
    mode: i32,
}

impl SecretMount {
    fn volume(&self) -> Volume {
        let items = self
            .files
            .iter()
            .map(|(key, path)| KeyToPath {
                key: key.clone(),
                path: (*path).to_owned(),
                mode: None,
            })
            .collect();
        Volume {
            name: self.volume.to_owned(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(self.secret.clone()),
                items: Some(items),
                default_mode: Some(self.mode),
                // A missing Secret then shows as a missing file, which the agent can report;
                // otherwise the pod would hang without a word.
                optional: Some(true),
            }),
            ..Volume::default()
        }
    }
}

fn secrets(database: &ProtectedDatabase, which: Secrets, has_no_group: bool) -> Vec<SecretMount> {
    // Without an `fsGroup` the files belong to root's group. That all may read them shows them to
    // nobody else: only our container mounts them.
    let mode = if has_no_group { 0o444 } else { 0o440 };
    let connection = &database.spec.connection;
    let authority = |volume, directory, key: &SecretKey| SecretMount {
        volume,
        directory,
        secret: key.name.clone(),
        files: vec![(key.key.clone(), "ca.crt")],
        mode,
    };
    let mut mounts = Vec::new();
    let login = |credentials: &CredentialsSecret, has_name: bool| {
        let username = (credentials.username_key.clone(), "username");
        let password = (credentials.password_key.clone(), "password");
        SecretMount {
            volume: "postgres",
            directory: POSTGRES_CREDENTIALS_DIRECTORY,
            secret: credentials.name.clone(),
            files: has_name
                .then_some(username)
                .into_iter()
                .chain([password])
                .collect(),
            mode,
        }
    };
    if which == Secrets::Restore {
        // Another role than that of checks and backups, and nothing of theirs.
        let restore = database.spec.restore.as_ref();
        mounts.extend(restore.map(|restore| login(&restore.credentials_secret, true)));
    } else if which.has_postgres() {
        let credentials = connection.credentials_secret.as_ref();
        // A name that the spec says needs no key.
        let has_name = connection.username.is_none();
        mounts.extend(credentials.map(|credentials| login(credentials, has_name)));
        let certificate = connection.client_certificate_secret.as_ref();
        mounts.extend(certificate.map(|certificate| SecretMount {
            volume: "postgres-certificate",
            directory: POSTGRES_CERTIFICATE_DIRECTORY,
            secret: certificate.name.clone(),
            files: vec![
                (certificate.certificate_key.clone(), "tls.crt"),
                (certificate.private_key_key.clone(), "tls.key"),
            ],
            mode,
        }));
    }
    if matches!(which, Secrets::Restore | Secrets::Drill) {
        let restore = database.spec.restore.as_ref();
        let identity = restore.and_then(|restore| restore.identity_secret.as_ref());
        mounts.extend(identity.map(|key| SecretMount {
            volume: "identity",
            directory: IDENTITY_DIRECTORY,
            secret: key.name.clone(),
            files: vec![(key.key.clone(), IDENTITY_FILE)],
            mode,
        }));
    }
    if which.has_postgres() {
        mounts.extend(
            connection
                .tls
                .ca_secret
                .iter()
                .map(|key| authority("postgres-ca", POSTGRES_CA_DIRECTORY, key)),
        );
    }
    if let (true, Some(backup)) = (which.has_storage(), &database.spec.backup) {
        let s3 = &backup.storage.s3;
        // What may delete is not where the database's own image runs.
        let key = if which == Secrets::Storage {
            backup.look_credentials()
        } else {
            s3.credentials_secret.as_ref()
        };
        let access_key = |volume, directory, key: &S3CredentialsSecret| SecretMount {
            volume,
            directory,
            secret: key.name.clone(),
            files: vec![
                (key.access_key_id_key.clone(), "accessKeyId"),
                (key.secret_access_key_key.clone(), "secretAccessKey"),
            ],
            mode,
        };
        mounts.extend(key.map(|key| access_key("s3", S3_CREDENTIALS_DIRECTORY, key)));
        let ca = s3.ca_secret.iter();
        mounts.extend(ca.map(|key| authority("s3-ca", S3_CA_DIRECTORY, key)));
        if let Secrets::Copy(place) = which
            && let Some(copy) = backup.copies.get(place)
        {
            let s3 = &copy.storage.s3;
            let key = s3.credentials_secret.as_ref();
            mounts.extend(key.map(|key| access_key("s3-copy", S3_COPY_CREDENTIALS_DIRECTORY, key)));
            let ca = s3.ca_secret.iter();
            mounts.extend(ca.map(|key| authority("s3-copy-ca", S3_COPY_CA_DIRECTORY, key)));
        }
    }
    mounts
}

pub(super) fn mount(volume: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: path.to_owned(),
        read_only: Some(read_only),
        ..VolumeMount::default()
    }
}

pub(super) fn empty_dir(name: &str, medium: Option<&str>, limit: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: medium.map(ToOwned::to_owned),
            size_limit: Some(Quantity(limit.to_owned())),
        }),
        ..Volume::default()
    }
}

pub(super) fn resources(memory_limit: &str) -> ResourceRequirements {
    let quantity = |name: &str, value: &str| (name.to_owned(), Quantity(value.to_owned()));
    ResourceRequirements {
        requests: Some([quantity("cpu", "10m"), quantity("memory", "64Mi")].into()),
        limits: Some([quantity("memory", memory_limit)].into()),
        ..ResourceRequirements::default()
    }
}

pub(super) fn security_context() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            ..Capabilities::default()
        }),
        read_only_root_filesystem: Some(true),
        ..SecurityContext::default()
    }
}
