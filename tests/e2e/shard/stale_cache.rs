//! An operator that starts against an API server which still shows an older object of the same
//! name, whose deletion was confirmed: it releases nothing of the one that lives, because every
//! release names the object that it was decided about by UID and resource version.

use std::sync::Arc;

use holdfast::api::names;
use kube::ResourceExt;
use serde_json::Value;

use super::between::Between;
use super::operator::Installation;
use crate::coming_back::wait_bound;
use crate::support::{
    ALL_ROWS, NAME, Scene, Server, build_plain_database, confirm_deletion, in_shard,
    reclaim_policy, shell, volume_of,
};

/// How often a release must have been refused: the operator tries again, and does not get used to
/// it.
const REFUSALS: usize = 2;

#[test]
fn an_older_object_of_the_same_name_takes_nothing_off_the_one_that_lives() {
    in_shard("stale", async |scene| {
        let server = Server::new(scene);
        let installation = Installation::read(scene).await;
        let operator = installation.operate(scene);
        let start = scene.protect_plainly(&server).await;
        scene.settle().await;
        operator.kill().await;
        let all = [
            outlive_volume(scene, &server).await,
            outlive_claim(scene, &server).await,
            outlive_database(scene, &server).await,
        ];
        let operator = installation.operate(scene);
        scene.wait_green().await;
        scene.settle().await;
        operator.kill().await;

        let before = marks(scene, &server);
        for older in &all {
            let between = Arc::new(Between::new().showing(&older.path, &older.body));
            let operator = installation
                .operate_through(scene, between.build_client(installation.config.clone()));
            wait_refused(scene, &between, older).await;
            operator.kill().await;
            assert_eq!(marks(scene, &server), before, "{}", older.path);
        }

        // The same without preconditions: each time marks are gone, so what was asserted can fail.
        for older in &all {
            let between = Arc::new(
                Between::new()
                    .showing(&older.path, &older.body)
                    .without_preconditions(),
            );
            let operator = installation
                .operate_through(scene, between.build_client(installation.config.clone()));
            wait_unmarked(scene, &server, older.loses, &between).await;
            operator.kill().await;
            let operator = installation.operate(scene);
            wait_marked_again(scene, &server, &before).await;
            operator.kill().await;
        }

        let _operator = installation.operate(scene);
        scene.wait_guarded().await;
        scene.settle().await;
        assert_eq!(marks(scene, &server), before);
        assert_eq!(
            server.wait_ready(scene, None).await,
            start,
            "the pod was not touched"
        );
        assert_eq!(server.count(scene), ALL_ROWS);
        scene.wait_green().await;
    });
}

/// An object that was deleted with a confirmation, as it was just before it went. Another of its
/// name lives now.
struct Older {
    /// Where it is read.
    path: String,
    /// What is read there.
    body: Value,
    /// The object, as kubectl names it, whose marks go when the older one is believed.
    loses: &'static str,
}

async fn outlive_volume(scene: &Scene, server: &Server) -> Older {
    let volume = volume_of(scene, &server.claim()).await.name_any();
    let body = let_go(scene, "pv", &volume);
    shell(scene, &from_ledger(scene, &volume, "volumeManifest"));
    wait_bound(scene, &server.claim()).await;
    assert_eq!(
        reclaim_policy(&volume_of(scene, &server.claim()).await),
        "Retain",
        "as it is remembered"
    );
    Older {
        path: format!("/api/v1/persistentvolumes/{volume}"),
        body,
        loses: "pv",
    }
}

async fn outlive_claim(scene: &Scene, server: &Server) -> Older {
    let claim = server.claim();
    let volume = volume_of(scene, &claim).await.name_any();
    let body = let_go(scene, "pvc", &claim);
    let reserve = r#"{"spec":{"claimRef":{"uid":null,"resourceVersion":null}}}"#;
    scene.kubectl(&format!("patch pv {volume} --type=merge -p {reserve}"));
    shell(scene, &from_ledger(scene, &volume, "claimManifest"));
    wait_bound(scene, &claim).await;
    Older {
        path: format!(
            "/api/v1/namespaces/{}/persistentvolumeclaims/{claim}",
            scene.namespace()
        ),
        body,
        loses: "pvc",
    }
}

async fn outlive_database(scene: &Scene, server: &Server) -> Older {
    let body = let_go(scene, "protdb", NAME);
    scene.protect(&build_plain_database(scene, server)).await;
    let path = format!(
        "/apis/holdfast.dev/v1alpha1/namespaces/{}/protecteddatabases/{NAME}",
        scene.namespace()
    );
    // What its confirmation allows is to release everything else first.
    Older {
        path,
        body,
        loses: "pv",
    }
}

/// Deletes an object with a confirmation, remembers it as it is then, and lets it go while no
/// operator runs.
fn let_go(scene: &Scene, word: &str, name: &str) -> Value {
    confirm_deletion(scene, word, name);
    scene.kubectl(&format!("delete {word} {name} --wait=false"));
    let body: Value =
        serde_json::from_str(&scene.kubectl(&format!("get {word} {name} -o json"))).expect("JSON");
    assert!(body["metadata"]["deletionTimestamp"].is_string());
    assert!(
        body["metadata"]["finalizers"]
            .as_array()
            .expect("finalizers")
            .contains(&Value::from(names::KEEP_FINALIZER))
    );
    scene.kubectl(&format!(
        "patch {word} {name} --type=merge -p {{\"metadata\":{{\"finalizers\":null}}}}"
    ));
    body
}

fn from_ledger(scene: &Scene, volume: &str, manifest: &str) -> String {
    let ledger = names::ledger(scene.namespace(), NAME);
    format!(
        "kubectl get dbledger {ledger} -o \
         jsonpath='{{.status.volumes[?(@.volume==\"{volume}\")].{manifest}}}' | kubectl create -f -"
    )
}

/// UID, marks and reclaim policy of everything that is guarded.
fn marks(scene: &Scene, server: &Server) -> Vec<String> {
    let volume = scene.kubectl(&format!(
        "get pvc {} -o jsonpath={{.spec.volumeName}}",
        server.claim()
    ));
    let targets = [
        format!("pv {volume}"),
        format!("pvc {}", server.claim()),
        format!("statefulset {}", server.name),
        format!("namespace {}", scene.namespace()),
        format!("protdb {NAME}"),
    ];
    let owner = names::PROTECTED_BY_ANNOTATION.replace('.', "\\.");
    let shown = [
        ".metadata.uid",
        ".metadata.deletionTimestamp",
        ".metadata.finalizers",
        ".metadata.labels",
        &format!(".metadata.annotations.{owner}"),
        ".spec.persistentVolumeReclaimPolicy",
    ];
    let template: Vec<String> = shown.iter().map(|field| format!("{{{field}}}")).collect();
    targets
        .iter()
        .map(|target| scene.kubectl(&format!("get {target} -o jsonpath={}", template.join("/"))))
        .collect()
}

async fn wait_refused(scene: &Scene, between: &Between, older: &Older) {
    scene
        .wait(
            &format!("releases at {} to be refused", older.path),
            async || match between.count_refused(&older.path) {
                REFUSALS.. => Ok(()),
                _ => Err(format!("{:?}", between.writes())),
            },
        )
        .await;
}

async fn wait_unmarked(scene: &Scene, server: &Server, word: &str, between: &Between) {
    let target = match word {
        "pv" => format!("pv {}", volume_of(scene, &server.claim()).await.name_any()),
        _ => format!("{word} {}", server.claim()),
    };
    let words = format!("get {target} -o jsonpath={{.metadata.finalizers}}");
    scene
        .wait(
            &format!("{target} to lose its marks"),
            async || match scene.try_kubectl(&words) {
                Ok(finalizers) if !finalizers.contains(names::KEEP_FINALIZER) => Ok(()),
                Ok(other) | Err(other) => Err(format!("{other} {:#?}", between.writes())),
            },
        )
        .await;
}

/// The next operator that sees what is there puts everything back.
async fn wait_marked_again(scene: &Scene, server: &Server, before: &[String]) {
    scene
        .wait("all marks to be back", async || {
            let now = marks(scene, server);
            if now == before {
                Ok(())
            } else {
                Err(format!("{now:?}"))
            }
        })
        .await;
}
