//! The Helm chart and the generated manifest, as the API server and helm see them. The chart's real
//! installation is in `whole_cluster`.

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
