//! How the pods of agents are to be: the `agents` part of a `ProtectedDatabase`, and the defaults of
//! an installation, which have the same fields.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, AppArmorProfile, Capabilities, LocalObjectReference, SELinuxOptions, SeccompProfile,
    Toleration, TopologySpreadConstraint,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounded_schema::{annotations, bounded, labels, object_name, quantities};

/// What variables begin with that the agent itself, `pg_dump` or the loader goes by.
pub const RESERVED_VARIABLES: &[&str] =
    &["HOLDFAST_", "PG", "POSTGRES", "KUBERNETES_", "AWS_", "LD_"];
/// What labels and annotations begin with that Holdfast itself or the Job controller sets.
pub const RESERVED_KEYS: &[&str] = &["holdfast.dev/", "batch.kubernetes.io/"];
/// The resources of which an agent's containers may have an amount.
pub const AGENT_RESOURCES: &[&str] = &["cpu", "memory", "ephemeral-storage"];

/// The pods in which Holdfast checks and backs up. What is not set here is as the installation says
/// (value `agents` of the chart), then as in the database's own pod, then Holdfast's default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.assignedUser) || !self.assignedUser || \
    !has(self.securityContext) || !(has(self.securityContext.runAsUser) || \
    has(self.securityContext.runAsGroup) || has(self.securityContext.fsGroup))")
    .message("spec.agents.assignedUser leaves user and groups to the cluster; remove runAsUser, \
        runAsGroup and fsGroup from spec.agents.securityContext, or assignedUser"))]
pub struct Agents {
    /// Requests and limits of the agent's containers, in the units of Kubernetes (`500m`, `512Mi`).
    /// Default: requests of 10m CPU and 64Mi memory, a limit of 512Mi memory, for backups 768Mi. What
    /// you leave out keeps its default, unless a request would be above its limit: then it is the same
    /// as what you have set. A namespace with a `ResourceQuota` on `limits.cpu` needs `limits.cpu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<AgentResources>,
    /// Labels that a node must have. `kubernetes.io/os: linux` is always added. Default: those of the
    /// database's pod; `{}` for none. At most 32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "labels")]
    #[x_kube(validation = Rule::new("self.all(k, k.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?\
        [A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))")
        .message("spec.agents.nodeSelector: a key is a name of at most 63 letters, digits, - _ and ., after a \
            domain and a slash if there is one"))]
    #[x_kube(validation = Rule::new("!('kubernetes.io/os' in self) || self['kubernetes.io/os'] == \
        'linux'")
        .message("spec.agents.nodeSelector: agents run on Linux; remove kubernetes.io/os"))]
    pub node_selector: Option<BTreeMap<String, String>>,
    /// Taints of nodes that are tolerated, as in a pod (`kubectl explain pod.spec.tolerations`).
    /// Default: those of the database's pod; `[]` for none. At most 32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounded::<Vec<Toleration>>")]
    #[x_kube(validation = Rule::new("self.all(t, t.?operator.orValue('') == 'Exists' ? \
        t.?value.orValue('') == '' : t.?key.orValue('') != '')")
        .message("spec.agents.tolerations: with the operator Exists there is no value, and without a \
            key the operator is Exists"))]
    #[x_kube(validation = Rule::new("self.all(t, !has(t.tolerationSeconds) || \
        t.?effect.orValue('') == 'NoExecute')")
        .message("spec.agents.tolerations: tolerationSeconds needs the effect NoExecute"))]
    pub tolerations: Option<Vec<Toleration>>,
    /// Which nodes and which neighbours, as in a pod (`kubectl explain pod.spec.affinity`). Each list
    /// has at most 32 items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounded::<Affinity>")]
    pub affinity: Option<Affinity>,
    /// How agents are spread, as in a pod (`kubectl explain pod.spec.topologySpreadConstraints`). At
    /// most 32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounded::<Vec<TopologySpreadConstraint>>")]
    pub topology_spread_constraints: Option<Vec<TopologySpreadConstraint>>,
    /// Name of a PriorityClass. Default: that of the database's pod; `""` for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "object_name")]
    pub priority_class_name: Option<String>,
    /// Name of a RuntimeClass. Default: that of the database's pod; `""` for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "object_name")]
    pub runtime_class_name: Option<String>,
    /// Secrets of the namespace that images are pulled with, in addition to those of the
    /// installation and of the database's pod: an agent's pod pulls two images. At most 32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounded::<Vec<LocalObjectReference>>")]
    pub image_pull_secrets: Option<Vec<LocalObjectReference>>,
    /// Labels of Jobs, CronJob and pods, in addition to Holdfast's own and those of the installation.
    /// Use none by which a Service finds your database. At most 32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "labels")]
    #[x_kube(validation = Rule::new("self.all(k, k.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?\
        [A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))")
        .message("spec.agents.labels: a key is a name of at most 63 letters, digits, - _ and ., after a \
            domain and a slash if there is one"))]
    #[x_kube(validation = Rule::new("self.all(k, !k.startsWith('holdfast.dev/') && \
        !k.startsWith('batch.kubernetes.io/') && k != 'app.kubernetes.io/managed-by')")
        .message("spec.agents.labels: labels of holdfast.dev and of batch.kubernetes.io and \
            app.kubernetes.io/managed-by are set by Holdfast and by Kubernetes; use others"))]
    pub labels: Option<BTreeMap<String, String>>,
    /// Annotations of Jobs, CronJob and pods, in addition to Holdfast's own and those of the
    /// installation. Sidecars of Istio, Linkerd, Kuma and Consul are off; set their annotation or
    /// label to switch them on. At most 32, of at most 4096 characters each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "annotations")]
    #[x_kube(validation = Rule::new("self.all(k, k.lowerAscii().matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?\
        [A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))")
        .message("spec.agents.annotations: a key is a name of at most 63 letters, digits, - _ and ., after a \
            domain and a slash if there is one"))]
    #[x_kube(validation = Rule::new("self.all(k, !k.startsWith('holdfast.dev/') && \
        !k.startsWith('batch.kubernetes.io/'))")
        .message("spec.agents.annotations: annotations of holdfast.dev and of \
            batch.kubernetes.io are set by Holdfast and by Kubernetes; use others"))]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Further environment variables, such as `HTTPS_PROXY` and `NO_PROXY` for the bucket. No
    /// secrets: whoever may read Jobs can read them. At most 32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_owned()]))]
    #[x_kube(validation = Rule::new("self.all(v, !v.name.startsWith('HOLDFAST_') && \
        !v.name.startsWith('PG') && !v.name.startsWith('POSTGRES') && \
        !v.name.startsWith('KUBERNETES_') && !v.name.startsWith('AWS_') && \
        !v.name.startsWith('LD_') && v.name != 'PATH')")
        .message("spec.agents.env: PATH and names that begin with HOLDFAST_, PG, POSTGRES, \
            KUBERNETES_, AWS_ or LD_ are used by the agent itself; use others"))]
    pub env: Option<Vec<AgentVariable>>,
    /// Whether the cluster assigns users and groups, as OpenShift does from the range of the
    /// namespace: then agents have no `runAsUser`, `runAsGroup` and `fsGroup`, except those of
    /// `spec.verification.files`. Default: false, and agents run as 65532.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_user: Option<bool>,
    /// User, groups and profiles of the agent's pod. It never has more than Pod Security `restricted`
    /// allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_context: Option<AgentSecurityContext>,
}

/// Requests and limits of each of the agent's containers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[self.?requests.orValue({}), self.?limits.orValue({})].all(amounts, \
    amounts.all(k, k in ['cpu', 'memory', 'ephemeral-storage'] && \
    !string(amounts[k]).startsWith('-')))")
    .message("spec.agents.resources: agents use cpu, memory and ephemeral-storage, and amounts are 0 \
        or more"))]
#[x_kube(validation = Rule::new("!has(self.requests) || !has(self.limits) || self.requests.all(k, !(k \
    in self.limits) || !isQuantity(string(self.requests[k])) || \
    !isQuantity(string(self.limits[k])) || \
    quantity(string(self.requests[k])).compareTo(quantity(string(self.limits[k]))) <= 0)")
    .message("spec.agents.resources: a request is above its limit; raise the limit, or lower the \
        request"))]
pub struct AgentResources {
    /// What the scheduler reserves, by resource: `cpu` in cores or `m`, `memory` and
    /// `ephemeral-storage` in bytes, `Ki`, `Mi`, `Gi`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "quantities")]
    pub requests: BTreeMap<String, IntOrString>,
    /// What they may use at most, by resource, in the same units. A request is not above its limit.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "quantities")]
    pub limits: BTreeMap<String, IntOrString>,
}

/// A further environment variable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentVariable {
    /// Its name. At most 128 characters.
    #[schemars(length(max = 128), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: String,
    /// Its value, as it is: a dollar is a dollar. At most 4096 characters.
    #[serde(default)]
    #[schemars(length(max = 4096))]
    pub value: String,
}

/// User, groups and profiles of the agent's pod.
///
/// The fields that Pod Security `restricted` decides may be repeated here, and may not be weakened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.privileged) || !self.privileged")
    .message("spec.agents.securityContext.privileged: an agent is never privileged; remove it"))]
#[x_kube(validation = Rule::new("!has(self.allowPrivilegeEscalation) || \
    !self.allowPrivilegeEscalation")
    .message("spec.agents.securityContext.allowPrivilegeEscalation: an agent never gets more \
        privileges; remove it"))]
#[x_kube(validation = Rule::new("!has(self.runAsNonRoot) || self.runAsNonRoot")
    .message("spec.agents.securityContext.runAsNonRoot: an agent never runs as root; remove it"))]
#[x_kube(validation = Rule::new("!has(self.capabilities) || !has(self.capabilities.add) || \
    self.capabilities.add.size() == 0")
    .message("spec.agents.securityContext.capabilities: an agent has none; remove add"))]
#[x_kube(validation = Rule::new("!has(self.seccompProfile) || self.seccompProfile.type in \
    ['RuntimeDefault', 'Localhost']")
    .message("spec.agents.securityContext.seccompProfile: Pod Security restricted allows \
        RuntimeDefault and Localhost"))]
#[x_kube(validation = Rule::new("!has(self.appArmorProfile) || self.appArmorProfile.type in \
    ['RuntimeDefault', 'Localhost']")
    .message("spec.agents.securityContext.appArmorProfile: Pod Security restricted allows \
        RuntimeDefault and Localhost"))]
#[x_kube(validation = Rule::new("!has(self.seccompProfile) || (self.seccompProfile.type == 'Localhost') == \
    (self.seccompProfile.?localhostProfile.orValue('') != '')")
    .message("spec.agents.securityContext.seccompProfile: localhostProfile is there with the type \
        Localhost, and only then"))]
#[x_kube(validation = Rule::new("!has(self.appArmorProfile) || (self.appArmorProfile.type == 'Localhost') == \
    (self.appArmorProfile.?localhostProfile.orValue('') != '')")
    .message("spec.agents.securityContext.appArmorProfile: localhostProfile is there with the type \
        Localhost, and only then"))]
#[x_kube(validation = Rule::new("!has(self.seLinuxOptions) || (!has(self.seLinuxOptions.user) && \
    !has(self.seLinuxOptions.role) && (!has(self.seLinuxOptions.type) || self.seLinuxOptions.type in \
    ['container_t', 'container_init_t', 'container_kvm_t', 'container_engine_t']))")
    .message("spec.agents.securityContext.seLinuxOptions: Pod Security restricted allows a level, \
        and the types container_t, container_init_t, container_kvm_t and container_engine_t"))]
pub struct AgentSecurityContext {
    /// User of the agent, 1 to 4294967294. Default: 65532.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4_294_967_294_i64))]
    pub run_as_user: Option<i64>,
    /// Group of the agent, 1 to 4294967294. Default: 65532.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4_294_967_294_i64))]
    pub run_as_group: Option<i64>,
    /// Group of the mounted Secrets, 1 to 4294967294. Default: 65532. An agent that looks for files
    /// has none, because it would change the files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4_294_967_294_i64))]
    pub fs_group: Option<i64>,
    /// Further groups of the agent, such as one that may read the files of
    /// `spec.verification.files`. At most 32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), inner(range(min = 1, max = 4_294_967_294_i64)))]
    pub supplemental_groups: Option<Vec<i64>>,
    /// Which system calls are allowed: `RuntimeDefault` (default) or `Localhost`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounded::<SeccompProfile>")]
    pub seccomp_profile: Option<SeccompProfile>,
    /// AppArmor: `RuntimeDefault` or `Localhost`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounded::<AppArmorProfile>")]
    pub app_armor_profile: Option<AppArmorProfile>,
    /// SELinux: a level, or one of the types of containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounded::<SELinuxOptions>")]
    pub se_linux_options: Option<SELinuxOptions>,
    /// Always true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as_non_root: Option<bool>,
    /// Always false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privileged: Option<bool>,
    /// Always false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_privilege_escalation: Option<bool>,
    /// All are dropped, none is added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounded::<Capabilities>")]
    pub capabilities: Option<Capabilities>,
}

/// The first one over the second, key by key.
fn over<V: Clone>(
    upper: Option<&BTreeMap<String, V>>,
    lower: Option<&BTreeMap<String, V>>,
) -> Option<BTreeMap<String, V>> {
    let mut all = lower.cloned();
    if let Some(upper) = upper {
        all.get_or_insert_default().extend(
            upper
                .iter()
                .map(|(key, value)| (key.clone(), value.clone())),
        );
    }
    all
}

impl Agents {
    /// These wishes, and what they leave out as the defaults have it. Labels, annotations, variables
    /// and resources are merged by name, pull secrets added, everything else is taken whole.
    #[must_use]
    pub fn over(&self, defaults: &Self) -> Self {
        let quantities = |pick: fn(&AgentResources) -> &BTreeMap<String, IntOrString>| {
            let of = |agents: &'_ Self| agents.resources.as_ref().map(pick).cloned();
            over(of(self).as_ref(), of(defaults).as_ref()).unwrap_or_default()
        };
        let has_resources = self.resources.is_some() || defaults.resources.is_some();
        let mut env = self.env.clone().unwrap_or_default();
        for variable in defaults.env.iter().flatten() {
            if env.iter().all(|present| present.name != variable.name) {
                env.push(variable.clone());
            }
        }
        let mut secrets = self.image_pull_secrets.clone().unwrap_or_default();
        for secret in defaults.image_pull_secrets.iter().flatten() {
            if !secrets.contains(secret) {
                secrets.push(secret.clone());
            }
        }
        // A user that is set here is meant, also where the installation leaves it to the cluster.
        let security_context = self
            .security_context
            .clone()
            .or_else(|| defaults.security_context.clone());
        Self {
            resources: has_resources.then(|| AgentResources {
                requests: quantities(|resources| &resources.requests),
                limits: quantities(|resources| &resources.limits),
            }),
            node_selector: self
                .node_selector
                .clone()
                .or_else(|| defaults.node_selector.clone()),
            tolerations: self
                .tolerations
                .clone()
                .or_else(|| defaults.tolerations.clone()),
            affinity: self.affinity.clone().or_else(|| defaults.affinity.clone()),
            topology_spread_constraints: self
                .topology_spread_constraints
                .clone()
                .or_else(|| defaults.topology_spread_constraints.clone()),
            priority_class_name: self
                .priority_class_name
                .clone()
                .or_else(|| defaults.priority_class_name.clone()),
            runtime_class_name: self
                .runtime_class_name
                .clone()
                .or_else(|| defaults.runtime_class_name.clone()),
            image_pull_secrets: Some(secrets).filter(|secrets| !secrets.is_empty()),
            labels: over(self.labels.as_ref(), defaults.labels.as_ref()),
            annotations: over(self.annotations.as_ref(), defaults.annotations.as_ref()),
            env: Some(env).filter(|env| !env.is_empty()),
            assigned_user: self.assigned_user.or(defaults.assigned_user),
            security_context,
        }
    }
}
