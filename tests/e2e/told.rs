//! The story, told: after a volume was switched, `explain` and `report` name both volumes, the
//! rows, the restart and the way back. What somebody may not read is said, and the rest is told all
//! the same.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use holdfast::api::reasons;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::support::{
    NAME, Ran, Scene, Server, Start, assert_ran, assert_tells, beside_others, build_claim,
    holdfast, volume_of,
};

#[test]
fn a_switched_volume_is_explained_and_reported() {
    beside_others("told", async |scene| {
        let server = Server::new(scene).as_superuser();
        let start = scene.protect_filled(&server).await;
        let namespace = scene.namespace();
        let explain = format!("explain {NAME} -n {namespace}");
        let green = holdfast(scene, &explain);
        assert_ran(
            &green,
            0,
            &[
                "the data is what was last known good (Verified)",
                "26,422 rows in 2 tables",
                "nothing needs to be done",
            ],
        );

        let old = volume_of(scene, "knowledge-data").await.name_any();
        scene.apply(&[build_claim(namespace, "other-data")]);
        let switched = server.mount(scene, "other-data", &start).await;
        scene.wait_reset(reasons::VOLUME_REPLACED).await;
        let check = scene.wait_judged(&switched).await.name_any();
        let new = volume_of(scene, "other-data").await.name_any();

        let told = [
            "THE DATA LOOKS RESET (VolumeReplaced)",
            "the pod runs on another volume than the one with the data",
            &format!("the data was on volume {old} (claim knowledge-data"),
            &format!("now it is on volume {new} (claim other-data"),
            "it is certainly another database cluster",
            "26,337",
            "99.8 % gone",
            &format!(
                "a new pod, on volume {new} of claim other-data instead of volume {old} of claim \
                 knowledge-data"
            ),
            "THE LAST GOOD ONE",
            "Kubernetes keeps events for about an hour",
            &format!("kubectl get pv {old} -o wide"),
            &format!("kubectl holdfast recover {NAME} -n {namespace}"),
            &format!("kubectl holdfast accept {NAME} -n {namespace} {check}"),
        ];
        assert_ran(&holdfast(scene, &explain), 3, &told);
        assert_data(
            &printed_json(scene, &format!("{explain} -o json")),
            &old,
            &new,
            &switched,
        );
        assert_data(
            &printed_json(scene, &format!("report {NAME} -n {namespace} -o json")),
            &old,
            &new,
            &switched,
        );

        let markdown = holdfast(scene, &format!("report {NAME} -n {namespace} -o md"));
        assert_ran(
            &markdown,
            3,
            &[
                "# Incident report",
                "### Is the volume still there?",
                &old,
                &new,
                "| all tables | `",
                "▁",
            ],
        );
        assert_page(scene, &old, &new);
    });
}

#[test]
fn what_may_not_be_read_is_said_and_the_rest_is_told() {
    beside_others("told-little", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        let namespace = scene.namespace();
        let reader = Reader::create(scene);
        let told = [
            "the data is what was last known good (Verified)",
            "What could not be read",
            "not allowed to list databasechecks.holdfast.dev in namespace",
            &format!("kubectl auth can-i list databasechecks.holdfast.dev -n {namespace}"),
            "volume  not known: not allowed to get persistentvolumes",
            "not allowed to list events in namespace",
        ];
        assert_ran(
            &reader.holdfast(scene, &format!("explain {NAME} -n {namespace}")),
            0,
            &told,
        );
        let page = reader.holdfast(scene, &format!("report {NAME} -n {namespace} -o html"));
        assert_ran(
            &page,
            0,
            &[
                "What could not be read",
                "not allowed to get statefulsets.apps",
                "</html>",
            ],
        );

        let absent = holdfast(scene, &format!("explain no-such -n {namespace}"));
        assert_ran(
            &absent,
            1,
            &["does not exist", "kubectl get protecteddatabases"],
        );
    });
}

fn printed_json(scene: &Scene, words: &str) -> Value {
    let ran = holdfast(scene, words);
    assert_eq!(ran.code, Some(3), "{}", ran.printed);
    serde_json::from_str(&ran.printed).unwrap_or_else(|error| panic!("{error}: {}", ran.printed))
}

fn assert_data(story: &Value, old: &str, new: &str, switched: &Start) {
    assert_eq!(story["assessment"]["state"], json!("Reset"));
    assert_eq!(
        story["assessment"]["reason"],
        json!(reasons::VOLUME_REPLACED)
    );
    assert_eq!(
        (&story["expected"]["rows"], &story["found"]["rows"]),
        (&json!(26_422), &json!(28))
    );
    let rows: Vec<_> = rows_of(story, "listed")
        .iter()
        .map(|table| {
            (
                table["expected"]["rows"].clone(),
                table["found"]["rows"].clone(),
            )
        })
        .collect();
    assert_eq!(rows, [(json!(26_337), json!(27)), (json!(85), json!(1))]);
    let volume = |name: &str| {
        story["volumes"]
            .as_array()
            .and_then(|all| all.iter().find(|volume| volume["volume"] == name))
            .cloned()
    };
    let (old, new) = (
        volume(old).expect("the old volume"),
        volume(new).expect("the new volume"),
    );
    assert_eq!(
        (&old["isThere"], &new["isThere"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(
        (&old["roles"][0], &new["roles"][0]),
        (&json!("Expected"), &json!("Found"))
    );
    let starts = story["starts"].as_array().expect("starts");
    let last = starts.last().expect("a start");
    assert_eq!(
        (starts.len(), &last["podUid"], &last["volumeChanged"]),
        (2, &json!(switched.pod_uid), &json!(true))
    );
    assert_eq!(story["questions"].as_array().map(Vec::len), Some(5));
    assert_eq!(
        story["unread"],
        json!([]),
        "an administrator may read everything"
    );
    let changed = &story["questions"][4]["answer"];
    assert!(
        changed
            .as_str()
            .is_some_and(|answer| answer.contains("claim knowledge-data -> other-data")),
        "{changed}"
    );
}

fn rows_of<'a>(story: &'a Value, which: &str) -> &'a [Value] {
    story["tables"][which]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// The page goes into a file once and no second time, and a real browser reads it.
fn assert_page(scene: &Scene, old: &str, new: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("report.html");
    let report = format!(
        "report {NAME} -n {} -o html --file {}",
        scene.namespace(),
        file.display()
    );
    assert_ran(&holdfast(scene, &report), 3, &["Written to"]);
    let page = fs::read_to_string(&file).expect("the report");
    assert_ran(&holdfast(scene, &report), 1, &["already exists", "--force"]);
    assert_eq!(fs::read_to_string(&file).expect("the report"), page);
    assert_ran(
        &holdfast(scene, &format!("{report} --force")),
        3,
        &["Written to"],
    );
    let seen = read_in_browser(&file);
    assert_tells(
        &seen,
        &[
            "<svg",
            "◆ other volume",
            ">26,337</text>",
            ">27</text>",
            ">85</text>",
            "Five questions",
            old,
            new,
        ],
    );
    assert_eq!(seen.matches("<svg viewBox=\"0 0 960").count(), 1);
}

/// The page as a browser understands it.
fn read_in_browser(file: &Path) -> String {
    let profile = tempfile::tempdir().expect("a folder for the profile");
    let mut browser = Command::new("chromium");
    browser.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
    ]);
    browser.args([
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--dump-dom",
    ]);
    browser
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}", file.display()));
    let output = browser.stdin(Stdio::null()).output().expect("chromium");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Somebody who may read ProtectedDatabases of the namespace, and nothing else.
struct Reader {
    folder: tempfile::TempDir,
}

impl Reader {
    fn create(scene: &Scene) -> Self {
        let namespace = scene.namespace();
        let metadata = json!({"name": "reader", "namespace": namespace});
        let role =
            json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"});
        scene.apply(&[
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}),
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata,
                "rules": [{"apiGroups": ["holdfast.dev"], "resources": ["protecteddatabases"], "verbs": ["get"]}]}),
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata, "roleRef": role,
                "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": namespace}]}),
        ]);
        let token = scene.kubectl("create token reader").trim().to_owned();
        let mut config: Value = serde_json::from_str(&scene.kubectl("config view --raw -o json"))
            .expect("a kubeconfig");
        config["users"][0]["user"] = json!({"token": token});
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("kubeconfig"), config.to_string()).expect("a kubeconfig");
        Self { folder }
    }

    fn holdfast(&self, scene: &Scene, words: &str) -> Ran {
        let mut command = scene.testbed.command("kubectl").expect("kubectl");
        command
            .env("KUBECONFIG", self.folder.path().join("kubeconfig"))
            .arg("holdfast")
            .args(words.split(' '))
            .stdin(Stdio::null());
        let output = command.output().expect("kubectl holdfast");
        let printed = [output.stdout, output.stderr]
            .map(|text| String::from_utf8_lossy(&text).into_owned())
            .concat();
        Ran {
            code: output.status.code(),
            printed,
        }
    }
}
