//! Two servers on one data directory: a Deployment that starts the new pod before the old one has
//! stopped, and a pod of somebody else on the claim. The database itself is well in both.

use holdfast::api::{ConditionStatus, ConditionType, WorkloadKind, reasons};
use serde_json::{Value, json};

use crate::support::{
    NAME, Scene, Server, assert_ran, assert_tells, beside_others, build_holder,
    build_plain_database, holdfast,
};

#[test]
fn a_deployment_that_would_run_two_servers_is_told_with_the_command_and_green_after_it() {
    beside_others("two-servers", async |scene| {
        let server = Server::new(scene).as_superuser();
        scene.apply(&deployment(&server));
        scene
            .wait_kubectl(&format!(
                "wait deployment/{} --for=condition=Available --timeout=1s",
                server.name
            ))
            .await;
        let doctor = format!("doctor -n {}", scene.namespace());
        let command = format!("patch deployment {} --type=merge", server.name);
        assert_ran(
            &holdfast(scene, &doctor),
            3,
            &["two servers may run", &command],
        );

        let mut database = build_plain_database(scene, &server);
        database.spec.workload.kind = Some(WorkloadKind::Deployment);
        scene.protect(&database).await;
        let told = wait_guarded(scene, ConditionStatus::False, reasons::SERVERS_MAY_OVERLAP).await;
        assert_tells(&told, &[&server.claim(), "ReadWriteOncePod", &command]);
        scene
            .wait_condition(
                ConditionType::Ready,
                ConditionStatus::False,
                reasons::NOT_READY,
            )
            .await;

        let (_, patch) = told.split_once("kubectl -n ").expect("a command");
        let (_, patch) = patch.split_once(' ').expect("a namespace");
        let (patch, _) = patch.split_once(". With accessModes").expect("its end");
        scene.kubectl(&patch.replace('\'', ""));
        wait_guarded(scene, ConditionStatus::True, reasons::GUARDED).await;

        // Whoever goes back is warned; who changes nothing that starts pods is not.
        let rolling = json!({"spec": {"strategy": {"type": "RollingUpdate"}}});
        let warned = complaint(
            scene,
            &[
                "patch",
                "deployment",
                &server.name,
                "-p",
                &rolling.to_string(),
            ],
        );
        assert_tells(&warned, &["Holdfast warns", "two servers", "Recreate"]);
        let calm = complaint(
            scene,
            &["annotate", "deployment", &server.name, "team=data"],
        );
        assert!(!calm.contains("Holdfast warns"), "{calm}");
        wait_guarded(scene, ConditionStatus::False, reasons::SERVERS_MAY_OVERLAP).await;
    });
}

#[test]
fn a_pod_of_somebody_on_the_claim_is_told_until_it_is_gone() {
    beside_others("claim-twice", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        scene.apply(&[build_holder(scene, "holder", &server.claim())]);
        let told = wait_guarded(scene, ConditionStatus::False, reasons::CLAIM_MOUNTED_TWICE).await;
        assert_tells(&told, &["holder", &server.pod(), "delete pod holder"]);
        let doctor = holdfast(scene, &format!("doctor -n {}", scene.namespace()));
        assert_tells(&doctor.printed, &["have claim", "at once"]);
        scene.kubectl("delete pod holder --force --grace-period=0");
        scene.wait_green().await;
        assert_ran(
            &holdfast(scene, &format!("recover {NAME} -n {}", scene.namespace())),
            0,
            &["nothing to bring back"],
        );
    });
}

async fn wait_guarded(scene: &Scene, status: ConditionStatus, reason: &str) -> String {
    scene
        .wait_condition(ConditionType::Guarded, status, reason)
        .await
        .message
}

/// What kubectl prints beside its answer.
fn complaint(scene: &Scene, words: &[&str]) -> String {
    let mut command = scene.testbed.command("kubectl").expect("kubectl");
    let output = command
        .args(["-n", scene.namespace()])
        .args(words)
        .output()
        .expect("an answer");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{complaint}");
    complaint
}

/// The server as a Deployment with the strategy that it gets by default.
fn deployment(server: &Server) -> Vec<Value> {
    let mut manifests = server.build_manifests();
    for set in manifests
        .iter_mut()
        .filter(|manifest| manifest["kind"] == "StatefulSet")
    {
        set["kind"] = "Deployment".into();
        set["spec"]
            .as_object_mut()
            .expect("a spec")
            .remove("serviceName");
    }
    manifests
}
