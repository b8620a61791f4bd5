//! The operator installed by its Helm chart instead of the manifest: it takes over, and protects as
//! before.

use crate::chart::{CHART, helm};
use crate::support::{OPERATOR_NAMESPACE, Scene, Server, alone, reinstall};

#[test]
fn the_chart_installs_an_operator_that_protects() {
    alone("helm", async |scene| {
        let installed = HelmInstalled::begin(scene);
        let server = Server::new(scene);
        let before = scene.protect_filled(&server).await;
        let start = server.restart_pod(scene, &before).await;
        scene.assert_checked_once(&start).await;
        crate::deletion_refused::assert_everything_is_refused(scene, &server).await;
        installed.end();
        scene.settle().await;
        scene.wait_green().await;
    });
}

/// The manifest's operator replaced by the chart's; the manifest's is put back at the latest when
/// this is dropped.
struct HelmInstalled<'a> {
    scene: &'a Scene,
    ended: bool,
}

impl<'a> HelmInstalled<'a> {
    fn begin(scene: &'a Scene) -> Self {
        let image = scene
            .testbed
            .load_built_operator()
            .expect("the operator's image");
        let words = [
            "-n",
            OPERATOR_NAMESPACE,
            "delete",
            "deployment",
            "holdfast",
            "--cascade=foreground",
            "--timeout=60s",
        ];
        let installed = Self {
            scene,
            ended: false,
        };
        scene
            .testbed
            .kubectl(&words)
            .expect("the manifest's operator to go");
        helm(
            scene,
            &format!(
                "install holdfast {CHART} --namespace {OPERATOR_NAMESPACE} --take-ownership \
                 --force-conflicts --set image={image} --wait --timeout 90s"
            ),
        );
        installed
    }

    fn end(mut self) {
        self.put_back();
        self.ended = true;
    }

    fn put_back(&self) {
        let uninstalled = self.scene.testbed.command("helm").and_then(|mut command| {
            Ok(command
                .args([
                    "uninstall",
                    "holdfast",
                    "--namespace",
                    OPERATOR_NAMESPACE,
                    "--ignore-not-found",
                    "--wait",
                ])
                .output()?)
        });
        if let Ok(output) = &uninstalled {
            print!("{}", String::from_utf8_lossy(&output.stdout));
        }
        reinstall(self.scene.testbed);
    }
}

impl Drop for HelmInstalled<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.put_back();
        }
    }
}
