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
        write_own_report(scene, &client, &own).await.expect("its own report");
        for intrusion in intrusions(scene, &client, &own, &other).await {
            assert_tells(&intrusion.answer.expect_err(intrusion.fenced), &[intrusion.fenced]);
        }
        let check =
            DatabaseCheck::new("mine", DatabaseCheckSpec { database: NAME.to_owned(), trigger: CheckTrigger::Manual, target: None });
        let checks: Api<DatabaseCheck> = Api::namespaced(client, scene.namespace());
        checks.create(&PostParams::default(), &check).await.expect_err("a check, which its role does not allow");
    });
}

/// Something that an agent must not write, tried without storing it.
pub struct Intrusion {
    /// What the fence says to it.
    pub fenced: &'static str,
    /// What was answered.
    pub answer: Result<(), String>,
}

/// Tries what the agent's role allows and the fence does not.
pub async fn intrusions(scene: &Scene, client: &Client, own: &str, other: &str) -> Vec<Intrusion> {
    let backups: Api<DatabaseBackup> = Api::namespaced(client.clone(), scene.namespace());
    let lie = json!({"verdict": {"outcome": "Verified", "reason": "Verified", "message": "all is well"}});
    let backup = DatabaseBackup::new("not-its-own", DatabaseBackupSpec { database: NAME.to_owned() });
    let trial = PostParams { dry_run: true, ..PostParams::default() };
    let made = backups.create(&trial, &backup).await.map(drop).map_err(|error| error.to_string());
    vec![
        Intrusion { fenced: "the verdict is the operator's", answer: report(scene, client, own, lie, true).await },
        Intrusion { fenced: "of their own Job", answer: report(scene, client, other, json!({"startTime": START}), true).await },
        Intrusion { fenced: "of their own Job", answer: made },
    ]
}

const START: &str = "2026-01-01T00:00:00Z";

async fn write_own_report(scene: &Scene, client: &Client, own: &str) -> Result<(), String> {
    report(scene, client, own, json!({"startTime": START}), false).await
}

async fn report(scene: &Scene, client: &Client, name: &str, status: Value, dry_run: bool) -> Result<(), String> {
    let checks: Api<DatabaseCheck> = Api::namespaced(client.clone(), scene.namespace());
    let body = json!({"apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseCheck", "metadata": {"name": name}, "status": status});
    let parameters = PatchParams { dry_run, ..PatchParams::apply(names::AGENT_MANAGER).force() };
    checks.patch_status(name, &parameters, &Patch::Apply(body)).await.map(drop).map_err(|error| error.to_string())
}

/// A client with the token that the pod of a check's Job had.
pub async fn steal_token(scene: &Scene, job: &str) -> Client {
    let labelled = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={job}"));
    let pod = scene.api::<Pod>().list(&labelled).await.expect("pods").items.remove(0).name_any();
    let account = names::AGENT_SERVICE_ACCOUNT;
    let token = scene.kubectl(&format!("create token {account} --bound-object-kind=Pod --bound-object-name={pod}"));
    let kubeconfig = Kubeconfig::read_from(scene.testbed.layout().kubeconfig("admin")).expect("the kubeconfig");
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.expect("a configuration");
    config.auth_info = AuthInfo { token: Some(token.trim().to_owned().into()), ..AuthInfo::default() };
    Client::try_from(config).expect("a client")
}
