//! Agents in a namespace that asks something of pods: limits, labels, a node; and beside a sidecar that
//! runs on when the agent has ended.

use holdfast::api::names;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::support::{
    NAME, Scene, Server, assert_tells, beside_others, build_database, build_plain_database,
    write_file,
};

/// Also under Pod Security `restricted`, as in every test. A label on the only node in place of a taint,
/// which would keep the pods of all other tests waiting.
#[test]
fn agents_run_where_a_quota_wants_limits_a_policy_labels_and_only_one_node_will_do() {
    beside_others("agents-home", async |scene| {
        let server = Server::new(scene);
        server.start_filled(scene).await;
        let (label, policy) = (
            format!("holdfast.test/{}", scene.namespace()),
            Policy::new(scene),
        );
        scene.kubectl(&format!("label node --all {label}=here"));
        scene.kubectl("create quota compute --hard=limits.cpu=2,limits.memory=4Gi");
        policy.wait_in_force().await;
        let mut database = build_database(scene, &server);
        let agents = json!({
            "resources": {"limits": {"cpu": "500m"}}, "labels": {"team": "data"},
            "nodeSelector": {&label: "here"}, "env": [{"name": "NO_PROXY", "value": "*"}],
        });
        database.spec.agents = Some(serde_json::from_value(agents).expect("agents"));
        scene.protect(&database).await;
        scene.wait_green().await;

        let before = cron_job(scene).await;
        scene.settle().await;
        assert_eq!(
            cron_job(scene).await.metadata.resource_version,
            before.metadata.resource_version,
            "the CronJob is not written again and again"
        );
        assert_tells(
            &json!(before.spec.job_template).to_string(),
            &[
                r#""team":"data""#,
                r#""kubernetes.io/os":"linux""#,
                r#""cpu":"500m""#,
                &label,
            ],
        );
        policy.delete();
        scene.kubectl(&format!("label node --all {label}-"));
    });
}

/// By such an annotation a cloud gives pods a role, in place of an access key in a Secret.
#[test]
fn annotations_of_the_agents_service_account_stay_when_their_identity_is_written_again() {
    beside_others("agents-role", async |scene| {
        let server = Server::new(scene);
        server.start_filled(scene).await;
        scene.protect(&build_plain_database(scene, &server)).await;
        scene.wait_verified().await;
        let account = names::AGENT_SERVICE_ACCOUNT;
        scene.kubectl(&format!(
            "annotate serviceaccount {account} eks.amazonaws.com/role-arn=arn:aws:iam::1:role/backup"
        ));
        let before = scene.get::<RoleBinding>(account).await;
        scene.kubectl(&format!("delete rolebinding {account}"));
        // Nobody watches bindings: the next pass sees to them, which comes before each Job, and after a change.
        scene.kubectl("annotate protecteddatabase knowledge test.invalid/look=again");
        scene
            .wait("the operator to write the identity again", async || {
                let found = scene.api::<RoleBinding>().get_opt(account).await;
                let found = found
                    .map_err(|error| error.to_string())?
                    .ok_or("none yet")?;
                if found.metadata.uid == before.metadata.uid {
                    return Err("it is still the old one".to_owned());
                }
                Ok(())
            })
            .await;
        let kept = scene.get::<ServiceAccount>(account).await;
        assert_eq!(
            kept.metadata.annotations.unwrap_or_default()["eks.amazonaws.com/role-arn"],
            "arn:aws:iam::1:role/backup"
        );
    });
}

/// What the API server makes of a pod, or why it refuses it; nothing is stored.
fn probe(scene: &Scene, labels: &Value) -> Result<String, String> {
    let restricted = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "probe", "namespace": scene.namespace(), "labels": labels},
        "spec": {
            "securityContext": {"runAsNonRoot": true, "runAsUser": 1, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "probe", "image": "any", "securityContext": restricted}],
        },
    });
    let file = write_file(&pod.to_string());
    scene.try_kubectl(&format!(
        "create --dry-run=server -o yaml -f {}",
        file.path().display()
    ))
}

async fn cron_job(scene: &Scene) -> CronJob {
    scene.get(&names::backup_cron_job(NAME)).await
}

/// A policy that wants the label `team` on every pod of the namespace.
struct Policy<'a> {
    scene: &'a Scene,
    name: String,
}

impl<'a> Policy<'a> {
    fn new(scene: &'a Scene) -> Self {
        let name = format!("{}-labels", scene.namespace());
        let here = json!({"matchLabels": {"kubernetes.io/metadata.name": scene.namespace()}});
        let pods = json!([{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}]);
        let rule = json!({"expression": "has(object.metadata.labels) && 'team' in object.metadata.labels", "message": "no team"});
        scene.apply(&[
            json!({
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
                "metadata": {"name": name},
                "spec": {"matchConstraints": {"namespaceSelector": here, "resourceRules": pods}, "validations": [rule]},
            }),
            json!({
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
                "metadata": {"name": name},
                "spec": {"policyName": name, "validationActions": ["Deny"]},
            }),
        ]);
        Self { scene, name }
    }

    async fn wait_in_force(&self) {
        let scene = self.scene;
        scene
            .wait("the policy to be in force", async || {
                match probe(scene, &json!({})) {
                    Err(refusal) if refusal.contains("no team") => Ok(()),
                    other => Err(format!("{other:?}")),
                }
            })
            .await;
    }

    fn delete(&self) {
        let name = &self.name;
        self.scene.kubectl(&format!(
            "delete validatingadmissionpolicybinding,validatingadmissionpolicy {name}"
        ));
    }
}

/// The sidecar is put into the pod by admission, as a service mesh does.
#[test]
fn a_job_whose_sidecar_runs_on_is_ended_when_its_agent_has_reported() {
    beside_others("agents-sidecar", async |scene| {
        let server = Server::new(scene);
        server.start_filled(scene).await;
        let name = inject_sidecars(scene, &server);
        scene
            .wait("sidecars to be injected", async || {
                let pod = probe(scene, &json!({names::TASK_LABEL: "check"}));
                let pod = pod.unwrap_or_else(|refusal| refusal);
                pod.contains("name: sidecar").then_some(()).ok_or(pod)
            })
            .await;
        scene.protect(&build_plain_database(scene, &server)).await;
        scene.wait_green().await;
        let jobs = scene.agent_jobs("check").await;
        assert_eq!(jobs.len(), 1, "it runs on, with its report taken: {jobs:?}");
        scene
            .wait("the Job to be ended", async || {
                let jobs = scene.api::<Job>().list(&ListParams::default()).await;
                let jobs = jobs.map_err(|error| error.to_string())?.items;
                if jobs.is_empty() {
                    Ok(())
                } else {
                    Err(format!("{} Jobs", jobs.len()))
                }
            })
            .await;
        assert_eq!(
            scene.checks_but_of_backups().await.len(),
            1,
            "nothing was checked again"
        );
        for kind in ["mutatingadmissionpolicybinding", "mutatingadmissionpolicy"] {
            scene.kubectl(&format!("delete {kind} {name}"));
        }
    });
}

/// Adds a container that runs on to every pod of agents in the namespace. Returns the policy's name.
fn inject_sidecars(scene: &Scene, server: &Server) -> String {
    let name = format!("{}-sidecar", scene.namespace());
    let here = json!({"matchLabels": {"kubernetes.io/metadata.name": scene.namespace()}});
    let agents = json!({"matchExpressions": [{"key": names::TASK_LABEL, "operator": "Exists"}]});
    let pods = json!([{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}]);
    let container = format!(
        "Object.spec.containers{{name: 'sidecar', image: '{}', imagePullPolicy: 'IfNotPresent', command: \
         ['sleep', '600'], securityContext: Object.spec.containers.securityContext{{\
         allowPrivilegeEscalation: false, capabilities: \
         Object.spec.containers.securityContext.capabilities{{drop: ['ALL']}}}}}}",
        server.image
    );
    let expression =
        format!("[JSONPatch{{op: 'add', path: '/spec/containers/-', value: {container}}}]");
    let object = |kind: &str, spec: Value| {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name},
            "spec": spec,
        })
    };
    scene.apply(&[
        object(
            "MutatingAdmissionPolicy",
            json!({
                "matchConstraints": {"namespaceSelector": here, "objectSelector": agents, "resourceRules": pods},
                "reinvocationPolicy": "Never",
                "mutations": [{
                    "patchType": "JSONPatch", "jsonPatch": {"expression": expression},
                }],
            }),
        ),
        object("MutatingAdmissionPolicyBinding", json!({"policyName": name})),
    ]);
    name
}

/// As the `SecurityContextConstraints` `restricted-v2` of OpenShift do: a user of the namespace's range is
/// assigned, and any other is refused.
#[test]
fn agents_run_where_the_cluster_assigns_users_and_refuses_fixed_ones() {
    beside_others("agents-assigned", async |scene| {
        let server = Server::new(scene);
        server.start_filled(scene).await;
        let name = assign_users(scene);
        let tried = |user: &Value| {
            let restricted =
                json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
            let mut context =
                json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
            if user.is_number() {
                context["runAsUser"] = user.clone();
            }
            let file = write_file(&json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {
                    "name": "probe", "namespace": scene.namespace(), "labels": {names::TASK_LABEL: "check"},
                },
                "spec": {
                    "securityContext": context,
                    "containers": [{"name": "probe", "image": "any", "securityContext": restricted}],
                },
            }).to_string());
            scene.try_kubectl(&format!(
                "create --dry-run=server -o yaml -f {}",
                file.path().display()
            ))
        };
        scene
            .wait(
                "fixed users to be refused and others to be assigned",
                async || {
                    let (fixed, assigned) = (tried(&json!(65532)), tried(&Value::Null));
                    match (&fixed, &assigned) {
                        (Err(refusal), Ok(pod))
                            if refusal.contains("no fixed user") && pod.contains(ASSIGNED) =>
                        {
                            Ok(())
                        }
                        other => Err(format!("{other:?}")),
                    }
                },
            )
            .await;
        let mut database = build_database(scene, &server);
        let agents = json!({"assignedUser": true});
        database.spec.agents = Some(serde_json::from_value(agents).expect("agents"));
        scene.protect(&database).await;
        scene.wait_green().await;
        for kind in ["mutatingadmissionpolicy", "validatingadmissionpolicy"] {
            scene.kubectl(&format!("delete {kind}binding,{kind} {name}"));
        }
    });
}

/// A user of the range that the policies give to the namespace.
const ASSIGNED: &str = "1000650000";

/// Assigns a user to every pod of agents that has none, and refuses those that have another. Returns the
/// policies' name.
fn assign_users(scene: &Scene) -> String {
    let name = format!("{}-users", scene.namespace());
    let here = json!({"matchLabels": {"kubernetes.io/metadata.name": scene.namespace()}});
    let agents = json!({"matchExpressions": [{"key": names::TASK_LABEL, "operator": "Exists"}]});
    let pods = json!([{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}]);
    let constraints =
        json!({"namespaceSelector": here, "objectSelector": agents, "resourceRules": pods});
    let assigned = format!(
        "!has(object.spec.securityContext.runAsUser) ? Object{{spec: Object.spec{{securityContext: \
         Object.spec.securityContext{{runAsUser: {ASSIGNED}, runAsGroup: {ASSIGNED}, fsGroup: \
         {ASSIGNED}}}}}}} : Object{{}}"
    );
    let is_assigned = |field: &str| {
        format!("variables.contexts.all(c, !has(c.{field}) || c.{field} == {ASSIGNED})")
    };
    let contexts = "[variables.pod.?securityContext.orValue({})] + (variables.pod.containers + \
        variables.pod.?initContainers.orValue([])).map(c, c.?securityContext.orValue({}))";
    let object = |kind: &str, spec: Value| {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name},
            "spec": spec,
        })
    };
    let rules: Vec<Value> = ["runAsUser", "runAsGroup", "fsGroup"]
        .map(|field| json!({"expression": is_assigned(field), "message": "no fixed user"}))
        .into();
    scene.apply(&[
        object(
            "MutatingAdmissionPolicy",
            json!({
                "matchConstraints": constraints, "reinvocationPolicy": "Never",
                "mutations": [{
                    "patchType": "ApplyConfiguration", "applyConfiguration": {"expression": assigned},
                }],
            }),
        ),
        object("MutatingAdmissionPolicyBinding", json!({"policyName": name})),
        object(
            "ValidatingAdmissionPolicy",
            json!({
                "matchConstraints": constraints,
                "variables": [
                    {"name": "pod", "expression": "dyn(object).spec"},
                    {"name": "contexts", "expression": contexts},
                ],
                "validations": rules,
            }),
        ),
        object(
            "ValidatingAdmissionPolicyBinding",
            json!({"policyName": name, "validationActions": ["Deny"]}),
        ),
    ]);
    name
}

/// What the API server would refuse in each pod is refused where it is written, by its field.
#[test]
fn what_no_pod_can_be_is_refused_in_the_spec() {
    beside_others("agents-invalid", async |scene| {
        let server = Server::new(scene);
        for (agents, said) in [
            (
                json!({"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}),
                "a request is above its limit",
            ),
            (
                json!({"resources": {"requests": {"memory": "1Gi"}, "limits": {"memory": 1024}}}),
                "a request is above its limit",
            ),
            (
                json!({"resources": {"limits": {"cpu": -1}}}),
                "amounts are 0",
            ),
            (
                json!({"resources": {"limits": {"cpus": 1}}}),
                "agents use cpu",
            ),
            (
                json!({"resources": {"limits": {"cpu": "one"}}}),
                "resources.limits",
            ),
            (json!({"labels": {"team": "a b"}}), "labels.team"),
            (json!({"labels": {"a b": "x"}}), "spec.agents.labels"),
            (
                json!({"annotations": {"a b": "x"}}),
                "spec.agents.annotations",
            ),
            (
                json!({"nodeSelector": {"-a": "x"}}),
                "spec.agents.nodeSelector",
            ),
            (
                json!({"tolerations": [{"operator": "Sometimes"}]}),
                "tolerations[0].operator",
            ),
            (
                json!({"tolerations": [{"key": "a", "effect": "Never"}]}),
                "tolerations[0].effect",
            ),
            (
                json!({"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}),
                "spec.agents.tolerations",
            ),
            (
                json!({"tolerations": [{"value": "b"}]}),
                "spec.agents.tolerations",
            ),
            (
                json!({"tolerations": [{"key": "a", "tolerationSeconds": 5}]}),
                "tolerationSeconds needs",
            ),
            (json!({"priorityClassName": "A b"}), "priorityClassName"),
            (
                json!({"imagePullSecrets": [{"name": "A b"}]}),
                "imagePullSecrets[0].name",
            ),
            (
                json!({"topologySpreadConstraints": [{
                    "maxSkew": 0, "topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule",
                }]}),
                "maxSkew",
            ),
            (
                json!({"securityContext": {"seccompProfile": {"type": "Localhost"}}}),
                "localhostProfile",
            ),
        ] {
            let mut database = json!(build_plain_database(scene, &server));
            database["apiVersion"] = "holdfast.dev/v1alpha1".into();
            database["kind"] = "ProtectedDatabase".into();
            database["spec"]["agents"] = agents.clone();
            let file = write_file(&database.to_string());
            let create = format!("create --dry-run=server -f {}", file.path().display());
            assert_tells(&scene.refused(&create), &[said]);
        }
    });
}
