//! Argo CD's own engine on a Git folder: a claim that is pruned, or is to be made anew, stays, and
//! the sync says why until the folder has it again.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use holdfast::api::names;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::support::{Scene, beside_others, build_claim};

#[test]
fn a_pruned_folder_takes_no_guarded_claim_along() {
    beside_others("gitops", prune_folder);
}

/// Prunes a folder with a guarded claim in it, then has the claim made anew.
pub async fn prune_folder(scene: &Scene) {
    let folder = Folder::new();
    let claim = build_claim(scene.namespace(), "in-git");
    folder.write("claim", Some(&claim));
    folder.write("first", Some(&settings(scene, "first")));
    folder.commit();
    let engine = Engine::start(scene, &folder);
    let uid = scene
        .wait("the engine to make the claim", async || {
            match scene.api::<PersistentVolumeClaim>().get_opt("in-git").await {
                Ok(Some(claim)) => claim.uid().ok_or_else(|| "no UID".to_owned()),
                seen => Err(format!("{seen:?} {}", engine.log())),
            }
        })
        .await;
    scene.kubectl(&format!("label pvc in-git {}=true", names::PROTECTED_LABEL));

    folder.write("claim", None);
    folder.write("second", Some(&settings(scene, "second")));
    folder.commit();
    engine.wait_refused(scene, 0).await;
    folder.write("claim", Some(&claim));
    folder.commit();
    scene.wait_kubectl("get configmap second").await;

    let refusals = engine.refusals();
    let mut anew = claim.clone();
    anew["metadata"]["annotations"] =
        json!({"argocd.argoproj.io/sync-options": "Replace=true,Force=true"});
    anew["metadata"]["labels"] = json!({"changed": "yes"});
    folder.write("claim", Some(&anew));
    folder.write("third", Some(&settings(scene, "third")));
    folder.commit();
    engine.wait_refused(scene, refusals).await;
    folder.write("claim", Some(&claim));
    folder.commit();
    scene.wait_kubectl("get configmap third").await;

    let after = scene.get::<PersistentVolumeClaim>("in-git").await;
    assert_eq!(after.uid(), Some(uid));
    assert!(after.metadata.deletion_timestamp.is_none());
}

fn settings(scene: &Scene, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": scene.namespace()}})
}

/// A Git checkout with manifests.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        fs::create_dir(folder.path().join("app")).expect("a folder");
        folder.git(&["init", "--quiet"]);
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a manifest, or removes it.
    fn write(&self, name: &str, manifest: Option<&Value>) {
        let path = self.path().join("app").join(format!("{name}.json"));
        match manifest {
            Some(manifest) => fs::write(path, manifest.to_string()).expect("a file"),
            None => fs::remove_file(path).expect("a file"),
        }
    }

    fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&[
            "-c",
            "user.name=test",
            "-c",
            "user.email=test@localhost",
            "commit",
            "--quiet",
            "--message",
            "Change",
        ]);
    }

    fn git(&self, words: &[&str]) {
        let status = Command::new("git")
            .args(words)
            .current_dir(self.path())
            .status()
            .expect("git");
        assert!(status.success(), "git {words:?}");
    }
}

/// The engine, until it is dropped.
struct Engine {
    child: Child,
    log: tempfile::NamedTempFile,
}

impl Engine {
    fn start(scene: &Scene, folder: &Folder) -> Self {
        let log = tempfile::NamedTempFile::new().expect("a file");
        let mut command = scene
            .testbed
            .command("gitops-agent")
            .expect("the GitOps engine");
        command.arg(folder.path()).args([
            "--path",
            "app",
            "--resync-seconds",
            "2",
            "--namespaced",
            "--namespace",
            scene.namespace(),
        ]);
        let output = || {
            Stdio::from(
                File::options()
                    .append(true)
                    .open(log.path())
                    .expect("a file"),
            )
        };
        let child = command
            .stdin(Stdio::null())
            .stdout(output())
            .stderr(output())
            .spawn()
            .expect("the GitOps engine");
        Self { child, log }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.log.path()).expect("a file")
    }

    fn refusals(&self) -> usize {
        self.log()
            .matches("Holdfast refuses to delete PersistentVolumeClaim in-git")
            .count()
    }

    async fn wait_refused(&self, scene: &Scene, before: usize) {
        scene
            .wait("the engine to be refused", async || {
                if self.refusals() > before {
                    Ok(())
                } else {
                    Err(self
                        .log()
                        .chars()
                        .rev()
                        .take(2000)
                        .collect::<Vec<_>>()
                        .into_iter()
                        .rev()
                        .collect())
                }
            })
            .await;
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
