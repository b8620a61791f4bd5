//! The readiness gate, with an application that migrates and seeds whatever database answers:
//! ungated it writes into the fresh one, gated it never connects.

use holdfast::api::{ConditionStatus, ConditionType, ProtectedDatabase, TableRule, names, reasons};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use crate::data_lost::ask_for_a_check;
use crate::support::{
    ALL_ROWS, DATABASE, NAME, Scene, Server, assert_tells, beside_others, build_claim,
    build_plain_database, holdfast,
};

/// What the application leaves behind in a database that it took for its own.
const WRITTEN: &str = "SELECT count(*) FROM pg_class WHERE relname = 'written_by_the_app'";

#[test]
fn an_application_never_reaches_a_reset_database_behind_the_gate() {
    beside_others("gated", async |scene| {
        let server = Server::new(scene);
        start_gated(scene, &server, build_plain_database(scene, &server)).await;
        scene.apply(&[build_claim(scene.namespace(), "other-data")]);
        mount_other(scene, &server);
        scene.wait_reset(reasons::VOLUME_REPLACED).await;
        scene.apply(&[build_application(scene, &server)]);
        scene
            .wait_kubectl(
                "get pods -l job-name=application -o \
                jsonpath={.items[0].status.containerStatuses[0].state.running.startedAt}",
            )
            .await;
        wait_tries(scene).await;
        assert_eq!(
            gate(scene, &server).await,
            Some(("False".to_owned(), reasons::VOLUME_REPLACED.to_owned()))
        );
        assert_eq!(
            server.sql(scene, WRITTEN),
            "0",
            "nothing reached the fresh database"
        );

        // The data is back, and with it the traffic.
        let recovered = holdfast(
            scene,
            &format!("recover {NAME} -n {} --yes", scene.namespace()),
        );
        assert_eq!(recovered.code, Some(0), "{}", recovered.printed);
        server.wait_ready(scene, None).await;
        scene
            .wait_kubectl("wait job/application --for=condition=Complete --timeout=1s")
            .await;
        assert_eq!(server.sql(scene, WRITTEN), "1");
        assert_eq!(server.count(scene), ALL_ROWS);
        assert_eq!(
            gate(scene, &server).await,
            Some(("True".to_owned(), reasons::VERIFIED.to_owned()))
        );
    });
}

/// Shows that the test above can fail: it is the gate that keeps the application away.
#[test]
fn an_application_writes_into_a_reset_database_without_the_gate() {
    beside_others("ungated", async |scene| {
        let server = Server::new(scene);
        let start = scene.protect_plainly(&server).await;
        scene.apply(&[build_claim(scene.namespace(), "other-data")]);
        mount_other(scene, &server);
        scene.apply(&[build_application(scene, &server)]);
        scene.wait_reset(reasons::VOLUME_REPLACED).await;
        server.wait_ready(scene, Some(&start)).await;
        scene
            .wait_kubectl("wait job/application --for=condition=Complete --timeout=1s")
            .await;
        assert_eq!(
            server.sql(scene, WRITTEN),
            "1",
            "it took the fresh database for its own"
        );
    });
}

/// The Service of the host has no endpoint before the gate opens: it would never open.
#[test]
fn a_gated_pod_is_asked_itself_where_the_spec_names_a_host() {
    beside_others("gate-host", async |scene| {
        let server = Server::new(scene);
        let mut database = build_plain_database(scene, &server);
        database.spec.connection.host = Some(server.name.clone());
        start_gated(scene, &server, database).await;
        let changed = scene.refused(&format!(
            "patch protdb {NAME} --warnings-as-errors --type=merge -p {}",
            json!({"spec": {"connection": {"host": "127.0.0.1"}}})
        ));
        assert_tells(
            &changed,
            &[
                "spec.connection.host is not asked about pods with the readiness gate",
                "spec.connection.tls.serverName",
            ],
        );
        ask_for_a_check(scene).await;
        wait_gate(scene, &server, "True", reasons::VERIFIED).await;
    });
}

#[test]
fn the_gate_closes_on_a_loss_and_opens_when_a_person_accepts_it() {
    beside_others("gate-accept", async |scene| {
        let server = Server::new(scene);
        let mut database = build_plain_database(scene, &server);
        let rule = json!({"name": "public.knowledge_nodes"});
        database
            .spec
            .verification
            .tables
            .push(serde_json::from_value(rule).expect("a rule"));
        start_gated(scene, &server, database).await;
        server.sql(scene, "TRUNCATE knowledge_nodes");
        let lost = ask_for_a_check(scene).await;
        wait_gate(scene, &server, "False", reasons::TABLES_EMPTIED).await;
        let name = lost.metadata.name.expect("a name");
        scene.kubectl(&format!(
            "annotate protdb {NAME} {}={name}",
            names::ACCEPT_CHECK_ANNOTATION
        ));
        wait_gate(scene, &server, "True", reasons::VERIFIED).await;
        server.wait_ready(scene, None).await;
    });
}

#[test]
fn an_open_gate_stays_open_when_tables_that_nobody_listed_lose_their_rows() {
    beside_others("gate-unlisted", async |scene| {
        let server = Server::new(scene);
        start_gated(scene, &server, build_plain_database(scene, &server)).await;
        server.sql(scene, "TRUNCATE knowledge_nodes");
        ask_for_a_check(scene).await;
        scene.wait_reset(reasons::TABLES_EMPTIED).await;
        scene.settle().await;
        wait_gate(scene, &server, "True", reasons::VERIFIED).await;
    });
}

#[test]
fn what_becomes_of_a_pod_that_can_not_be_verified_is_the_users_choice() {
    beside_others("gate-unknown", async |scene| {
        let server = Server::new(scene);
        let mut database = build_plain_database(scene, &server);
        database.spec.verification.gate.timeout = "5s".to_owned();
        start_gated(scene, &server, database).await;
        scene.kubectl(
            "patch secret pg-holdfast --type=merge -p {\"stringData\":{\"password\":\"wrong\"}}",
        );
        scene.kubectl(&format!("delete pod {} --wait=false", server.pod()));
        let said = scene
            .wait_condition(
                ConditionType::Stalled,
                ConditionStatus::True,
                reasons::GATE_HELD,
            )
            .await;
        assert_tells(
            &said.message,
            &["gets no traffic", "not verified for 5s", "whenUnverifiable"],
        );
        assert_eq!(
            gate(scene, &server).await,
            Some(("False".to_owned(), reasons::GATE_HELD.to_owned()))
        );

        let (_, command) = said
            .message
            .split_once("anyway: kubectl ")
            .expect("a command");
        scene.kubectl(
            &command
                .replace('\'', "")
                .replace(&format!("-n {} ", scene.namespace()), ""),
        );
        wait_gate(scene, &server, "True", reasons::GATE_OPENED).await;
        server.wait_ready(scene, None).await;
        let unknown = scene.condition(ConditionType::DataVerified).await;
        assert_eq!(unknown.status, "Unknown", "let through is not verified");
    });
}

/// Without it the application could never make its first tables.
#[test]
fn a_database_that_is_really_new_passes_the_gate_and_is_green_once_it_has_rows() {
    beside_others("gate-new", async |scene| {
        let server = Server::new(scene);
        let mut manifests = build_gated(&server);
        for seed in manifests
            .iter_mut()
            .filter(|manifest| manifest["kind"] == "ConfigMap")
        {
            seed["data"] = json!({"seed.sql": "SELECT 'nothing is seeded'"});
        }
        scene.apply(&manifests);
        wait_for_answer(scene, &server).await;
        server.grant(scene);
        let mut database = build_plain_database(scene, &server);
        database.spec.verification.tables = vec![TableRule {
            name: "public.written_by_the_app".to_owned(),
            ..TableRule::default()
        }];
        scene.protect(&database).await;
        wait_gate(scene, &server, "True", reasons::NEW).await;
        scene
            .wait_condition(
                ConditionType::DataVerified,
                ConditionStatus::Unknown,
                reasons::NEW,
            )
            .await;
        server.wait_ready(scene, None).await;
        scene.apply(&[build_application(scene, &server)]);
        scene
            .wait_kubectl("wait job/application --for=condition=Complete --timeout=1s")
            .await;
        // Nobody asks: what could not be verified is looked at again.
        scene.wait_verified().await;
        wait_gate(scene, &server, "True", reasons::VERIFIED).await;
    });
}

/// A filled server whose pods ask for the gate, and the ProtectedDatabase without which it never
/// opens.
async fn start_gated(scene: &Scene, server: &Server, database: ProtectedDatabase) {
    scene.apply(&build_gated(server));
    wait_for_answer(scene, server).await;
    server.grant(scene);
    server.fill(scene);
    assert_eq!(gate(scene, server).await, None, "nobody has set it yet");
    scene.protect(&database).await;
    scene.wait_verified().await;
    server.wait_ready(scene, None).await;
    wait_gate(scene, server, "True", reasons::VERIFIED).await;
}

/// Waits until the server of a pod behind the gate answers.
async fn wait_for_answer(scene: &Scene, server: &Server) {
    // A pod behind the gate is not Ready, but its containers are, and not before the server that
    // initdb needs for itself has gone.
    scene
        .wait_kubectl(&format!(
            "wait pod/{} --for=condition=ContainersReady --timeout=1s",
            server.pod()
        ))
        .await;
    let answers = async || {
        scene
            .testbed
            .sql(scene.namespace(), &server.pod(), DATABASE, "SELECT 1")
            .map_err(|error| format!("{error:#}"))
    };
    scene.wait("the server to answer", answers).await;
}

/// A server whose pods ask for the gate.
fn build_gated(server: &Server) -> Vec<Value> {
    let mut manifests = server.build_manifests();
    for set in manifests
        .iter_mut()
        .filter(|manifest| manifest["kind"] == "StatefulSet")
    {
        set["spec"]["template"]["spec"]["readinessGates"] =
            json!([{"conditionType": names::DATA_VERIFIED_GATE}]);
    }
    manifests
}

/// Lets the pod template name another claim. The pod that mounts it need not become ready.
fn mount_other(scene: &Scene, server: &Server) {
    let patch = json!([{"op": "replace", "path": "/spec/template/spec/volumes/1/persistentVolumeClaim/claimName", "value": "other-data"}]);
    scene.kubectl(&format!(
        "patch statefulset {} --type=json -p {patch}",
        server.name
    ));
}

/// Status and reason of the pod's gate.
async fn gate(scene: &Scene, server: &Server) -> Option<(String, String)> {
    let pod = scene.api::<Pod>().get_opt(&server.pod()).await.ok()??;
    let condition = pod
        .status?
        .conditions?
        .into_iter()
        .find(|condition| condition.type_ == names::DATA_VERIFIED_GATE)?;
    Some((condition.status, condition.reason.unwrap_or_default()))
}

async fn wait_gate(scene: &Scene, server: &Server, status: &str, reason: &str) {
    let wanted = Some((status.to_owned(), reason.to_owned()));
    scene
        .wait(&format!("the gate to be {status} ({reason})"), async || {
            let seen = gate(scene, server).await;
            if seen == wanted {
                Ok(())
            } else {
                Err(format!("{seen:?}"))
            }
        })
        .await;
}

/// Waits until the application has tried a few times in vain.
async fn wait_tries(scene: &Scene) {
    scene
        .wait("the application to try", async || {
            let log = scene.try_kubectl("logs job/application")?;
            if log.matches("refused").count() >= 5 {
                Ok(())
            } else {
                Err(log)
            }
        })
        .await;
}

/// Connects through the Service until somebody answers, then makes its tables and seeds them.
fn build_application(scene: &Scene, server: &Server) -> Value {
    let migrate =
        "CREATE TABLE written_by_the_app (id int); INSERT INTO written_by_the_app VALUES (1)";
    let command = format!(
        "until psql -h {} -U admin -d {DATABASE} -v ON_ERROR_STOP=1 -c \"{migrate}\"; do sleep \
         0.5; done",
        server.name
    );
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "application", "namespace": scene.namespace()},
        "spec": {"template": {"spec": {
            "restartPolicy": "Never",
            "securityContext": {"runAsNonRoot": true, "runAsUser": 999, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "application", "image": testbed::POSTGRES_15_IMAGE, "imagePullPolicy": "IfNotPresent",
                "command": ["bash", "-c", command],
                "env": [{"name": "PGPASSWORD", "valueFrom": {"secretKeyRef": {"name": "pg-auth", "key": "password"}}}],
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            }],
        }}},
    })
}
