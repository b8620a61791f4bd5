//! The only node is tainted for databases alone: agents tolerate what the database's pod tolerates.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::ListParams;

use crate::data_lost::ask_for_a_check;
use crate::support::{Server, alone};

const TAINT: &str = "databases=only:NoSchedule";

#[test]
fn agents_run_on_a_node_that_is_tainted_for_databases() {
    alone("tainted", async |scene| {
        let server = Server::new(scene);
        server.start_filled(scene).await;
        let toleration = r#"{"spec":{"template":{"spec":{"tolerations":[{"key":"databases","operator":"Exists","effect":"NoSchedule"}]}}}}"#;
        let before = server.wait_ready(scene, None).await;
        scene.kubectl(&format!(
            "patch statefulset {} --type=merge -p {toleration}",
            server.name
        ));
        server.wait_ready(scene, Some(&before)).await;
        scene.kubectl(&format!("taint node --all {TAINT}"));
        let stranger = "run stranger --image=localhost/stranger --overrides={\"spec\":{\"securityContext\":{\"runAsNonRoot\":true,\"seccompProfile\":{\"type\":\"RuntimeDefault\"}},\"containers\":[{\"name\":\"stranger\",\"image\":\"localhost/stranger\",\"securityContext\":{\"allowPrivilegeEscalation\":false,\"capabilities\":{\"drop\":[\"ALL\"]}}}]}}";
        scene.kubectl(stranger);
        scene
            .wait("a pod without the toleration to be kept out", async || {
                let pods = scene.api::<Pod>().list(&ListParams::default()).await;
                let pods = pods.map_err(|error| error.to_string())?.items;
                let stranger = pods.iter().find(|pod| pod.name_any() == "stranger");
                let conditions = stranger
                    .and_then(|pod| pod.status.as_ref())
                    .and_then(|status| status.conditions.clone());
                let mut conditions = conditions.into_iter().flatten();
                conditions
                    .any(|found| found.reason.as_deref() == Some("Unschedulable"))
                    .then_some(())
                    .ok_or_else(|| format!("{stranger:?}"))
            })
            .await;
        scene.kubectl("delete pod stranger --wait=false");
        let database = crate::support::build_database(scene, &server);
        scene.protect(&database).await;
        scene.wait_green().await;
        ask_for_a_check(scene).await;
        scene.settle().await;
        scene.kubectl(&format!("taint node --all {TAINT}-"));
    });
}
