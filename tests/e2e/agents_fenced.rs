//! An agent's token, stolen from a Job that runs beside a database nobody trusts: it can write the status of its own check and nothing else.

use holdfast::api::{CheckTrigger, DatabaseBackup, DatabaseBackupSpec, DatabaseCheck, DatabaseCheckSpec, names};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, ResourceExt};
use serde_json::{Value, json};

use crate::data_lost::ask_for_a_check;
use crate::support::{NAME, Scene, Server, assert_tells, beside_others};

#[test]
fn an_agent_writes_about_its_own_job_only() {
    beside_others("fence", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        let own = scene.checks().await[0].name_any();
        let other = ask_for_a_check(scene).await.name_any();
        let client = steal_token(scene, &own).await;
        let checks: Api<DatabaseCheck> = Api::namespaced(client.clone(), scene.namespace());
        let backups: Api<DatabaseBackup> = Api::namespaced(client, scene.namespace());
        let report = |name: &str, status: Value| json!({"apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseCheck", "metadata": {"name": name}, "status": status});
        let apply = PatchParams::apply(names::AGENT_MANAGER).force();

        let written = checks.patch_status(&own, &apply, &Patch::Apply(report(&own, json!({"startTime": "2026-01-01T00:00:00Z"})))).await;
        written.expect("its own report");
        let lie = json!({"verdict": {"outcome": "Verified", "reason": "Verified", "message": "all is well"}});
        let refused = checks.patch_status(&own, &apply, &Patch::Apply(report(&own, lie))).await.expect_err("a verdict");
        assert_tells(&refused.to_string(), &["the verdict is the operator's"]);
        let refused =
            checks.patch_status(&other, &apply, &Patch::Apply(report(&other, json!({"startTime": "2026-01-01T00:00:00Z"})))).await;
        assert_tells(&refused.expect_err("another's report").to_string(), &["of their own Job"]);
        let backup = DatabaseBackup::new("not-its-own", DatabaseBackupSpec { database: NAME.to_owned() });
        let refused = backups.create(&PostParams::default(), &backup).await.expect_err("a backup of no Job");
        assert_tells(&refused.to_string(), &["of their own Job"]);
        let check =
            DatabaseCheck::new("mine", DatabaseCheckSpec { database: NAME.to_owned(), trigger: CheckTrigger::Manual, target: None });
        checks.create(&PostParams::default(), &check).await.expect_err("a check");
    });
}

/// A client with the token that the pod of a check's Job had.
async fn steal_token(scene: &Scene, job: &str) -> Client {
    let labelled = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={job}"));
    let pod = scene.api::<Pod>().list(&labelled).await.expect("pods").items.remove(0).name_any();
    let account = names::AGENT_SERVICE_ACCOUNT;
    let token = scene.kubectl(&format!("create token {account} --bound-object-kind=Pod --bound-object-name={pod}"));
    let kubeconfig = Kubeconfig::read_from(scene.testbed.layout().kubeconfig("admin")).expect("the kubeconfig");
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.expect("a configuration");
    config.auth_info = AuthInfo { token: Some(token.trim().to_owned().into()), ..AuthInfo::default() };
    Client::try_from(config).expect("a client")
}
