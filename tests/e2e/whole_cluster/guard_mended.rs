//! Somebody takes a policy or a definition of Holdfast away, or edits it, while the operator runs:
//! it is back at once, and it is said who did it.

use holdfast::api::{ConditionStatus, ConditionType, DatabaseLedger, names, reasons};
use holdfast::guard::{self, GUARD_POLICIES};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, ResourceExt};

use super::operator_down::OperatorDown;
use crate::deletion_refused::assert_everything_is_refused;
use crate::support::{
    NAME, OPERATOR_NAMESPACE, OPERATOR_USER, Scene, Server, alone, assert_tells, confirm_deletion,
    write_file,
};

/// A definition without objects, so that nothing is lost with it.
const RESTORES: &str = "databaserestores.holdfast.dev";
const LEDGERS: &str = "databaseledgers.holdfast.dev";

#[test]
fn a_policy_that_is_deleted_or_edited_is_back_and_the_one_who_did_it_is_named() {
    alone("guard-mended", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        let mended = count_mended(scene, POLICIES_MENDED);

        scene.kubectl("delete validatingadmissionpolicybinding holdfast-deletion-guard");
        scene
            .wait_event(
                "Warning",
                reasons::POLICY_MISSING,
                "Guarded is False: ValidatingAdmissionPolicyBinding holdfast-deletion-guard",
            )
            .await;
        scene.wait_guarded().await;
        assert_everything_is_refused(scene, &server).await;

        scene.kubectl(
            "patch validatingadmissionpolicy holdfast-deletion-guard \
             --field-manager=clean-up-script --type=merge -p \
             {\"spec\":{\"failurePolicy\":\"Ignore\"}}",
        );
        wait_told(
            scene,
            reasons::POLICY_MISSING,
            "field manager clean-up-script",
        )
        .await;
        scene.wait_guarded().await;

        for policy in GUARD_POLICIES {
            scene.kubectl(&format!("delete validatingadmissionpolicy {policy}"));
        }
        for policy in GUARD_POLICIES {
            scene
                .wait_kubectl(&format!("get validatingadmissionpolicy {policy}"))
                .await;
            wait_told(
                scene,
                reasons::POLICY_MISSING,
                &format!("ValidatingAdmissionPolicy {policy} does not exist. It was restored"),
            )
            .await;
        }
        scene.wait_guarded().await;
        assert_everything_is_refused(scene, &server).await;
        assert!(
            count_mended(scene, POLICIES_MENDED) > mended + 2,
            "the metric counts what was put back"
        );
        scene.settle().await;
        scene.wait_green().await;
    });
}

#[test]
fn a_definition_that_is_edited_or_deleted_is_back_and_the_one_who_did_it_is_named() {
    alone("definition-mended", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        scene.settle().await;
        let mended = count_mended(scene, DEFINITIONS_MENDED);

        let loosen = r#"[{"op":"add","path":"/spec/versions/0/schema/openAPIV3Schema/x-kubernetes-preserve-unknown-fields","value":true}]"#;
        scene.kubectl(&format!(
            "patch crd {RESTORES} --field-manager=clean-up-script --type=json -p {loosen}"
        ));
        wait_told(
            scene,
            reasons::DEFINITION_CHANGED,
            "field manager clean-up-script",
        )
        .await;
        let said = format!("Guarded is False: CustomResourceDefinition {RESTORES} is not the one");
        scene
            .wait_event("Warning", reasons::DEFINITION_CHANGED, &said)
            .await;
        wait_as_built(scene, RESTORES).await;
        scene.wait_guarded().await;

        scene.kubectl(&format!(
            "annotate crd {RESTORES} {}-",
            names::DEFINITION_VERSION_ANNOTATION
        ));
        scene.kubectl(&format!("label crd {RESTORES} {}-", names::NAME_LABEL));
        wait_as_built(scene, RESTORES).await;

        // With its definition goes every ledger: the definition comes back, and what can be known
        // without them is remembered again.
        confirm_deletion(scene, "crd", LEDGERS);
        scene.kubectl(&format!("delete crd {LEDGERS} --wait=false"));
        wait_told(
            scene,
            reasons::DEFINITION_CHANGED,
            &format!("CustomResourceDefinition {LEDGERS} does not exist. It was restored"),
        )
        .await;
        wait_as_built(scene, LEDGERS).await;
        wait_remembered(scene).await;
        scene.wait_guarded().await;
        assert_tells(
            &scene.refused(&format!("delete crd {LEDGERS} --dry-run=server")),
            &["Holdfast refuses to delete"],
        );
        assert!(
            count_mended(scene, DEFINITIONS_MENDED) > mended + 2,
            "the metric counts what was put back"
        );
        scene.settle().await;
        scene.wait_green().await;
    });
}

/// During an upgrade the newer definitions come before the newer operator; the older one must not
/// take them back.
#[test]
fn a_definition_of_a_newer_version_is_left_alone() {
    alone("definition-newer", async |scene| {
        let version = |value: &str| {
            scene.kubectl(&format!(
                "annotate crd {RESTORES} --overwrite {}={value}",
                names::DEFINITION_VERSION_ANNOTATION
            ));
        };
        version("99.0.0");
        rename(scene, RESTORES, "newer");
        // Whatever is found is put back in one go, and this one is.
        rename(scene, LEDGERS, "edited");
        wait_as_built(scene, LEDGERS).await;
        assert!(
            scene
                .kubectl(&format!(
                    "get crd {RESTORES} -o jsonpath={{.spec.names.shortNames}}"
                ))
                .contains("newer")
        );
        version("0.0.1");
        wait_as_built(scene, RESTORES).await;
    });
}

/// Anybody who may write a policy may write any version on it.
#[test]
fn a_policy_that_only_says_it_is_newer_is_not_called_in_force() {
    alone("policy-newer", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        scene.settle().await;
        let policy = "validatingadmissionpolicy holdfast-volume-guard";
        let version = |value: &str| {
            scene.kubectl(&format!(
                "annotate {policy} --overwrite {}={value}",
                names::DEFINITION_VERSION_ANNOTATION
            ));
        };
        version("99.0.0");
        scene.settle().await;
        scene.wait_guarded().await;
        let open = r#"[{"op":"replace","path":"/spec/validations/0/expression","value":"true"}]"#;
        scene.kubectl(&format!("patch {policy} --type=json -p {open}"));
        let said = scene
            .wait_condition(
                ConditionType::Guarded,
                ConditionStatus::False,
                reasons::NEWER_VERSION,
            )
            .await;
        assert_tells(
            &said.message,
            &[
                "holdfast-volume-guard says that Holdfast 99.0.0",
                "finalizers and Retain still hold",
            ],
        );
        scene.settle().await;
        let first = "{.spec.validations[0].expression}";
        assert_eq!(
            scene.kubectl(&format!("get {policy} -o jsonpath={first}")),
            "true",
            "it is that version's to restore"
        );
        version("0.0.1");
        scene.wait_guarded().await;
        assert_everything_is_refused(scene, &server).await;
    });
}

/// Shows that it is the operator who puts them back: without it an edit stays, and is seen by the
/// one that starts.
#[test]
fn a_definition_that_was_edited_without_the_operator_is_put_back_by_the_next() {
    alone("definition-missed", async |scene| {
        let down = OperatorDown::begin(scene).await;
        rename(scene, RESTORES, "edited");
        assert!(
            is_as_built(scene, RESTORES).await.is_err(),
            "nobody is there to look"
        );
        down.end().await;
        wait_as_built(scene, RESTORES).await;
    });
}

/// The operator may create definitions, to put ours back; a role can't limit that to names, so a
/// policy does.
#[test]
fn the_operator_may_create_no_definition_of_another_group() {
    alone("definition-fence", async |scene| {
        let foreign = serde_json::json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "widgets.example.org"}, "spec": {"group": "example.org", "scope": "Namespaced",
                "names": {"kind": "Widget", "plural": "widgets"}, "versions": [{"name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object"}}}]}});
        let file = write_file(&foreign.to_string());
        let words = format!("create --dry-run=server -f {}", file.path().display());
        let operator = format!("--as={OPERATOR_USER}");
        assert_tells(
            &scene.refused(&format!("{words} {operator}")),
            &["creates definitions of its own group only"],
        );
        scene.kubectl(&words);
    });
}

/// Gives a definition another short name.
fn rename(scene: &Scene, definition: &str, short: &str) {
    scene.kubectl(&format!(
        "patch crd {definition} --type=merge -p \
        {{\"spec\":{{\"names\":{{\"shortNames\":[\"{short}\"]}}}}}}"
    ));
}

/// Waits until a definition is there and is the one that this version installs.
pub async fn wait_as_built(scene: &Scene, definition: &str) {
    scene
        .wait(&format!("{definition} to be as built"), async || {
            is_as_built(scene, definition).await
        })
        .await;
}

async fn is_as_built(scene: &Scene, definition: &str) -> Result<(), String> {
    let definitions: Api<CustomResourceDefinition> = Api::all(scene.client.clone());
    let present = definitions
        .get(definition)
        .await
        .map_err(|error| error.to_string())?;
    let built = guard::definitions()
        .into_iter()
        .find(|built| built.name_any() == definition)
        .expect("a definition of ours");
    let is_going = present.metadata.deletion_timestamp.is_some();
    if is_going || guard::definition_differs(&present, &built, Some(jiff::Timestamp::now())) {
        Err(format!("{:?}", present.spec.names))
    } else {
        Ok(())
    }
}

/// Waits until the ledger of the test's database is there and tells of its volume and its last good
/// check.
async fn wait_remembered(scene: &Scene) {
    let ledgers: Api<DatabaseLedger> = Api::all(scene.client.clone());
    scene
        .wait("the ledger to be written again", async || {
            let ledger = ledgers
                .get(&names::ledger(scene.namespace(), NAME))
                .await
                .map_err(|error| error.to_string())?;
            let status = ledger.status.unwrap_or_default();
            let knows = status.baseline.is_some() && status.volumes.len() == 1;
            if knows {
                Ok(())
            } else {
                Err(format!("{status:?}"))
            }
        })
        .await;
}

const POLICIES_MENDED: &str = "holdfast_guard_policies_repaired_total ";
const DEFINITIONS_MENDED: &str = "holdfast_guard_definitions_repaired_total ";

/// Waits for an event about a policy or a definition, which are in no namespace.
async fn wait_told(scene: &Scene, reason: &str, note: &str) {
    let of_reason = format!("reason={reason}");
    let words = [
        "-n",
        "default",
        "get",
        "events",
        "--field-selector",
        &of_reason,
        "-o",
        "jsonpath={.items[*].message}",
    ];
    scene
        .wait(&format!("an event that says {note}"), async || {
            let told = scene
                .testbed
                .kubectl(&words)
                .map_err(|error| format!("{error:#}"))?;
            if told.contains(note) {
                Ok(())
            } else {
                Err(told)
            }
        })
        .await;
}

/// The operator's own count, as Prometheus reads it.
fn count_mended(scene: &Scene, metric: &str) -> u64 {
    let pod = scene
        .testbed
        .kubectl(&[
            "-n",
            OPERATOR_NAMESPACE,
            "get",
            "pods",
            "-o",
            "jsonpath={.items[0].metadata.name}",
        ])
        .expect("the operator");
    let path = format!("/api/v1/namespaces/{OPERATOR_NAMESPACE}/pods/{pod}:8080/proxy/metrics");
    let metrics = scene
        .testbed
        .kubectl(&["get", "--raw", &path])
        .expect("the operator's metrics");
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(metric))
        .expect("a count");
    line.trim().parse().expect("a number")
}
