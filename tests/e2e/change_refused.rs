//! Somebody disarms the guard instead of deleting: marks, Retain, the tie between volume and claim,
//! the data volume of the pod template.

use holdfast::api::names;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::support::{
    ALL_ROWS, NAME, OPERATOR_USER, Scene, Server, Start, assert_tells, beside_others,
    confirm_deletion, confirmation, type_command, volume_of, write_file,
};

#[test]
fn nothing_that_guards_can_be_taken_off() {
    beside_others("change", async |scene| {
        let server = Server::new(scene);
        let start = scene.protect_filled(&server).await;
        scene.settle().await;
        try_every_change(scene, &server, &start).await;
        scene.settle().await;
        scene.wait_green().await;
    });
}

/// Tries every change; `server` has its claim named in its pod template.
/// `whole_cluster::operator_down` tries them again while no operator runs.
pub async fn try_every_change(scene: &Scene, server: &Server, start: &Start) {
    let before = guarded_objects(scene, server).await;
    for attempt in attempts(scene, server).await {
        assert_tells(&scene.refused(&attempt.words), &attempt.tells);
    }
    assert_finalize_is_refused(scene);
    assert_eq!(
        guarded_objects(scene, server).await,
        before,
        "nothing has changed"
    );
    assert_eq!(
        server.wait_ready(scene, None).await,
        *start,
        "the pod was not touched"
    );
    assert_eq!(server.count(scene), ALL_ROWS);
}

/// Noise teaches people to confirm: what changes nothing for the data is neither refused nor warned
/// about.
#[test]
fn another_server_is_warned_about_and_what_changes_nothing_is_let_through() {
    beside_others("change-harmless", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        let container = "/spec/template/spec/containers/0";
        let replace =
            |path: &str, value: &str| json!({"op": "replace", "path": path, "value": value});
        let arguments = |words: &[&str]| json!({"op": "add", "path": format!("{container}/args"), "value": words});
        let patch = |changes: &[serde_json::Value]| {
            format!(
                "patch statefulset {} --dry-run=server --warnings-as-errors --type=json -p {}",
                server.name,
                json!(changes)
            )
        };
        for (changes, tells) in [
            (
                vec![replace(&format!("{container}/image"), "postgres:18")],
                "the image of container postgres from localhost/postgres:15 to postgres:18",
            ),
            (
                vec![replace(
                    &format!("{container}/image"),
                    "docker.io/bitnami/postgresql@sha256:0123456789012345678901234567890123456789012345678901234567890123",
                )],
                "the image of container postgres from localhost/postgres:15",
            ),
            (
                vec![
                    json!({"op": "replace", "path": format!("{container}/env/3"),
                    "value": {"name": "PGDATA", "value": "/var/lib/postgresql/data/18"}}),
                ],
                "PGDATA of container postgres",
            ),
            (
                vec![json!({"op": "add", "path": format!("{container}/env/-"),
                    "value": {"name": "POSTGRESQL_DATA_DIR", "value": "/tmp/pg"}})],
                "PGDATA of container postgres",
            ),
            (
                vec![json!({"op": "add", "path": format!("{container}/env/-"),
                    "value": {"name": "PATRONI_POSTGRESQL_DATA_DIR", "value": "/tmp/pg"}})],
                "PGDATA of container postgres",
            ),
            (
                vec![json!({"op": "add", "path": format!("{container}/env/-"),
                    "value": {"name": "PGROOT", "value": "/tmp/pgroot"}})],
                "PGROOT, PGVERSION or POSTGRESQL_VOLUME_DIR of container postgres",
            ),
            (
                vec![arguments(&["-c", "data_directory=/tmp/pg"])],
                "the data directory in the arguments of container postgres",
            ),
            (
                vec![arguments(&["postgres", "-D", "/other"])],
                "the data directory in the arguments of container postgres",
            ),
            (
                vec![json!({"op": "add", "path": format!("{container}/command"),
                    "value": ["env", "PGDATA=/other", "docker-entrypoint.sh", "postgres"]})],
                "the data directory in the arguments of container postgres",
            ),
            (
                vec![
                    json!({"op": "remove", "path": format!("{container}/env/3")}),
                    json!({"op": "add", "path": format!("{container}/envFrom"),
                    "value": [{"configMapRef": {"name": "settings"}}]}),
                ],
                "envFrom of container postgres",
            ),
        ] {
            assert_tells(
                &scene.refused(&patch(&changes)),
                &[
                    "Holdfast warns: this changes",
                    tells,
                    "kubectl rollout undo",
                ],
            );
        }
        let mount = format!("{container}/volumeMounts/0");
        for harmless in [
            vec![
                replace(&format!("{container}/name"), "pg"),
                replace(&format!("{mount}/mountPath"), "/var/lib/postgresql/data/"),
                replace("/spec/template/spec/volumes/1/name", "files"),
                replace(&format!("{mount}/name"), "files"),
            ],
            vec![replace(
                &format!("{container}/image"),
                "docker.io/library/postgres:15.7-alpine",
            )],
            vec![
                json!({"op": "add", "path": "/spec/template/spec/volumes/-",
                    "value": {"name": "settings", "configMap": {"name": "settings"}}}),
                json!({"op": "add", "path": format!("{container}/volumeMounts/-"),
                    "value": {"name": "settings", "mountPath": "/var/lib/postgresql/data/pgdata/conf.d"}}),
            ],
            vec![arguments(&["-c", "shared_buffers=16MB"])],
            vec![json!({"op": "add", "path": format!("{container}/envFrom"),
                "value": [{"configMapRef": {"name": "settings"}}]})],
        ] {
            scene.kubectl(&patch(&harmless));
        }
    });
}

#[test]
fn a_claim_template_can_not_lose_its_mount() {
    beside_others("change-template", async |scene| {
        let server = Server::seventeen(scene);
        scene.protect_plainly(&server).await;
        let unmount =
            r#"[{"op":"remove","path":"/spec/template/spec/containers/0/volumeMounts/0"}]"#;
        let refused = scene.refused(&format!(
            "patch statefulset {} --type=json -p {unmount}",
            server.name
        ));
        assert_tells(
            &refused,
            &[
                "refuses to remove the mount at /var/lib/postgresql/data of container postgres \
                 from StatefulSet",
            ],
        );
    });
}

#[test]
fn server_side_apply_takes_no_mark_off_either() {
    beside_others("change-apply", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        let claims = scene.api::<PersistentVolumeClaim>();
        let body = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": server.claim(), "labels": {names::PROTECTED_LABEL: "false"}}});
        let answer = claims
            .patch(
                &server.claim(),
                &PatchParams::apply("gitops").force(),
                &Patch::Apply(body),
            )
            .await;
        assert_tells(
            &answer.expect_err("a changed label").to_string(),
            &["refuses to remove the label holdfast.dev/protected from"],
        );
    });
}

/// What a person confirms is done; what the operator finds then, it marks again, because the
/// database still uses it.
#[test]
fn a_confirmed_change_is_let_through() {
    beside_others("change-confirmed", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        let refused = scene.refused(&format!(
            "label pvc {} {}-",
            server.claim(),
            names::PROTECTED_LABEL
        ));
        // The deletion is another verb.
        confirm_deletion(scene, "pvc", &server.claim());
        let off = format!("label pvc {} {}-", server.claim(), names::PROTECTED_LABEL);
        assert_tells(&scene.refused(&off), &[names::CONFIRM_CHANGE_ANNOTATION]);
        type_command(scene, &refused);
        scene.kubectl(&format!(
            "label pvc {} {}-",
            server.claim(),
            names::PROTECTED_LABEL
        ));
        scene
            .wait_event("Warning", "MarksRemoved", "was guarded and is not any more")
            .await;
        scene.kubectl(&format!(
            "annotate pvc {} {}- {}-",
            server.claim(),
            names::CONFIRM_DELETION_ANNOTATION,
            names::CONFIRM_CHANGE_ANNOTATION
        ));
        scene.wait_green().await;
        let claim = scene.get::<PersistentVolumeClaim>(&server.claim()).await;
        assert!(
            claim.labels().contains_key(names::PROTECTED_LABEL),
            "{:?}",
            claim.labels()
        );
    });
}

/// The operator lets nothing go that is being deleted without confirmation, and it can't confirm.
#[test]
fn the_operator_is_refused_too() {
    beside_others("change-operator", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        let volume = volume_of(scene, &server.claim()).await.name_any();
        let uid = scene.kubectl(&format!(
            "get pvc {} -o jsonpath={{.metadata.uid}}",
            server.claim()
        ));
        let operator = format!("--as={OPERATOR_USER}");
        let confirmed = confirmation(&uid);
        let change_confirmation = format!("{}={confirmed}", names::CONFIRM_CHANGE_ANNOTATION);
        let confirmation = format!("{}={confirmed}", names::CONFIRM_DELETION_ANNOTATION);
        let volume_uid = scene.kubectl(&format!("get pv {volume} -o jsonpath={{.metadata.uid}}"));
        let volume_confirmation = format!(
            "{}={}",
            names::CONFIRM_DELETION_ANNOTATION,
            crate::support::confirmation(&volume_uid)
        );
        let for_restore = names::CONFIRMED_FOR_ANNOTATION;
        for (words, tells) in [
            (
                format!("annotate pvc {} {confirmation} {operator}", server.claim()),
                "operator can't confirm",
            ),
            (
                format!(
                    "annotate pvc {} {change_confirmation} {for_restore}={}/back {operator}",
                    server.claim(),
                    scene.namespace()
                ),
                "operator can't confirm",
            ),
            (
                format!(
                    "patch pv {volume} --type=merge -p \
                     {{\"spec\":{{\"persistentVolumeReclaimPolicy\":\"Delete\"}}}} {operator}"
                ),
                // Two policies refuse it; either answers.
                "reclaim policy of",
            ),
            (
                format!("delete protdb {NAME} --wait=false {operator}"),
                "refuses to delete",
            ),
            (
                format!("delete pvc {} --wait=false {operator}", server.claim()),
                "refuses to delete",
            ),
            (
                format!("delete pv {volume} --wait=false {operator}"),
                "cannot delete resource",
            ),
            // For a DatabaseRestore it confirms, but only that a claim of the restore's own
            // namespace may go, never a volume.
            (
                format!(
                    "annotate pvc {} {confirmation} {for_restore}=elsewhere/back {operator}",
                    server.claim()
                ),
                "operator can't confirm",
            ),
            (
                format!(
                    "annotate pv {volume} {volume_confirmation} {for_restore}=/back {operator}"
                ),
                "operator can't confirm",
            ),
            (format!("get secrets {operator}"), "cannot list resource"),
        ] {
            assert_tells(&scene.refused(&words), &[tells]);
        }
    });
}

/// A change that must be refused.
pub struct Attempt {
    /// Words for `kubectl`, to which `--dry-run=server` may be added.
    pub words: String,
    /// What the answer says.
    pub tells: Vec<&'static str>,
}

/// Every way to disarm the guard by a change.
pub async fn attempts(scene: &Scene, server: &Server) -> Vec<Attempt> {
    let (claim, set, namespace) = (server.claim(), &server.name, scene.namespace());
    let volume = volume_of(scene, &claim).await.name_any();
    let (label, owner) = (names::PROTECTED_LABEL, names::PROTECTED_BY_ANNOTATION);
    let off_label = vec![
        "refuses to remove the label holdfast.dev/protected from",
        "--change, then remove the mark again",
        "Without the plugin: kubectl annotate",
        "holdfast.dev/confirm-change=",
    ];
    let off_owner = vec!["refuses to remove the annotation holdfast.dev/protected-by from"];
    let off_finalizer = vec!["refuses to remove the finalizer holdfast.dev/keep from"];
    let no_finalizers = r#"{"metadata":{"finalizers":null}}"#;
    let mut all = Vec::new();
    let mut attempt = |words: String, tells: &Vec<&'static str>| {
        all.push(Attempt {
            words,
            tells: tells.clone(),
        });
    };
    for target in [
        format!("pvc {claim}"),
        format!("pv {volume}"),
        format!("statefulset {set}"),
        format!("namespace {namespace}"),
        format!("protdb {NAME}"),
    ] {
        attempt(format!("label {target} {label}-"), &off_label);
        attempt(
            format!("label {target} {label}=false --overwrite"),
            &off_label,
        );
        attempt(
            format!("patch {target} --type=merge -p {{\"metadata\":{{\"labels\":null}}}}"),
            &off_label,
        );
    }
    for target in [
        format!("pvc {claim}"),
        format!("pv {volume}"),
        format!("protdb {NAME}"),
    ] {
        attempt(format!("annotate {target} {owner}-"), &off_owner);
        attempt(
            format!("annotate {target} {owner}=other/database --overwrite"),
            &off_owner,
        );
    }
    for target in [
        format!("pvc {claim}"),
        format!("pv {volume}"),
        format!("protdb {NAME}"),
    ] {
        attempt(
            format!("patch {target} --type=merge -p {no_finalizers}"),
            &off_finalizer,
        );
    }
    for target in [format!("pvc {claim}"), format!("pv {volume}")] {
        attempt(
            format!("patch {target} --subresource=status --type=merge -p {no_finalizers}"),
            &off_finalizer,
        );
        attempt(
            format!(
                "patch {target} --subresource=status --type=merge -p \
                 {{\"metadata\":{{\"labels\":null}}}}"
            ),
            &off_label,
        );
    }
    let off_retain = vec![
        "refuses to change the reclaim policy of PersistentVolume",
        "from Retain to Delete",
        "the files of the database",
    ];
    attempt(
        format!(
            "patch pv {volume} --type=merge -p \
             {{\"spec\":{{\"persistentVolumeReclaimPolicy\":\"Delete\"}}}}"
        ),
        &off_retain,
    );
    let parted = vec![
        "refuses to unbind PersistentVolume",
        "Another claim could take the volume",
    ];
    for change in [
        r#"{"op":"remove","path":"/spec/claimRef"}"#,
        r#"{"op":"remove","path":"/spec/claimRef/uid"}"#,
        r#"{"op":"replace","path":"/spec/claimRef/name","value":"other"}"#,
        r#"{"op":"replace","path":"/spec/claimRef/namespace","value":"default"}"#,
    ] {
        attempt(
            format!("patch pv {volume} --type=json -p [{change}]"),
            &parted,
        );
    }
    for (field, change) in [
        (
            "mountOptions",
            r#"{"op":"add","path":"/spec/mountOptions","value":["noatime"]}"#,
        ),
        (
            "storageClassName",
            r#"{"op":"replace","path":"/spec/storageClassName","value":"other"}"#,
        ),
        (
            "accessModes",
            r#"{"op":"replace","path":"/spec/accessModes","value":["ReadWriteMany"]}"#,
        ),
    ] {
        attempt(
            format!("patch pv {volume} --type=json -p [{change}]"),
            &vec![
                "refuses to change",
                field,
                "nodeAffinity can not be changed back",
            ],
        );
    }
    let (unplaced, nowhere) = (place_nowhere(scene), nowhere());
    attempt(
        format!("patch pv {unplaced} --type=json -p [{nowhere}]"),
        &vec![
            "refuses to change nodeAffinity of PersistentVolume",
            "nodeAffinity can not be changed back",
        ],
    );
    for (changes, tells) in template_changes() {
        attempt(
            format!("patch statefulset {set} --type=json -p [{changes}]"),
            &tells,
        );
    }
    attempt(
        format!(
            "patch protdb {NAME} --type=merge -p {{\"spec\":{{\"guard\":{{\"deletion\":\"Off\"}}}}}}"
        ),
        &vec![
            "refuses to switch the guard of ProtectedDatabase",
            "every mark would be removed",
            "holdfast.dev/confirm-change=",
        ],
    );
    all
}

/// A guarded volume that no node is named for yet: the API server lets `nodeAffinity` be set once, and the
/// volumes of the provisioner have theirs.
fn place_nowhere(scene: &Scene) -> String {
    let name = format!("{}-unplaced", scene.namespace());
    scene.apply(&[json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": name, "labels": {names::PROTECTED_LABEL: "true"}},
        "spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"},
            "persistentVolumeReclaimPolicy": "Retain", "storageClassName": "none",
            "claimRef": {"namespace": scene.namespace(), "name": "unplaced"},
            "hostPath": {"path": format!("/var/empty/{name}")}},
    })]);
    name
}

/// The change that no pod could mount the volume after.
fn nowhere() -> serde_json::Value {
    let expression = json!({"key": "nowhere", "operator": "Exists"});
    let terms = json!([{"matchExpressions": [expression]}]);
    json!({"op": "add", "path": "/spec/nodeAffinity",
        "value": {"required": {"nodeSelectorTerms": terms}}})
}

/// Changes of the pod template that would take the data away from Postgres, and what is said of each.
fn template_changes() -> Vec<(String, Vec<&'static str>)> {
    let unclaimed = vec![
        "refuses to remove the claim of volume data from StatefulSet",
        "Postgres would start on an empty directory",
    ];
    let unmounted = vec![
        "refuses to remove the mount at /var/lib/postgresql/data of container postgres from \
         StatefulSet",
    ];
    let empty = r#"{"op":"replace","path":"/spec/template/spec/volumes/1","value":{"name":"data","emptyDir":{}}}"#;
    let unmount = r#"{"op":"remove","path":"/spec/template/spec/containers/0/volumeMounts/0"}"#;
    let remove = r#"{"op":"remove","path":"/spec/template/spec/volumes/1"}"#;
    let elsewhere = r#"{"op":"replace","path":"/spec/template/spec/containers/0/volumeMounts/0/mountPath","value":"/data"}"#;
    let covered = vec![
        "refuses to mount another volume at /var/lib/postgresql/data/pgdata of container postgres",
        "It would cover files of the database",
    ];
    let renumbered = vec!["refuses to change spec.ordinals.start of StatefulSet"];
    let cover = r#"{"op":"add","path":"/spec/template/spec/volumes/-","value":{"name":"cover","emptyDir":{}}},{"op":"add","path":"/spec/template/spec/containers/0/volumeMounts/-","value":{"name":"cover","mountPath":"/var/lib/postgresql/data/pgdata"}}"#;
    let expression = r#"{"op":"add","path":"/spec/template/spec/containers/0/volumeMounts/0/subPathExpr","value":"other"}"#;
    let renumber = r#"{"op":"add","path":"/spec/ordinals","value":{"start":1}}"#;
    // The API server takes another spelling for another path, and the runtime mounts the later one
    // over the data.
    let (empty_dir, config) = (r#""emptyDir":{}"#, r#""configMap":{"name":"settings"}"#);
    let cinder = r#""cinder":{"volumeID":"c-1"}"#;
    let spelled = |path: &str, source: &str| {
        format!(
            r#"{{"op":"add","path":"/spec/template/spec/volumes/-","value":{{"name":"cover",{source}}}}},{{"op":"add","path":"/spec/template/spec/containers/0/volumeMounts/-","value":{{"name":"cover","mountPath":"{path}"}}}}"#
        )
    };
    let covered_there = vec![
        "refuses to mount another volume at",
        "It would cover files of the database",
    ];
    let twice = r#"{"op":"add","path":"/spec/template/spec/containers/0/volumeMounts/-","value":{"name":"data","mountPath":"/var/lib/postgresql/data/","subPath":"empty"}}"#;
    let all = [
        (cover.to_owned(), &covered),
        (spelled("/var/lib/postgresql/data/pgdata", cinder), &covered),
        (
            spelled("/var/lib/postgresql/data/", empty_dir),
            &covered_there,
        ),
        (
            spelled("/var/lib/postgresql/data/./", empty_dir),
            &covered_there,
        ),
        (
            spelled("//var/lib//postgresql/data", config),
            &covered_there,
        ),
        (
            spelled("/srv/../var/lib/postgresql/data", empty_dir),
            &covered_there,
        ),
        (twice.to_owned(), &covered_there),
        (expression.to_owned(), &unmounted),
        (renumber.to_owned(), &renumbered),
        (empty.to_owned(), &unclaimed),
        (format!("{unmount},{remove}"), &unclaimed),
        (unmount.to_owned(), &unmounted),
        (elsewhere.to_owned(), &unmounted),
    ];
    all.map(|(changes, tells)| (changes, tells.clone()))
        .to_vec()
}

fn assert_finalize_is_refused(scene: &Scene) {
    let complaint = format!(
        "{:#}",
        finalize(scene, "").expect_err("a namespace finalized")
    );
    assert_tells(&complaint, &["Holdfast refuses to"]);
}

/// The call that ends a namespace without a look at what is in it.
pub fn finalize(scene: &Scene, query: &str) -> anyhow::Result<String> {
    let namespace = scene.namespace();
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}, "spec": {"finalizers": []}});
    let file = write_file(&body.to_string());
    let path = file.path().display().to_string();
    let raw = format!("/api/v1/namespaces/{namespace}/finalize{query}");
    scene
        .testbed
        .kubectl(&["replace", "--raw", &raw, "-f", &path])
}

/// UIDs and resource versions of everything that is guarded, but the ProtectedDatabase, whose
/// status moves.
pub async fn guarded_objects(scene: &Scene, server: &Server) -> Vec<String> {
    let volume = volume_of(scene, &server.claim()).await.name_any();
    let version = "-o \
        jsonpath={.metadata.uid}/{.metadata.resourceVersion}/{.metadata.finalizers}/{.metadata.labels}";
    let mut all = Vec::new();
    for target in [
        format!("pvc {}", server.claim()),
        format!("pv {volume}"),
        format!("namespace {}", scene.namespace()),
    ] {
        all.push(scene.kubectl(&format!("get {target} {version}")));
    }
    all
}
