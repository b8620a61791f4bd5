//! The rules about Jobs of the admission policy that fences the operator in: it creates and deletes the
//! Jobs of its agents, which have nothing but what it gives them, and what a webhook of others may add and
//! can't hurt. What is not listed is refused, and named: policies see what webhooks have made of a write.
//! Builders only.

use k8s_openapi::api::admissionregistration::v1::Validation;
use serde_json::Value;

use super::cel::{quote, quote_all};
use super::policy::{forbid_naming, forbid_unless};
use crate::api::names::{
    AGENT_SERVICE_ACCOUNT, DATABASE_LABEL, MANAGED_BY_LABEL, OPERATOR_MANAGER,
};

/// What a refusal begins with.
const REFUSAL: &str = "Holdfast's operator creates the Jobs of its agents and no others";

/// What a Job may say beside its pod: one pod, and when it ends. The API server adds the rest itself.
const JOB_FIELDS: &[&str] = &[
    "activeDeadlineSeconds",
    "backoffLimit",
    "completionMode",
    "completions",
    "parallelism",
    "podFailurePolicy",
    "podReplacementPolicy",
    "selector",
    "suspend",
    "template",
    "ttlSecondsAfterFinished",
    "manualSelector",
];
/// What an agent's pod has: what it runs, as whom, and where. Nothing of the node, no other scheduler,
/// no other names of hosts, no devices.
const POD_FIELDS: &[&str] = &[
    "activeDeadlineSeconds",
    "affinity",
    "automountServiceAccountToken",
    "containers",
    "dnsConfig",
    "dnsPolicy",
    "enableServiceLinks",
    "hostUsers",
    "imagePullSecrets",
    "initContainers",
    "nodeSelector",
    "os",
    "preemptionPolicy",
    "priority",
    "priorityClassName",
    "readinessGates",
    "restartPolicy",
    "runtimeClassName",
    "schedulerName",
    "securityContext",
    "serviceAccount",
    "serviceAccountName",
    "terminationGracePeriodSeconds",
    "tolerations",
    "topologySpreadConstraints",
    "volumes",
];
/// How names are asked for, and nothing of who is asked.
const DNS_FIELDS: &[&str] = &["options"];
/// What its containers have.
const CONTAINER_FIELDS: &[&str] = &[
    "args",
    "command",
    "env",
    "image",
    "imagePullPolicy",
    "name",
    "resources",
    "restartPolicy",
    "securityContext",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "volumeMounts",
];
/// What a security context may say; for the rest there are rules about the values.
const SECURITY_FIELDS: &[&str] = &[
    "allowPrivilegeEscalation",
    "appArmorProfile",
    "capabilities",
    "fsGroup",
    "fsGroupChangePolicy",
    "privileged",
    "readOnlyRootFilesystem",
    "runAsGroup",
    "runAsNonRoot",
    "runAsUser",
    "seLinuxChangePolicy",
    "seLinuxOptions",
    "seccompProfile",
    "supplementalGroups",
    "supplementalGroupsPolicy",
];
/// The types of SELinux that Pod Security `restricted` allows.
const SELINUX_TYPES: &[&str] = &[
    "",
    "container_t",
    "container_init_t",
    "container_kvm_t",
    "container_engine_t",
];

/// Where a variable of a container may be from, beside its own value: of the pod itself.
const VARIABLE_SOURCES: &[&str] = &["fieldRef", "resourceFieldRef"];
/// What a volume of an agent's pod may be, beside a claim to read. `projected` has sources of its own.
const VOLUME_SOURCES: &[&str] = &["emptyDir", "secret", "configMap", "downwardAPI"];
/// What a projected volume may be of, beside a token for the API server.
const PROJECTED_SOURCES: &[&str] = &["secret", "configMap", "downwardAPI", "clusterTrustBundle"];
/// The container of a drill that runs beside the agent, and all that it may mount: no key, no token.
const SERVER: &str = "scratch";
const SERVER_MOUNTS: &[&str] = &["binary", "scratch", "socket"];
/// The volume of the one claim that an agent writes to, and the only way in which a Job has it: restoring
/// files for a DatabaseRestore, with one container that does nothing else.
const RESTORED: &str = "restored";
const RESTORES_FILES: &str = "variables.kind == 'jobs' && variables.containers.size() == 1 && \
    variables.containers.all(c, c.name == 'agent' && !has(c.command) && c.?args.orValue([]) == ['agent', \
    'restore-files']) && variables.new.metadata.?labels[?'holdfast.dev/task'].orValue('') == 'restore-files' && \
    variables.new.metadata.?ownerReferences.orValue([]).exists(o, o.kind == 'DatabaseRestore' && \
    variables.new.metadata.?name.orValue('') == 'restore-' + o.uid)";
/// What the volume of a drill asks for: an empty one, and no copy of another.
const SCRATCH_FIELDS: &[&str] = &["accessModes", "resources", "storageClassName", "volumeMode"];

/// The variables that the rules need. Those that begin with `more_` are lists of what is none of an
/// agent's, as paths in the object.
pub(super) fn job_variables() -> Vec<(&'static str, String)> {
    vec![
        (
            "job",
            "variables.kind == 'jobs' ? variables.new.spec : variables.kind == 'cronjobs' ? \
             variables.new.spec.jobTemplate.spec : dyn({})"
                .to_owned(),
        ),
        (
            "pod",
            "variables.kind in ['jobs', 'cronjobs'] ? variables.job.template.spec : dyn({})"
                .to_owned(),
        ),
        (
            "containers",
            "variables.pod.?containers.orValue([]) + variables.pod.?initContainers.orValue([])"
                .to_owned(),
        ),
        (
            "contexts",
            "[variables.pod.?securityContext.orValue({})] + variables.containers.map(c, \
             c.?securityContext.orValue({}))"
                .to_owned(),
        ),
        (
            "path",
            "variables.kind == 'cronjobs' ? 'spec.jobTemplate.spec.' : 'spec.'".to_owned(),
        ),
        ("more_of_job", written(&more_of_job())),
        ("more_of_pod", written(&more_of_pod())),
        ("more_of_containers", written(&more_of_containers())),
        ("more_volumes", written(&more_volumes())),
        ("more_permitted", written(&more_permitted())),
    ]
}

/// The rules.
pub(super) fn fence_jobs() -> Vec<Validation> {
    let none = |variable: &str, what: &str| {
        forbid_naming(
            &format!("variables.{variable}"),
            &format!("{REFUSAL}: {what}"),
            "is none of theirs",
        )
    };
    vec![
        none("more_of_job", "one pod per Job"),
        none(
            "more_of_pod",
            "nothing of the node, and no other service account",
        ),
        none(
            "more_of_containers",
            "no variables from Secrets, no ports, no devices",
        ),
        none(
            "more_volumes",
            "no files of the node, and claims only to read, except for a restore of files",
        ),
        none(
            "more_permitted",
            "not as root and with no more than Pod Security restricted allows",
        ),
        fence_deletions(),
    ]
}

/// A list that is empty where no Job is written.
fn written(list: &str) -> String {
    format!(
        "!(variables.kind in ['jobs', 'cronjobs']) || request.operation == 'DELETE' ? [] : {list}"
    )
}

/// The keys of a map that are not listed.
fn unlisted(map: &str, listed: &[&str]) -> String {
    format!("{map}.filter(k, !(k in {}))", quote_all(listed))
}

/// What is there although it must not be: `path` where `wrong` is true.
fn path_where(wrong: &str, path: &str) -> String {
    format!("({wrong} ? [variables.path + '{path}'] : [])")
}

fn more_of_job() -> String {
    [
        format!(
            "{}.map(k, variables.path + k)",
            unlisted("variables.job", JOB_FIELDS)
        ),
        path_where(
            "variables.job.?manualSelector.orValue(false)",
            "manualSelector",
        ),
        path_where("variables.job.?parallelism.orValue(1) > 1", "parallelism"),
        path_where("variables.job.?completions.orValue(1) > 1", "completions"),
    ]
    .join(" + ")
}

fn more_of_pod() -> String {
    [
        format!(
            "{}.map(k, variables.path + 'template.spec.' + k)",
            unlisted("variables.pod", POD_FIELDS)
        ),
        format!(
            "{}.map(k, variables.path + 'template.spec.dnsConfig.' + k)",
            unlisted("variables.pod.?dnsConfig.orValue({})", DNS_FIELDS)
        ),
        path_where(
            &format!(
                "variables.pod.?serviceAccountName.orValue('') != {}",
                quote(AGENT_SERVICE_ACCOUNT)
            ),
            "template.spec.serviceAccountName",
        ),
        path_where(
            "variables.pod.?dnsPolicy.orValue('ClusterFirst') != 'ClusterFirst'",
            "template.spec.dnsPolicy",
        ),
        path_where(
            "variables.pod.?schedulerName.orValue('default-scheduler') != 'default-scheduler'",
            "template.spec.schedulerName",
        ),
    ]
    .join(" + ")
}

fn more_of_containers() -> String {
    let fields = unlisted("c", CONTAINER_FIELDS);
    let sources = unlisted("e.valueFrom", VARIABLE_SOURCES);
    format!(
        "variables.containers.filter(c, {fields}.size() > 0).map(c, variables.path + \
         'template.spec.containers[' + c.name + '].' + {fields}.min()) + variables.containers.filter(c, \
         c.?env.orValue([]).exists(e, has(e.valueFrom) && {sources}.size() > 0)).map(c, variables.path \
         + 'template.spec.containers[' + c.name + '].env') + variables.containers.filter(c, c.name == \
         {server} ? c.?env.orValue([]).size() > 0 || !c.?volumeMounts.orValue([]).all(m, m.name in {mounts}) \
         : has(c.restartPolicy)).map(c, variables.path + 'template.spec.containers[' + c.name + ']')",
        server = quote(SERVER),
        mounts = quote_all(SERVER_MOUNTS),
    )
}

fn more_volumes() -> String {
    let has_one = |object: &str, sources: &[&str]| {
        let each = sources
            .iter()
            .map(|source| format!("has({object}.{source})"));
        each.collect::<Vec<_>>().join(" || ")
    };
    format!(
        "variables.pod.?volumes.orValue([]).filter(v, !({of_volume} || \
         v.?persistentVolumeClaim.?readOnly.orValue(false) || (has(v.persistentVolumeClaim) && v.name == \
         {restored} && {RESTORES_FILES}) || (has(v.ephemeral) && v.name == {server} && \
         {more}.size() == 0) || (has(v.projected) && v.projected.?sources.orValue([]).all(s, {of_projected} \
         || (has(s.serviceAccountToken) && s.serviceAccountToken.?audience.orValue('') == ''))))).map(v, \
         variables.path + 'template.spec.volumes[' + v.name + ']')",
        of_volume = has_one("v", VOLUME_SOURCES),
        of_projected = has_one("s", PROJECTED_SOURCES),
        more = unlisted(
            "v.ephemeral.?volumeClaimTemplate.?spec.orValue({})",
            SCRATCH_FIELDS
        ),
        server = quote(SERVER),
        restored = quote(RESTORED),
    )
}

fn more_permitted() -> String {
    let fields = unlisted("s", SECURITY_FIELDS);
    let is_restricted = format!(
        "variables.pod.?securityContext.?runAsNonRoot.orValue(false) && variables.contexts.all(s, \
         s.?runAsNonRoot.orValue(true) && s.?runAsUser.orValue(1) != 0 && s.?runAsGroup.orValue(1) != \
         0 && s.?fsGroup.orValue(1) != 0 && !s.?supplementalGroups.orValue([]).exists(g, g == 0) && \
         !s.?privileged.orValue(false) && s.?capabilities.?add.orValue([]).size() == 0 && \
         s.?seccompProfile.?type.orValue('RuntimeDefault') != 'Unconfined' && \
         s.?appArmorProfile.?type.orValue('RuntimeDefault') != 'Unconfined' && \
         s.?seLinuxOptions.?type.orValue('') in {} && s.?seLinuxOptions.?user.orValue('') == '' && \
         s.?seLinuxOptions.?role.orValue('') == '') && variables.containers.all(c, \
         !c.?securityContext.?allowPrivilegeEscalation.orValue(true))",
        quote_all(SELINUX_TYPES)
    );
    format!(
        "variables.contexts.filter(s, {fields}.size() > 0).map(s, variables.path + \
         'template.spec: securityContext.' + {fields}.min()) + {}",
        path_where(
            &format!("!({is_restricted})"),
            "template.spec: a value of a securityContext"
        )
    )
}

/// The first field of a Job or CronJob, as it is after admission, that the fence would refuse to the
/// operator: for whoever can't ask as the operator.
#[must_use]
pub fn field_of_no_agent(object: &Value) -> Option<String> {
    let (job, path) = match object.pointer("/spec/jobTemplate/spec") {
        Some(job) => (job, "spec.jobTemplate.spec"),
        None => (&object["spec"], "spec"),
    };
    let more = |fields: &Value, listed: &[&str], path: &str| {
        let mut fields = fields.as_object()?.keys();
        let more = fields.find(|field| !listed.contains(&field.as_str()))?;
        Some(format!("{path}.{more}"))
    };
    let pod = &job["template"]["spec"];
    let path_of_pod = format!("{path}.template.spec");
    let kinds = ["containers", "initContainers"];
    let containers = kinds
        .iter()
        .filter_map(|kind| pod[*kind].as_array())
        .flatten();
    let of_containers = containers.filter_map(|container| {
        let name = container["name"].as_str().unwrap_or_default();
        let path = format!("{path_of_pod}.containers[{name}]");
        more(container, CONTAINER_FIELDS, &path)
    });
    [
        more(job, JOB_FIELDS, path),
        more(pod, POD_FIELDS, &path_of_pod),
        more(
            &pod["dnsConfig"],
            DNS_FIELDS,
            &format!("{path_of_pod}.dnsConfig"),
        ),
    ]
    .into_iter()
    .flatten()
    .chain(of_containers)
    .next()
}

/// It deletes a Job whose agent has not begun, or has ended while its pod runs on, and the CronJob of
/// backups that nobody asks for any more.
fn fence_deletions() -> Validation {
    let label = |name: &str| {
        format!(
            "variables.old.metadata.?labels[?{}].orValue('')",
            quote(name)
        )
    };
    forbid_unless(
        format!(
            "!(variables.kind in ['jobs', 'cronjobs']) || request.operation != 'DELETE' || ({} == {} \
             && {} != '' && (variables.kind != 'jobs' || \
             variables.old.spec.template.spec.?serviceAccountName.orValue('') == {}))",
            label(MANAGED_BY_LABEL),
            quote(OPERATOR_MANAGER),
            label(DATABASE_LABEL),
            quote(AGENT_SERVICE_ACCOUNT),
        ),
        "Holdfast's operator deletes the Jobs and CronJobs of its agents and no others",
    )
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test that can't go on should say where"
    )]

    use std::collections::BTreeSet;

    use k8s_openapi::api::core::v1::{Container, PodSecurityContext, PodSpec, SecurityContext};
    use schemars::{JsonSchema, schema_for};
    use serde_json::json;

    use super::*;

    fn fields<T: JsonSchema>() -> BTreeSet<String> {
        let schema = schema_for!(T).to_value();
        schema["properties"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    }

    #[test]
    fn what_others_have_added_is_named() {
        let pod = |pod: Value| json!({"spec": {"template": {"spec": pod}}});
        let of_cron_job = |job: Value| json!({"spec": {"schedule": "", "jobTemplate": job}});
        let options = json!({"dnsConfig": {"options": [{"name": "ndots", "value": "1"}]}});
        for (object, named) in [
            (pod(json!({"restartPolicy": "Never"})), None),
            (pod(options.clone()), None),
            (of_cron_job(pod(options)), None),
            (
                pod(json!({"dnsConfig": {"nameservers": []}})),
                Some("spec.template.spec.dnsConfig.nameservers"),
            ),
            (
                of_cron_job(pod(json!({"hostAliases": [], "hostNetwork": true}))),
                Some("spec.jobTemplate.spec.template.spec.hostAliases"),
            ),
            (
                pod(json!({"initContainers": [{"name": "copy", "envFrom": []}]})),
                Some("spec.template.spec.containers[copy].envFrom"),
            ),
            (json!({"spec": {"managedBy": "x"}}), Some("spec.managedBy")),
        ] {
            assert_eq!(field_of_no_agent(&object).as_deref(), named, "{object}");
        }
    }

    /// Fields that Kubernetes adds are refused until somebody lists them; these here were thought of.
    #[test]
    fn what_is_dangerous_exists_and_is_not_listed() {
        let listed = [
            (
                fields::<PodSpec>(),
                POD_FIELDS,
                &[
                    "ephemeralContainers",
                    "hostAliases",
                    "hostIPC",
                    "hostNetwork",
                    "hostPID",
                    "nodeName",
                    "resourceClaims",
                    "shareProcessNamespace",
                    "hostname",
                    "subdomain",
                ][..],
            ),
            (
                fields::<Container>(),
                CONTAINER_FIELDS,
                &[
                    "envFrom",
                    "lifecycle",
                    "livenessProbe",
                    "ports",
                    "startupProbe",
                    "volumeDevices",
                ][..],
            ),
        ];
        for (all, allowed, dangerous) in listed {
            for field in dangerous {
                assert!(all.contains(*field) && !allowed.contains(field), "{field}");
            }
            for field in allowed {
                assert!(all.contains(*field), "{field} does not exist");
            }
        }
        let security: BTreeSet<String> = fields::<PodSecurityContext>()
            .union(&fields::<SecurityContext>())
            .cloned()
            .collect();
        for field in ["procMount", "sysctls", "windowsOptions"] {
            assert!(
                security.contains(field) && !SECURITY_FIELDS.contains(&field),
                "{field}"
            );
        }
        for field in SECURITY_FIELDS {
            assert!(security.contains(*field), "{field} does not exist");
        }
    }
}
