//! The Helm chart and the generated manifest, as the API server and helm see them. The chart's real installation is in `whole_cluster`.

use std::fs;

use crate::support::{Scene, beside_others};

/// The chart, from the root of the checkout.
pub const CHART: &str = "charts/holdfast";

#[test]
fn the_chart_passes_helm_lint_and_the_api_server_accepts_what_it_renders() {
    beside_others("chart", async |scene| {
        helm(scene, &format!("lint --strict {CHART}"));
        let rendered = helm(scene, &format!("template holdfast {CHART} --namespace {}", scene.namespace()));
        assert!(rendered.contains("kind: ValidatingAdmissionPolicy") && rendered.contains("kind: CustomResourceDefinition"));
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), rendered).expect("a file");
        scene.kubectl(&format!("apply --server-side --force-conflicts --dry-run=server -f {}", file.path().display()));
    });
}

#[test]
fn the_generated_manifest_is_accepted_by_the_api_server() {
    beside_others("manifest", async |scene| {
        let manifest = scene.testbed.layout().root().join("deploy/install.yaml");
        // Its objects name their own namespace.
        let words = ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", &manifest.display().to_string()];
        let printed = scene.testbed.kubectl(&words).expect("an accepted manifest");
        assert!(printed.contains("deployment.apps/holdfast serverside-applied (server dry run)"), "{printed}");
    });
}

/// Runs helm at the root of the checkout.
pub fn helm(scene: &Scene, words: &str) -> String {
    let mut command = scene.testbed.command("helm").expect("helm");
    let output = command.args(words.split(' ')).current_dir(scene.testbed.layout().root()).output().expect("helm");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "helm {words}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}
