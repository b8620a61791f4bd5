//! The pod that agents run in: the database's own image with our static binary, or our own, Secrets
//! as files, Pod Security `restricted`. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, Container, EmptyDirVolumeSource, EnvVar, EnvVarSource, NodeAffinity,
    NodeSelectorRequirement, NodeSelectorTerm, ObjectFieldSelector,
    PersistentVolumeClaimVolumeSource, PodReadinessGate, PodSecurityContext, PodSpec,
    PodTemplateSpec, PreferredSchedulingTerm, ResourceRequirements, SeccompProfile,
    SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::ObjectMeta;

use super::agent_home::{escape, settle};
use super::agent_secrets::{SecretMount, Secrets, secrets};
use super::agent_settings::AgentPodSettings;
use crate::api::{
    Agents, BINARY_DIRECTORY, BackupDirectory, FILES_DIRECTORY, JOB_NAME_VARIABLE,
    ProtectedDatabase, REQUEST_VARIABLE, WORK_DIRECTORY, claim_mount, claims_of, names,
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
/// The volume of the one claim that an agent writes to.
const RESTORED: &str = "restored";
/// What `pg_dump` takes for values of 100 MiB, which is four times as much, and the agent beside it.
const BACKUP_MEMORY: &str = "768Mi";

/// What an agent is to do.
pub(super) struct Task<'a> {
    /// `check`, `files`, `backup`, `restore`, `restore-files`, `drill`, `catalog` or `copy`.
    pub name: &'a str,
    /// The request as JSON.
    pub request: String,
    /// Which credentials are mounted.
    pub secrets: Secrets,
    /// The claim whose files are checked or restored, if any.
    pub claim: Option<ExaminedClaim<'a>>,
    /// The directories that belong to the backup set, with their claims.
    pub directories: &'a [BackupDirectory],
    /// The node on which the claim of the first of them is mounted already.
    pub node: Option<&'a str>,
}

/// A claim of the user whose files are checked or restored.
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
    /// Whether files are restored there. All others only read.
    pub is_written: bool,
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
        let name = if claim.is_written { RESTORED } else { "files" };
        mounts.push(mount(name, FILES_DIRECTORY, !claim.is_written));
        volumes.push(claim_volume(name, claim.claim, !claim.is_written));
    }
    for (place, claim) in claims_of(task.directories).into_iter().enumerate() {
        let name = format!("files-{place}");
        mounts.push(mount(&name, &claim_mount(FILES_DIRECTORY, place), true));
        volumes.push(claim_volume(&name, claim, true));
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

fn claim_volume(name: &str, claim: &str, read_only: bool) -> Volume {
    Volume {
        name: name.to_owned(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: claim.to_owned(),
            read_only: Some(read_only),
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
