//! The Helm chart and the generated manifest, as the API server and helm see them. The chart's real
//! installation is in `whole_cluster`.

use std::collections::BTreeSet;

use holdfast::api::names;
use serde_json::{Value, json};

use crate::support::{OPERATOR_NAMESPACE, Scene, assert_tells, beside_others, write_file};

/// The chart, from the root of the checkout.
pub const CHART: &str = "charts/holdfast";

#[test]
fn the_chart_passes_helm_lint_and_the_api_server_accepts_what_it_renders() {
    beside_others("chart", async |scene| {
        helm(scene, &format!("lint --strict {CHART}"));
        let rendered = helm(
            scene,
            &format!(
                "template holdfast {CHART} --namespace {}",
                scene.namespace()
            ),
        );
        assert!(
            rendered.contains("kind: ValidatingAdmissionPolicy")
                && rendered.contains("kind: CustomResourceDefinition")
        );
        let file = write_file(&rendered);
        scene.kubectl(&format!(
            "apply --server-side --force-conflicts --dry-run=server -f {}",
            file.path().display()
        ));
    });
}

#[test]
fn the_generated_manifest_is_accepted_by_the_api_server() {
    beside_others("manifest", async |scene| {
        let manifest = scene.testbed.layout().root().join("deploy/install.yaml");
        // Its objects name their own namespace.
        let words = [
            "apply",
            "--server-side",
            "--force-conflicts",
            "--dry-run=server",
            "-f",
            &manifest.display().to_string(),
        ];
        let printed = scene.testbed.kubectl(&words).expect("an accepted manifest");
        assert!(
            printed.contains("deployment.apps/holdfast serverside-applied (server dry run)"),
            "{printed}"
        );
    });
}

#[test]
fn a_webhook_and_monitoring_are_there_when_they_are_asked_for() {
    beside_others("chart-notice", async |scene| {
        let namespace = scene.namespace();
        let plain = helm(
            scene,
            &format!("template holdfast {CHART} --namespace {namespace}"),
        );
        assert!(
            !plain.contains("WEBHOOK") && !plain.contains("monitoring.coreos.com"),
            "{plain}"
        );
        let values = "--set webhook.secretName=hook,webhook.key=address --set \
            prometheusRule.enabled=true,podMonitor.enabled=true";
        let labels = "--set prometheusRule.labels.release=prometheus";
        let rendered = helm(
            scene,
            &format!("template holdfast {CHART} --namespace {namespace} {values} {labels}"),
        );
        assert_tells(
            &rendered,
            &[
                "kind: PrometheusRule",
                "kind: PodMonitor",
                "release: prometheus",
                "absent(holdfast_passes_total)",
            ],
        );

        let operator = helm(
            scene,
            &format!(
                "template holdfast {CHART} --namespace {namespace} {values} --show-only \
                 templates/operator.yaml"
            ),
        );
        let file = write_file(&operator);
        let accepted = scene.kubectl(&format!(
            "apply --server-side --dry-run=server -o yaml -f {}",
            file.path().display()
        ));
        assert_tells(
            &accepted,
            &[
                "HOLDFAST_WEBHOOK_URL_FILE",
                "secretName: hook",
                "key: address",
                "mountPath: /etc/holdfast/webhook",
            ],
        );
    });
}

/// Each role that can be left out goes with its binding and nothing else, and is there where a release from
/// before has no such value.
#[test]
fn each_role_that_can_be_left_out_is_left_out_by_its_value() {
    beside_others("chart-roles", async |scene| {
        let roles = |values: &str| -> BTreeSet<String> {
            let words =
                format!("template holdfast {CHART} --show-only templates/access.yaml{values}");
            let rendered = helm(scene, &words);
            let file = write_file(&rendered);
            scene.kubectl(&format!(
                "apply --server-side --force-conflicts --dry-run=server -f {}",
                file.path().display()
            ));
            let mut kind = "";
            let mut found = BTreeSet::new();
            for line in rendered.lines() {
                if let Some(named) = line.strip_prefix("kind: ") {
                    kind = named;
                } else if let Some(name) = line.strip_prefix("  name: holdfast") {
                    found.insert(format!("{kind} holdfast{name}"));
                }
            }
            found
        };
        let all = roles("");
        assert_eq!(roles(" --set roles=null"), all);
        for value in ["restore", "gate", "repair"] {
            let left = roles(&format!(" --set roles.{value}=false"));
            let without: Vec<&String> = all.difference(&left).collect();
            let (role, binding) = (
                format!("ClusterRole holdfast-{value}"),
                format!("ClusterRoleBinding holdfast-{value}"),
            );
            assert_eq!(without, [&role, &binding]);
            assert_eq!(left.difference(&all).count(), 0);
        }
        let none = " --set roles.restore=false,roles.gate=false,roles.repair=false";
        assert_eq!(roles(none).len(), all.len() - 6);
    });
}

/// The operator reads the defaults as they were written, without users where the cluster assigns them.
#[test]
fn defaults_for_agents_and_network_policies_are_there_when_they_are_asked_for() {
    beside_others("chart-agents", async |scene| {
        let namespace = scene.namespace();
        let render = |values: &str| {
            let words = format!("template holdfast {CHART} --namespace {namespace}{values}");
            helm(scene, &words)
        };
        let plain = render("");
        assert!(!plain.contains("kind: NetworkPolicy"), "{plain}");
        assert_tells(&plain, &["runAsUser: 65532", r#"value: "{}""#]);
        let operator = render(
            " --show-only templates/operator.yaml --set-json \
             agents={\"assignedUser\":true,\"env\":[{\"name\":\"A\",\"value\":\"$(B)\"}]}",
        );
        assert!(!operator.contains("runAsUser"), "{operator}");
        assert_tells(
            &operator,
            &["runAsNonRoot: true", "HOLDFAST_AGENTS", "$$(B)"],
        );
        let policies = render(&format!(
            " --show-only templates/network-policies.yaml --set networkPolicies.enabled=true --set \
             networkPolicies.namespaces={{{namespace}}} --set \
             networkPolicies.ingressDeniedNamespaces={{{namespace}}}"
        ));
        for rendered in [operator, policies] {
            let file = write_file(&rendered);
            scene.kubectl(&format!(
                "apply --server-side --dry-run=server -f {}",
                file.path().display()
            ));
        }
    });
}

/// Under a policy that wants a label the operator has a pod with it, and without it has none.
#[test]
fn the_operators_own_pod_is_what_the_values_say_and_a_label_policy_lets_it_in() {
    beside_others("chart-operator", async |scene| {
        let namespace = scene.namespace();
        let wants = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": namespace},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                    "resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"],
                        "operations": ["CREATE"], "resources": ["pods"]}],
                },
                "validations": [{
                    "expression": "'team' in object.metadata.?labels.orValue({})",
                    "message": "label team is missing",
                }],
            },
        });
        let binding = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": namespace},
            "spec": {"policyName": namespace, "validationActions": ["Deny"]},
        });
        scene.apply(&[wants, binding]);
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "holdfast", "namespace": namespace}});
        scene.apply(&[account]);
        let pod = |values: &str| -> (Value, String) {
            let rendered = helm(
                scene,
                &format!(
                    "template holdfast {CHART} --namespace {namespace} --show-only \
                     templates/operator.yaml{values}"
                ),
            );
            let file = write_file(&rendered);
            scene.kubectl(&format!(
                "apply --server-side --dry-run=server -f {}",
                file.path().display()
            ));
            let read = scene.kubectl(&format!(
                "create --dry-run=client -o json -f {}",
                file.path().display()
            ));
            let deployment = serde_json::Deserializer::from_str(&read)
                .into_iter::<Value>()
                .map(|object| object.expect("JSON"))
                .flat_map(|object| match object["items"].as_array() {
                    Some(items) => items.clone(),
                    None => vec![object],
                })
                .find(|object| object["kind"] == "Deployment")
                .expect("a Deployment");
            let mut pod = deployment["spec"]["template"].clone();
            pod["apiVersion"] = "v1".into();
            pod["kind"] = "Pod".into();
            pod["metadata"]["name"] = "operator".into();
            pod["metadata"]["namespace"] = namespace.into();
            let file = write_file(&pod.to_string());
            let words = format!("create --dry-run=server -f {}", file.path().display());
            (pod, scene.try_kubectl(&words).err().unwrap_or_default())
        };
        scene
            .wait("the policy to refuse", async || {
                let (plain, refused) = pod("");
                assert_eq!(
                    plain["spec"]["nodeSelector"],
                    json!({"kubernetes.io/os": "linux"})
                );
                if refused.contains("label team is missing") {
                    Ok(())
                } else {
                    Err(refused)
                }
            })
            .await;
        for values in [
            " --set labels.team=data",
            " --set operator.podLabels.team=data",
        ] {
            assert_eq!(pod(values).1, "", "{values}");
        }
        let (full, refused) = pod(
            " --set operator.podLabels.team=data,operator.podAnnotations.note=x --set \
             operator.imagePullSecrets[0].name=registry,operator.nodeSelector.pool=infra --set \
             operator.tolerations[0].operator=Exists,operator.priorityClassName=system-cluster-critical \
             --set operator.nodeSelector.kubernetes\\.io/os=linux",
        );
        assert!(!refused.contains("label team"), "{refused}");
        assert_eq!(full["spec"]["imagePullSecrets"][0]["name"], "registry");
        assert_eq!(
            full["spec"]["nodeSelector"],
            json!({"kubernetes.io/os": "linux", "pool": "infra"})
        );
        assert_eq!(full["spec"]["tolerations"][0]["operator"], "Exists");
        assert_eq!(full["spec"]["priorityClassName"], "system-cluster-critical");
        assert_eq!(full["metadata"]["annotations"]["note"], "x");
        scene.kubectl(&format!(
            "delete validatingadmissionpolicybinding,validatingadmissionpolicy {namespace}"
        ));
    });
}

/// Each flow of the table in docs/agents.md is in a policy, and nothing else is.
#[test]
fn the_network_policies_permit_the_flows_of_the_page_and_nothing_else() {
    beside_others("chart-flows", async |scene| {
        let namespace = scene.namespace();
        let rendered = helm(
            scene,
            &format!(
                "template holdfast {CHART} --namespace {namespace} --show-only \
                 templates/network-policies.yaml --set networkPolicies.enabled=true --set \
                 networkPolicies.namespaces={{{namespace}}} --set \
                 networkPolicies.ingressDeniedNamespaces={{{namespace}}}"
            ),
        );
        let file = write_file(&rendered);
        let read = scene.kubectl(&format!(
            "create --dry-run=client -o json -f {}",
            file.path().display()
        ));
        let policies: Vec<Value> = serde_json::Deserializer::from_str(&read)
            .into_iter::<Value>()
            .map(|policy| policy.expect("JSON"))
            .flat_map(|policy| match policy["items"].as_array() {
                Some(items) => items.clone(),
                None => vec![policy],
            })
            .collect();
        let flows = |name: &str, direction: &str| -> BTreeSet<String> {
            let policy = policies
                .iter()
                .find(|policy| policy["metadata"]["name"] == name);
            let rules = policy.expect(name)["spec"][direction].as_array().cloned();
            let rules = rules.into_iter().flatten();
            let ports =
                rules.flat_map(|rule| rule["ports"].as_array().cloned().unwrap_or_default());
            ports
                .map(|port| {
                    format!(
                        "{} {}",
                        port["port"],
                        port["protocol"].as_str().unwrap_or("")
                    )
                })
                .collect()
        };
        let set = |ports: &[&str]| ports.iter().map(|port| (*port).to_owned()).collect();
        let dns = ["53 UDP", "53 TCP", "5353 UDP", "5353 TCP"];
        let outward: BTreeSet<String> =
            set(&[&dns[..], &["443 TCP", "6443 TCP", "9093 TCP"]].concat());
        assert_eq!(flows("holdfast-operator", "egress"), outward);
        assert_eq!(flows("holdfast-operator", "ingress"), set(&["8080 TCP"]));
        let agents: BTreeSet<String> =
            set(&[&dns[..], &["5432 TCP", "443 TCP", "6443 TCP"]].concat());
        assert_eq!(flows("holdfast-agents", "egress"), agents);
        assert_eq!(flows("holdfast-agents", "ingress"), set(&[]));
        assert_eq!(
            flows("holdfast-agents-to-databases", "ingress"),
            set(&["5432 TCP"])
        );
        assert_eq!(policies.len(), 3);
        // A policy that refuses everything else must select the agents by labels that they have.
        let agents = policies
            .iter()
            .find(|policy| policy["metadata"]["name"] == "holdfast-agents");
        let selector = &agents.expect("a policy")["spec"]["podSelector"];
        assert_eq!(
            selector["matchLabels"][names::MANAGED_BY_LABEL],
            names::OPERATOR_MANAGER
        );
        assert_eq!(selector["matchExpressions"][0]["key"], names::TASK_LABEL);
        let page = std::fs::read_to_string(scene.testbed.layout().root().join("docs/agents.md"))
            .expect("the page");
        for port in ["8080", "443, 6443", "443, 9093", "53 and 5353", "5432"] {
            assert!(page.contains(port), "docs/agents.md does not name {port}");
        }
    });
}

/// The chart's schema refuses what the operator would not start with.
#[test]
fn the_charts_schema_refuses_agents_that_no_pod_can_be() {
    beside_others("chart-values", async |scene| {
        for (agents, said) in [
            (r#"{"labels":{"a_b/c/d":"x"}}"#, "a_b/c/d"),
            (r#"{"labels":{"holdfast.dev/x":"x"}}"#, "holdfast.dev/x"),
            (r#"{"tolerations":[{"operator":"Sometimes"}]}"#, "operator"),
            (r#"{"resources":{"limits":{"cpu":"one"}}}"#, "cpu"),
            (r#"{"resources":{"limit":{"cpu":"1"}}}"#, "limit"),
            (r#"{"securityContext":{"privileged":true}}"#, "privileged"),
            (r#"{"env":[{"name":"PGHOST","value":"x"}]}"#, "env"),
            (
                r#"{"assignedUser":true,"securityContext":{"runAsUser":7}}"#,
                "securityContext",
            ),
        ] {
            let mut command = scene.testbed.command("helm").expect("helm");
            let output = command
                .args(["template", "holdfast", CHART, "--set-json"])
                .arg(format!("agents={agents}"))
                .current_dir(scene.testbed.layout().root())
                .output()
                .expect("helm");
            let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success(), "{agents} was accepted");
            assert_tells(&complaint, &[said]);
        }
        let good = r#"{"resources":{"limits":{"cpu":1,"memory":"1Gi"}},"labels":{"a.b/c":"x"},"tolerations":[{"operator":"Exists"}]}"#;
        let words = format!("template holdfast {CHART} --set-json agents={good}");
        assert_tells(&helm(scene, &words), &["HOLDFAST_AGENTS"]);
    });
}

#[test]
fn the_patch_for_a_webhook_fits_the_installed_operator() {
    beside_others("webhook-patch", async |scene| {
        let patch = scene
            .testbed
            .layout()
            .root()
            .join("deploy/webhook-patch.yaml")
            .display()
            .to_string();
        let words = [
            "-n",
            OPERATOR_NAMESPACE,
            "patch",
            "deployment",
            "holdfast",
            "--patch-file",
            &patch,
            "--dry-run=server",
            "-o",
            "yaml",
        ];
        let patched = scene.testbed.kubectl(&words).expect("an accepted patch");
        assert_tells(
            &patched,
            &[
                "HOLDFAST_WEBHOOK_URL_FILE",
                "secretName: holdfast-webhook",
                "HOLDFAST_AGENT_IMAGE",
            ],
        );
    });
}

/// Runs helm at the root of the checkout.
pub fn helm(scene: &Scene, words: &str) -> String {
    let mut command = scene.testbed.command("helm").expect("helm");
    let output = command
        .args(words.split(' '))
        .current_dir(scene.testbed.layout().root())
        .output()
        .expect("helm");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "helm {words}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}
