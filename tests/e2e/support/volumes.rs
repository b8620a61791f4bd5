//! Looking at volumes, and losing claims on purpose.

use std::process::Stdio;
use std::time::Duration;

use holdfast::api::{Confirmation, ConfirmedVerb};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::{Scene, Server};

/// The volume behind a claim.
pub async fn volume_of(scene: &Scene, claim: &str) -> PersistentVolume {
    let claim = scene.get::<PersistentVolumeClaim>(claim).await;
    let name = claim
        .spec
        .and_then(|spec| spec.volume_name)
        .expect("a bound claim");
    Api::all(scene.client.clone())
        .get(&name)
        .await
        .expect("the volume")
}

/// What becomes of a volume without its claim.
pub fn reclaim_policy(volume: &PersistentVolume) -> String {
    volume
        .spec
        .clone()
        .and_then(|spec| spec.persistent_volume_reclaim_policy)
        .unwrap_or_default()
}

/// The folder of a volume on this machine, which is the testbed's node.
pub fn volume_handle(volume: &PersistentVolume) -> String {
    let spec = volume.spec.clone().unwrap_or_default();
    let host_path = spec.host_path.map(|source| source.path);
    host_path
        .or(spec.local.map(|source| source.path))
        .expect("a folder")
}

/// What confirms the deletion, or a change, of the object with that UID from now on.
pub fn confirmation(uid: &str) -> String {
    confirmation_before(uid, Duration::ZERO)
}

/// The same, that long ago.
pub fn confirmation_before(uid: &str, ago: Duration) -> String {
    Confirmation {
        uid: uid.to_owned(),
        since: Timestamp::now().checked_sub(ago).expect("a time"),
    }
    .to_string()
}

/// Confirms the deletion of an object.
pub fn confirm_deletion(scene: &Scene, kind: &str, name: &str) {
    confirm(scene, kind, name, ConfirmedVerb::Delete);
}

/// Confirms a change of an object.
pub fn confirm_change(scene: &Scene, kind: &str, name: &str) {
    confirm(scene, kind, name, ConfirmedVerb::Change);
}

fn confirm(scene: &Scene, kind: &str, name: &str, verb: ConfirmedVerb) {
    let uid = scene.kubectl(&format!("get {kind} {name} -o jsonpath={{.metadata.uid}}"));
    scene.kubectl(&format!(
        "annotate {kind} {name} --overwrite {}={}",
        verb.annotation(),
        confirmation(&uid)
    ));
}

/// Types the command that a refusal says for those without the plugin, word by word.
pub fn type_command(scene: &Scene, refusal: &str) {
    let (_, command) = refusal
        .split_once("Without the plugin: ")
        .expect("a command");
    shell(scene, command.trim());
}

/// Runs a command as a user types it, in the testbed's network.
pub fn shell(scene: &Scene, command: &str) {
    let mut shell = scene.testbed.command("bash").expect("a shell");
    let output = shell
        .args(["-c", command])
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    assert!(
        output.status.success(),
        "{command}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Stops a server and deletes its claim, confirmed.
pub fn lose_claim(scene: &Scene, server: &Server) {
    let claim = server.claim();
    server.scale(scene, 0);
    confirm_deletion(scene, "pvc", &claim);
    scene.kubectl(&format!("delete pvc {claim} --timeout=300s"));
}

/// The volume is there, on Retain, nobody is deleting it, and nothing is left that would let it go.
pub async fn assert_kept(scene: &Scene, name: &str) {
    let volumes: Api<PersistentVolume> = Api::all(scene.client.clone());
    let volume = volumes.get(name).await.expect("the volume");
    assert_eq!(reclaim_policy(&volume), "Retain");
    assert!(volume.metadata.deletion_timestamp.is_none(), "{volume:?}");
    for verb in ConfirmedVerb::ALL {
        assert!(
            !volume.annotations().contains_key(verb.annotation()),
            "{volume:?}"
        );
    }
}

/// A pod that mounts a claim and starts no server.
pub fn build_holder(scene: &Scene, name: &str, claim: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": scene.namespace()},
        "spec": {
            "securityContext": {"runAsNonRoot": true, "runAsUser": 999, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "holder", "image": testbed::POSTGRES_15_IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["sleep", "infinity"],
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
                "volumeMounts": [{"name": "data", "mountPath": "/mnt"}],
            }],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}],
        },
    })
}
