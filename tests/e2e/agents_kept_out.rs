//! The pods of agents are kept out of the namespace: the condition says why in the words of Kubernetes,
//! and `kubectl holdfast check` says it before anybody needs them.

use holdfast::api::{ConditionStatus, ConditionType, reasons};
use kube::ResourceExt;
use serde_json::json;

use crate::data_lost::create_check;
use crate::support::{
    OPERATOR_NAMESPACE, Scene, Server, alone, assert_ran, assert_tells, beside_others,
    build_plain_database, holdfast, reinstall,
};

#[test]
fn a_quota_that_refuses_agents_is_in_the_condition_and_found_by_check() {
    beside_others("agents-quota", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        scene.settle().await;
        let check = format!("check -n {}", scene.namespace());
        assert_ran(
            &holdfast(scene, &check),
            0,
            &[
                "admission policies are in force",
                "the Job of the agent (check) would be admitted, tried as the operator",
                "the pod of the agent (check) would be admitted",
                "ClusterRoleBinding holdfast is for ServiceAccount holdfast-system/holdfast",
                "Deployment holdfast-system/holdfast is as this version installs it",
                "operator holdfast-system/holdfast works on it",
                "has the keys that agents need",
                "0 findings.",
            ],
        );
        assert_ran(
            &holdfast(scene, &format!("{check} --pre")),
            0,
            &[
                "ValidatingAdmissionPolicy v1 is served",
                "would be admitted",
            ],
        );

        refuse_all(scene, "none", "pods").await;
        let quota = "exceeded quota: none, requested: pods=1";
        assert_ran(&holdfast(scene, &check), 3, &[quota, "describe quota"]);
        assert_ran(&holdfast(scene, &format!("{check} --pre")), 3, &[quota]);

        let asked = create_check(scene).await.name_any();
        let message = scene
            .wait("the condition to say why", async || {
                let verified = scene.condition(ConditionType::DataVerified).await;
                if verified.message.contains("exceeded quota") {
                    Ok(verified.message)
                } else {
                    Err(verified.message)
                }
            })
            .await;
        assert_tells(
            &message,
            &[
                &format!("the check can't start: Job {asked} has no pod: \"forbidden:"),
                quota,
            ],
        );
    });
}

/// The Job itself is refused: the API server's words are in the condition, and `check` tries the Job too.
#[test]
fn a_quota_that_refuses_jobs_is_in_the_condition_in_the_words_of_the_api_server() {
    beside_others("agents-no-jobs", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        scene.settle().await;
        refuse_all(scene, "no-jobs", "count/jobs.batch").await;
        let quota = "exceeded quota: no-jobs";
        let check = format!("check -n {}", scene.namespace());
        assert_ran(
            &holdfast(scene, &check),
            3,
            &["the Job of the agent (check) would be refused", quota],
        );
        create_check(scene).await;
        let verified = scene
            .wait("the condition to quote the API server", async || {
                let verified = scene.condition(ConditionType::DataVerified).await;
                if verified.message.contains(quota) {
                    Ok(verified)
                } else {
                    Err(verified.message)
                }
            })
            .await;
        assert_tells(&verified.message, &["the API server refuses Job"]);
        scene.kubectl("delete quota no-jobs");
        scene.wait_green().await;
    });
}

/// Agents can't have their service account: guard and ledger do not wait for it.
#[test]
fn a_quota_that_refuses_the_agents_identity_keeps_nothing_else_from_being_written() {
    beside_others("agents-no-account", async |scene| {
        let resource = "count/rolebindings.rbac.authorization.k8s.io";
        refuse_all(scene, "small", resource).await;
        let server = Server::new(scene);
        server.start_filled(scene).await;
        scene.protect(&build_plain_database(scene, &server)).await;
        let quota = "exceeded quota: small";
        scene
            .wait_told(
                ConditionType::DataVerified,
                ConditionStatus::Unknown,
                reasons::AGENT_NOT_STARTED,
                &[quota],
            )
            .await;
        scene
            .wait_condition(
                ConditionType::Guarded,
                ConditionStatus::True,
                reasons::GUARDED,
            )
            .await;
        let remembered = scene.kubectl(&format!(
            "get dbledger {}.knowledge -o jsonpath={{.status.volumes[*].claim}}",
            scene.namespace()
        ));
        assert_eq!(remembered, server.claim());
        assert_ran(
            &holdfast(scene, &format!("check -n {}", scene.namespace())),
            3,
            &["the RoleBinding of the agents would be refused", quota],
        );
        scene.kubectl("delete quota small");
        scene.wait_green().await;
    });
}

/// What a webhook of others adds to a Job counts as the operator's own.
#[test]
fn what_others_add_to_jobs_is_admitted_if_it_can_not_hurt_and_named_if_it_can() {
    beside_others("agents-changed", async |scene| {
        let options = "{'options': [{'name': 'ndots', 'value': '1'}]}";
        let harmless = add_to_jobs(scene, "dnsConfig", options).await;
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        let added = scene.kubectl(
            "get jobs -o jsonpath={.items[*].spec.template.spec.dnsConfig.options[*].name}",
        );
        assert!(added.contains("ndots"), "{added}");
        scene.settle().await;
        scene.kubectl(&format!("delete mutatingadmissionpolicy {harmless}"));

        let harmful = add_to_jobs(scene, "hostAliases", "[{'ip': '10.0.0.1'}]").await;
        let named = "spec.template.spec.hostAliases";
        assert_ran(
            &holdfast(scene, &format!("check -n {}", scene.namespace())),
            3,
            &[named, "app.kubernetes.io/managed-by=holdfast"],
        );
        create_check(scene).await;
        let message = scene
            .wait("the condition to name the field", async || {
                let verified = scene.condition(ConditionType::DataVerified).await;
                if verified.message.contains(named) {
                    Ok(verified.message)
                } else {
                    Err(verified.message)
                }
            })
            .await;
        assert_tells(&message, &["app.kubernetes.io/managed-by=holdfast"]);
        scene.kubectl(&format!("delete mutatingadmissionpolicy {harmful}"));
        scene.wait_green().await;
    });
}

/// Adds a field to the pods of Jobs, scheduled ones too, of the namespace, as a webhook does. Returns the policy's
/// name.
async fn add_to_jobs(scene: &Scene, field: &str, value: &str) -> String {
    let name = format!("{}-{}", scene.namespace(), field.to_lowercase());
    let here = json!({"matchLabels": {"kubernetes.io/metadata.name": scene.namespace()}});
    let expression = format!(
        "[JSONPatch{{op: 'add', path: request.resource.resource == 'jobs' ? \
         '/spec/template/spec/{field}' : '/spec/jobTemplate/spec/template/spec/{field}', value: {value}}}]"
    );
    let object = |kind: &str, spec: serde_json::Value| {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name},
            "spec": spec,
        })
    };
    let rule = |resource: &str, operations: serde_json::Value| {
        json!({"apiGroups": ["batch"], "apiVersions": ["v1"], "resources": [resource],
            "operations": operations})
    };
    scene.apply(&[
        object(
            "MutatingAdmissionPolicy",
            json!({
                "matchConstraints": {"namespaceSelector": here, "resourceRules": [
                    rule("jobs", json!(["CREATE"])), rule("cronjobs", json!(["CREATE", "UPDATE"]))]},
                "reinvocationPolicy": "Never",
                "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}],
            }),
        ),
        object("MutatingAdmissionPolicyBinding", json!({"policyName": name})),
    ]);
    let trial = format!(
        "create job trial --image=any --dry-run=server -o jsonpath={{.spec.template.spec.{field}}}"
    );
    scene
        .wait("the policy to be in force", async || {
            match scene.try_kubectl(&trial) {
                Ok(added) if !added.is_empty() => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    name
}

/// An administrator may create what the Job controller may not, as with OpenShift's
/// `SecurityContextConstraints`.
#[test]
fn pods_are_tried_as_the_job_controller_creates_them() {
    beside_others("agents-pods", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        scene.settle().await;
        let check = format!("check -n {}", scene.namespace());
        let admitted =
            "the pod of the agent (check) would be admitted, tried as the Job controller";
        assert_ran(&holdfast(scene, &check), 0, &[admitted, "0 findings."]);

        let name = format!("{}-pods", scene.namespace());
        let here = json!({"matchLabels": {"kubernetes.io/metadata.name": scene.namespace()}});
        let controller = "system:serviceaccount:kube-system:job-controller";
        let object = |kind: &str, spec: serde_json::Value| {
            json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
                "metadata": {"name": name}, "spec": spec})
        };
        let pods = json!([{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"],
            "operations": ["CREATE"]}]);
        let nobody = json!([{"message": "no pods of Jobs here",
            "expression": format!("request.userInfo.username != '{controller}'")}]);
        scene.apply(&[
            object(
                "ValidatingAdmissionPolicy",
                json!({"matchConstraints": {"namespaceSelector": here, "resourceRules": pods},
                    "validations": nobody}),
            ),
            object(
                "ValidatingAdmissionPolicyBinding",
                json!({"policyName": name, "validationActions": ["Deny"]}),
            ),
        ]);
        scene
            .wait("the policy to be in force", async || {
                let said = holdfast(scene, &check).printed;
                if said.contains("no pods of Jobs here") {
                    Ok(())
                } else {
                    Err(said)
                }
            })
            .await;
        for words in [check.clone(), format!("{check} --pre")] {
            assert_ran(
                &holdfast(scene, &words),
                3,
                &[
                    "refused, tried as the Job controller",
                    "no pods of Jobs here",
                ],
            );
        }
        scene.kubectl(&format!("delete validatingadmissionpolicybinding {name}"));
    });
}

/// Each of these was called in order before.
#[test]
fn what_is_not_as_it_was_installed_is_found_and_its_command_keeps_the_settings() {
    alone("check-installed", async |scene| {
        let check = format!("check -n {}", scene.namespace());
        assert_ran(&holdfast(scene, &check), 0, &["0 findings."]);
        let operator = |words: &str| {
            let mut all = vec!["-n", OPERATOR_NAMESPACE];
            all.extend(words.split(' '));
            scene.testbed.kubectl(&all).expect("kubectl")
        };
        operator(
            "set env deployment/holdfast HOLDFAST_SELECTOR=shard=a HOLDFAST_KEPT_VOLUME_LIMIT=7",
        );
        operator("scale deployment/holdfast --replicas=0");
        operator("delete clusterrolebinding holdfast");
        assert_ran(
            &holdfast(scene, &check),
            3,
            &[
                "ClusterRoleBinding holdfast does not exist",
                "has no available pod",
                "--selector shard=a --kept-volume-limit 7",
                "spec.replicas is 0, not 1",
            ],
        );
        reinstall(scene.testbed);
        operator("set env deployment/holdfast HOLDFAST_SELECTOR- HOLDFAST_KEPT_VOLUME_LIMIT-");
        operator("rollout status deployment/holdfast --timeout=120s");
        assert_ran(&holdfast(scene, &check), 0, &["0 findings."]);
    });
}

/// No Job says why it does not exist: the CronJob controller writes an event, and nothing else.
#[test]
fn a_backup_whose_job_is_refused_is_said_in_the_words_of_kubernetes() {
    beside_others("backup-refused", async |scene| {
        let server = Server::new(scene);
        scene.protect_filled(&server).await;
        scene.settle().await;
        refuse_all(scene, "no-jobs", "count/jobs.batch").await;
        scene
            .change(json!({"spec": {"backup": {"schedule": "* * * * *"}}}))
            .await;
        let message = scene
            .wait("the condition to say why no backup begins", async || {
                let fresh = scene.condition(ConditionType::BackupFresh).await;
                if fresh.message.contains("has not begun") {
                    Ok(fresh.message)
                } else {
                    Err(fresh.message)
                }
            })
            .await;
        assert_tells(
            &message,
            &[
                "CronJob knowledge-backup: \"FailedCreate:",
                "exceeded quota: no-jobs",
            ],
        );

        // It is taken when the quota is gone, and nothing more is said.
        scene.kubectl("delete quota no-jobs");
        scene
            .wait("the next backup to begin", async || {
                let fresh = scene.condition(ConditionType::BackupFresh).await;
                if fresh.message.contains("has not begun") {
                    Err(fresh.message)
                } else {
                    Ok(())
                }
            })
            .await;
    });
}

/// A quota that leaves room for none of a resource.
async fn refuse_all(scene: &Scene, name: &str, resource: &str) {
    let none = json!({"apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": {"name": name, "namespace": scene.namespace()},
        "spec": {"hard": {resource: "0"}}});
    scene.apply(&[none]);
    scene
        .wait("the quota to count", async || {
            let counted = scene.kubectl(&format!("get quota {name} -o jsonpath={{.status.hard}}"));
            if counted.contains(resource) {
                Ok(())
            } else {
                Err(counted)
            }
        })
        .await;
}
