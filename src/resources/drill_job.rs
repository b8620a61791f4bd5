//! The Job of a drill: a throwaway server in the database's own image, which has no key and no token, and
//! beside it the agent that restores a backup into it. They share a socket, and nothing else. Pure.

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{
    ConfigMapProjection, Container, DownwardAPIProjection, DownwardAPIVolumeFile,
    EmptyDirVolumeSource, EphemeralVolumeSource, KeyToPath, ObjectFieldSelector,
    PersistentVolumeClaimSpec, PersistentVolumeClaimTemplate, PodSpec, ProjectedVolumeSource,
    ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
    VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::agent_job::build_metadata;
use super::agent_pod::{
    BINARY, DRILL, Task, build_template, empty_dir, mount, resources, security_context,
};
use super::agent_secrets::Secrets;
use super::agent_settings::AgentPodSettings;
use super::backup_job::{BACKOFF_LIMIT, build_failure_policy};
use super::quantity::{compare, is_amount};
use crate::api::{
    BINARY_DIRECTORY, DatabaseRestore, DrillStorage, JOB_MARGIN_SECONDS, ProtectedDatabase,
    RestoreRequest, SCRATCH_DATA_DIRECTORY, SCRATCH_SOCKET_DIRECTORY, names,
};

/// How long an ended Job is kept at most, in seconds: its end proves the drill, and the operator deletes it once
/// it has seen that.
const KEPT_SECONDS: i32 = 86_400;
/// What the throwaway server takes: its buffers, and the memory of one index that is built.
const SERVER_MEMORY: &str = "1Gi";
/// Where the file is with the one user of the throwaway server, as the init container has written it.
const PASSWD: &str = "/opt/holdfast/bin/passwd";
/// Where a token is expected.
const TOKEN_DIRECTORY: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// How long a token is valid, in seconds; the kubelet renews it before.
const TOKEN_SECONDS: i64 = 3_607;
/// What a throwaway server may take for each byte of a dump, and what it takes for none.
const BYTES_PER_BYTE: i64 = 3;
const LEAST_BYTES: i64 = 2 << 30;
/// What a dump is taken to have that does not say how large it is.
const UNKNOWN_BYTES: i64 = 16 << 30;

/// The Job of one drill, under the name that the Job of every DatabaseRestore has. `raw_bytes` are those of
/// the backup before compression, if it says so.
#[must_use]
pub fn build_drill_job(
    database: &ProtectedDatabase,
    restore: &DatabaseRestore,
    request: &RestoreRequest,
    raw_bytes: Option<i64>,
    settings: &AgentPodSettings,
) -> Job {
    let task = Task {
        name: DRILL,
        request: serde_json::to_string(request).unwrap_or_default(),
        secrets: Secrets::Drill,
        claim: None,
        directories: &[],
        node: None,
    };
    let mut settings = settings.clone();
    let drill = database.spec.drill.as_ref();
    if let Some(resources) = drill.and_then(|drill| drill.resources.clone()) {
        settings.agents.resources = Some(resources);
    }
    // A drill can wait, and must not drive out what others run.
    settings.placement.priority_class_name = None;
    let storage = drill.and_then(|drill| drill.storage.as_ref());
    let name = names::restore_job(&request.restore_uid);
    let deadline = request.deadline_seconds.saturating_add(JOB_MARGIN_SECONDS);
    let mut template = build_template(database, &task, &settings);
    let pod = template.spec.get_or_insert_default();
    add_server(pod, &settings, data_volume(storage, raw_bytes));
    give_token_to_agent(pod);
    Job {
        metadata: build_metadata(database, restore, Some(name), task.name, &settings),
        spec: Some(JobSpec {
            backoff_limit: Some(BACKOFF_LIMIT),
            pod_failure_policy: Some(build_failure_policy()),
            pod_replacement_policy: Some("Failed".to_owned()),
            active_deadline_seconds: i64::try_from(deadline).ok(),
            ttl_seconds_after_finished: Some(KEPT_SECONDS),
            template,
            ..JobSpec::default()
        }),
        ..Job::default()
    }
}

/// Adds the server: an init container that is not waited for, so that it ends with the agent, and the pod
/// with both. It mounts no Secret and no token, and is asked nothing.
fn add_server(pod: &mut PodSpec, settings: &AgentPodSettings, data: Volume) {
    let with_user = VolumeMount {
        sub_path: Some("passwd".to_owned()),
        ..mount("binary", "/etc/passwd", true)
    };
    let install = pod.init_containers.get_or_insert_default();
    for install in install.iter_mut() {
        let arguments = install.args.get_or_insert_default();
        arguments.extend(["--passwd", PASSWD].map(ToOwned::to_owned));
    }
    // As the other containers, with what was asked for.
    let mut own = resources(SERVER_MEMORY);
    let on_node = data.empty_dir.as_ref();
    if let Some(size) = on_node.and_then(|directory| directory.size_limit.clone()) {
        // So it gets a node that has the space, and is the first to go where that gets short.
        let requests = own.requests.get_or_insert_default();
        requests.insert("ephemeral-storage".to_owned(), size);
    }
    install.push(Container {
        name: "scratch".to_owned(),
        image: Some(settings.database_image.clone()),
        image_pull_policy: settings.image_pull_policy.clone(),
        command: Some([BINARY, "agent", "scratch"].map(ToOwned::to_owned).to_vec()),
        resources: Some(super::agent_home::with_resources(
            own,
            settings.agents.resources.as_ref(),
        )),
        restart_policy: Some("Always".to_owned()),
        security_context: Some(security_context()),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(vec![
            mount("binary", BINARY_DIRECTORY, true),
            with_user,
            mount("scratch", SCRATCH_DATA_DIRECTORY, false),
            mount("socket", SCRATCH_SOCKET_DIRECTORY, false),
        ]),
        ..Container::default()
    });
    for agent in &mut pod.containers {
        let mounts = agent.volume_mounts.get_or_insert_default();
        mounts.push(mount("socket", SCRATCH_SOCKET_DIRECTORY, false));
    }
    let volumes = pod.volumes.get_or_insert_default();
    volumes.extend([data, empty_dir("socket", Some("Memory"), "16Mi")]);
}

/// The agent alone has a token: whatever a dump brings with it runs in the other container.
fn give_token_to_agent(pod: &mut PodSpec) {
    pod.automount_service_account_token = Some(false);
    for agent in &mut pod.containers {
        let mounts = agent.volume_mounts.get_or_insert_default();
        mounts.push(mount("token", TOKEN_DIRECTORY, true));
    }
    pod.volumes.get_or_insert_default().push(token_volume());
}

/// What the API server mounts by itself where a pod does not say that it must not.
fn token_volume() -> Volume {
    let token = VolumeProjection {
        service_account_token: Some(ServiceAccountTokenProjection {
            expiration_seconds: Some(TOKEN_SECONDS),
            path: "token".to_owned(),
            ..ServiceAccountTokenProjection::default()
        }),
        ..VolumeProjection::default()
    };
    let authority = VolumeProjection {
        config_map: Some(ConfigMapProjection {
            name: "kube-root-ca.crt".to_owned(),
            items: Some(vec![KeyToPath {
                key: "ca.crt".to_owned(),
                path: "ca.crt".to_owned(),
                mode: None,
            }]),
            ..ConfigMapProjection::default()
        }),
        ..VolumeProjection::default()
    };
    let namespace = VolumeProjection {
        downward_api: Some(DownwardAPIProjection {
            items: Some(vec![DownwardAPIVolumeFile {
                path: "namespace".to_owned(),
                field_ref: Some(ObjectFieldSelector {
                    api_version: Some("v1".to_owned()),
                    field_path: "metadata.namespace".to_owned(),
                }),
                ..DownwardAPIVolumeFile::default()
            }]),
        }),
        ..VolumeProjection::default()
    };
    Volume {
        name: "token".to_owned(),
        projected: Some(ProjectedVolumeSource {
            default_mode: Some(0o644),
            sources: Some(vec![token, authority, namespace]),
        }),
        ..Volume::default()
    }
}

/// Where the data is: on the node, or on a volume that lives as long as the pod.
fn data_volume(storage: Option<&DrillStorage>, raw_bytes: Option<i64>) -> Volume {
    let name = "scratch".to_owned();
    let size = storage.and_then(|storage| storage.size.clone());
    let size = size
        .filter(|size| is_amount(size) && compare(size, "0") == Some(std::cmp::Ordering::Greater));
    let class = storage.and_then(|storage| storage.storage_class_name.clone());
    let Some((class, size)) = class.zip(size.clone()) else {
        let bytes = raw_bytes.unwrap_or(UNKNOWN_BYTES).max(0);
        let bytes = bytes.saturating_mul(BYTES_PER_BYTE);
        let by_backup = bytes.saturating_add(LEAST_BYTES).to_string();
        return Volume {
            name,
            empty_dir: Some(EmptyDirVolumeSource {
                size_limit: Some(Quantity(size.unwrap_or(by_backup))),
                ..EmptyDirVolumeSource::default()
            }),
            ..Volume::default()
        };
    };
    let claim = PersistentVolumeClaimSpec {
        access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
        resources: Some(VolumeResourceRequirements {
            requests: Some([("storage".to_owned(), Quantity(size))].into()),
            ..VolumeResourceRequirements::default()
        }),
        storage_class_name: Some(class),
        ..PersistentVolumeClaimSpec::default()
    };
    Volume {
        name,
        ephemeral: Some(EphemeralVolumeSource {
            volume_claim_template: Some(PersistentVolumeClaimTemplate {
                metadata: None,
                spec: claim,
            }),
        }),
        ..Volume::default()
    }
}

#[cfg(test)]
#[path = "drill_job_tests.rs"]
mod tests;
