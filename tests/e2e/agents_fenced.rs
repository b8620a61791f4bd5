//! An agent's token, stolen from a Job that runs beside a database nobody trusts: it can write the
//! status of its own check and nothing else.

use holdfast::api::{
    CheckTrigger, ConditionStatus, ConditionType, DatabaseBackup, DatabaseBackupSpec,
    DatabaseCheck, DatabaseCheckSpec, names, reasons,
};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::config::AuthInfo;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::data_lost::ask_for_a_check;
use crate::support::{
    NAME, Scene, Server, admin_config, assert_tells, beside_others, build_plain_database,
};

#[test]
fn an_agent_writes_about_its_own_job_only() {
    beside_others("fence", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        let own = scene.checks().await[0].name_any();
        let other = ask_for_a_check(scene).await.name_any();
        let client = steal_token(scene, &own).await;
        write_own_report(scene, &client, &own)
            .await
            .expect("its own report");
        for intrusion in intrusions(scene, &client, &own, &other).await {
            assert_tells(
                &intrusion.answer.expect_err(intrusion.fenced),
                &[intrusion.fenced],
            );
        }
        let check = DatabaseCheck::new(
            "mine",
            DatabaseCheckSpec {
                database: NAME.to_owned(),
                trigger: CheckTrigger::Manual,
                target: None,
            },
        );
        let checks: Api<DatabaseCheck> = Api::namespaced(client, scene.namespace());
        checks
            .create(&PostParams::default(), &check)
            .await
            .expect_err("a check, which its role does not allow");
    });
}

/// Somebody gave the agents of a namespace more than they need. A binding's role can't be changed: the
/// operator makes the binding again.
#[test]
fn another_role_of_the_agents_is_taken_from_them_and_said() {
    beside_others("fence-binding", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        scene.settle().await;
        let binding = names::AGENT_SERVICE_ACCOUNT;
        let create = format!(
            "create rolebinding {binding} --clusterrole=edit --serviceaccount={}:{binding}",
            scene.namespace()
        );
        // The operator may create its own in between.
        scene
            .wait("another binding of the name", async || {
                scene.kubectl(&format!("delete rolebinding {binding} --ignore-not-found"));
                scene.try_kubectl(&create)
            })
            .await;
        ask_for_a_check(scene).await;
        scene
            .wait_event(
                "Warning",
                reasons::AGENT_PERMISSIONS_CHANGED,
                "gave ClusterRole edit in place of ClusterRole holdfast-agent",
            )
            .await;
        scene.wait_green().await;
        let role = scene.kubectl(&format!(
            "get rolebinding {binding} -o jsonpath={{.roleRef.name}}"
        ));
        assert_eq!(role, names::AGENT_CLUSTER_ROLE);
    });
}

/// The agent that looks for files writes what it saw of them into its own check, and nothing that
/// is said of the data, under whatever field manager.
#[test]
fn an_agent_that_looks_for_files_writes_nothing_of_the_data() {
    beside_others("fence-files", async |scene| {
        let server = Server::new(scene);
        server.start_filled(scene).await;
        let mut database = build_plain_database(scene, &server);
        let rule =
            json!({"claim": server.claim(), "root": "uploads", "query": "select 'a' where false"});
        database.spec.verification.files = vec![serde_json::from_value(rule).expect("a rule")];
        scene.protect(&database).await;
        scene
            .wait_condition(
                ConditionType::FilesMatch,
                ConditionStatus::True,
                reasons::FILES_MATCH,
            )
            .await;
        let own = scene.checks().await.remove(0);
        let job = names::files_job(&own.uid().expect("a UID"), 0);
        let own = own.name_any();
        let other = ask_for_a_check(scene).await.name_any();
        let client = steal_token(scene, &job).await;
        let manager = names::files_manager(0);
        let write = async |manager: &str, name: &str, status: Value| {
            report_as(scene, &client, (manager, name), status, true).await
        };
        write(&manager, &own, json!({"files": [seen(0)]}))
            .await
            .expect("its own report");
        let failure = json!({"reason": "Timeout", "message": "it never answered"});
        for status in [
            json!({"startTime": START}),
            json!({"completionTime": START}),
            json!({"failure": failure}),
        ] {
            assert_tells(
                &write(&manager, &own, status)
                    .await
                    .expect_err("what is said of the data"),
                &["only files, not the data"],
            );
        }
        let taken_away = write(names::AGENT_MANAGER, &own, json!({"files": [seen(0)]})).await;
        assert_tells(
            &taken_away.expect_err("the evidence taken away under its manager"),
            &["only files, not the data"],
        );
        let verdict = json!({"verdict": {"outcome": "Verified", "reason": "Verified", "message": "all is well"}});
        write(&manager, &own, verdict).await.expect_err("a verdict");
        let foreign = write(&manager, &other, json!({"files": [seen(0)]})).await;
        assert_tells(
            &foreign.expect_err("the files of another check"),
            &["of its own Job"],
        );
    });
}

/// What an agent may have seen for a rule.
fn seen(rule: usize) -> Value {
    json!({"rule": rule, "claim": "uploads", "paths": 1, "found": 1, "files": 1})
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
    let lie =
        json!({"verdict": {"outcome": "Verified", "reason": "Verified", "message": "all is well"}});
    let backup = DatabaseBackup::new(
        "not-its-own",
        DatabaseBackupSpec {
            database: NAME.to_owned(),
        },
    );
    let trial = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let made = backups
        .create(&trial, &backup)
        .await
        .map(drop)
        .map_err(|error| error.to_string());
    vec![
        Intrusion {
            fenced: "only the operator writes the verdict",
            answer: report(scene, client, own, lie, true).await,
        },
        Intrusion {
            fenced: "does not report files",
            answer: report(scene, client, own, json!({"files": [seen(0)]}), true).await,
        },
        Intrusion {
            fenced: "of its own Job",
            answer: report(scene, client, other, json!({"startTime": START}), true).await,
        },
        Intrusion {
            fenced: "of its own Job",
            answer: made,
        },
    ]
}

const START: &str = "2026-01-01T00:00:00Z";

async fn write_own_report(scene: &Scene, client: &Client, own: &str) -> Result<(), String> {
    report(scene, client, own, json!({"startTime": START}), false).await
}

async fn report(
    scene: &Scene,
    client: &Client,
    name: &str,
    status: Value,
    dry_run: bool,
) -> Result<(), String> {
    report_as(scene, client, (names::AGENT_MANAGER, name), status, dry_run).await
}

/// A report by a field manager about a check.
async fn report_as(
    scene: &Scene,
    client: &Client,
    (manager, name): (&str, &str),
    status: Value,
    dry_run: bool,
) -> Result<(), String> {
    let checks: Api<DatabaseCheck> = Api::namespaced(client.clone(), scene.namespace());
    let body = json!({"apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseCheck", "metadata": {"name": name}, "status": status});
    let parameters = PatchParams {
        dry_run,
        ..PatchParams::apply(manager).force()
    };
    checks
        .patch_status(name, &parameters, &Patch::Apply(body))
        .await
        .map(drop)
        .map_err(|error| error.to_string())
}

/// A client with the token that the pod of a check's Job had.
pub async fn steal_token(scene: &Scene, job: &str) -> Client {
    let labelled = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={job}"));
    let pod = scene
        .api::<Pod>()
        .list(&labelled)
        .await
        .expect("pods")
        .items
        .remove(0)
        .name_any();
    let account = names::AGENT_SERVICE_ACCOUNT;
    let token = scene.kubectl(&format!(
        "create token {account} --bound-object-kind=Pod --bound-object-name={pod}"
    ));
    let mut config = admin_config(scene).await;
    config.auth_info = AuthInfo {
        token: Some(token.trim().to_owned().into()),
        ..AuthInfo::default()
    };
    Client::try_from(config).expect("a client")
}
