//! A server that can't be looked at for a reason of its own: not knowing is not a reset, and not
//! green either.

use holdfast::api::{
    CheckOutcome, ConditionStatus, ConditionType, DatabaseCheck, find_condition, reasons,
};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::bad_input::calm::assert_never_reset;
use crate::data_lost::ask_for_a_check;
use crate::support::{
    ALL_ROWS, DATABASE, SEED_CONFIG_MAP, Scene, Server, assert_tells, beside_others,
    build_plain_database, cut_network, kill_container, mend_network, outcome, with_either,
};

#[test]
fn a_replica_proves_nothing_and_once_promoted_it_is_judged_as_what_it_is() {
    with_either("replica", async |scene, server| {
        let start = scene.protect_plainly(server).await;
        let good = scene.status().await.baseline.expect("a baseline").check;
        server.shell(scene, "touch $PGDATA/standby.signal");
        server.restart_pod(scene, &start).await;
        let said = scene
            .wait_condition(
                ConditionType::DataVerified,
                ConditionStatus::Unknown,
                reasons::IN_RECOVERY,
            )
            .await;
        assert_tells(&said.message, &["proves nothing about the primary"]);
        scene
            .assert_condition(
                ConditionType::DataReset,
                ConditionStatus::False,
                reasons::VERIFIED,
            )
            .await;
        assert_eq!(
            scene.status().await.baseline.expect("a baseline").check,
            good,
            "never a baseline from a replica"
        );

        server.sql(scene, "SELECT pg_promote()");
        let check = ask_for_a_check(scene).await;
        assert_eq!(
            outcome(&check),
            Some(CheckOutcome::Verified),
            "{:?}",
            check.status
        );
        assert_eq!(
            check
                .status
                .and_then(|status| status.evidence)
                .expect("evidence")
                .identity
                .timeline,
            2
        );
        scene.wait_verified().await;
        assert_never_reset(scene).await;
    });
}

/// `password` in `pg_hba.conf`, and no certificate that would prove who asks.
#[test]
fn a_password_is_not_sent_in_clear_to_a_server_that_may_be_anybody() {
    beside_others("password-asked", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        let let_in = |method: &str| {
            let line = format!("s/^host all all all .*/host all all all {method}/");
            server.shell(scene, &format!("sed -i '{line}' $PGDATA/pg_hba.conf"));
            server.sql(scene, "SELECT pg_reload_conf()");
        };
        let_in("password");
        ask_for_a_check(scene).await;
        let said = scene
            .wait_condition(
                ConditionType::DataVerified,
                ConditionStatus::Unknown,
                reasons::PASSWORD_NOT_SENT,
            )
            .await;
        assert_tells(
            &said.message,
            &["the password was not sent", "scram-sha-256", "caSecret"],
        );
        let_in("scram-sha-256");
        ask_for_a_check(scene).await;
        scene.wait_verified().await;
        assert_never_reset(scene).await;
    });
}

#[test]
fn two_primaries_of_one_workload_are_named() {
    beside_others("two-primaries", async |scene| {
        // Each pod has a claim of its own, and so a database cluster of its own.
        let server = Server::seventeen(scene);
        scene.protect_plainly(&server).await;
        // The second one makes the role of the checks, too: else nothing could be read there.
        let script = Server::build_grant_script(scene);
        let patch = json!({"data": {"role.sql": format!("\\c {DATABASE}\n{script}")}});
        scene
            .api::<ConfigMap>()
            .patch(
                SEED_CONFIG_MAP,
                &PatchParams::default(),
                &Patch::Merge(patch),
            )
            .await
            .expect("another script of initdb");
        server.scale(scene, 2);
        let names = [server.pod(), format!("{}-1", server.name)];
        scene
            .wait("both pods to be named", async || {
                let said = scene.condition(ConditionType::DataVerified).await;
                let says = names.iter().all(|name| said.message.contains(name))
                    && said.message.contains("are both primaries");
                if says { Ok(()) } else { Err(said.message) }
            })
            .await;
        scene.settle().await;
        let looks = scene.checks().await.len();
        assert!(looks <= 5, "{looks} checks of two starts");
    });
}

#[test]
fn a_server_without_a_free_connection_is_unknown_until_there_is_one() {
    with_either("connections", async |scene, server| {
        let start = scene.protect_plainly_within(server, "3s").await;
        server.sql(scene, "ALTER SYSTEM SET max_connections = 5");
        server.sql(scene, "ALTER SYSTEM SET superuser_reserved_connections = 0");
        server.sql(scene, "ALTER SYSTEM SET max_wal_senders = 0");
        server.restart_pod(scene, &start).await;
        scene.wait_verified().await;
        // Whatever else connects for a moment, such as a check, may be in the way of a session: each
        // connection that is found free is taken by one more.
        scene
            .wait("all connections to be taken", async || {
                let free =
                    scene
                        .testbed
                        .sql(scene.namespace(), &server.pod(), "postgres", "SELECT 1");
                match free {
                    Err(error) if format!("{error:#}").contains("too many clients") => Ok(()),
                    other => {
                        server.shell(
                            scene,
                            "setsid psql -U admin -d postgres -c 'select pg_sleep(600)' \
                             </dev/null >/dev/null 2>&1 &",
                        );
                        Err(format!("{other:?}"))
                    }
                }
            })
            .await;
        let check = ask_for_a_check(scene).await;
        assert_unknown(scene, &check, reasons::TOO_MANY_CONNECTIONS).await;
        server.shell(scene, "pkill psql");
        assert_verified_again(scene).await;
    });
}

#[test]
fn a_full_disk_is_unknown_until_there_is_room() {
    with_either("disk-full", async |scene, server| {
        let mut manifests = server.build_manifests();
        for set in manifests
            .iter_mut()
            .filter(|manifest| manifest["kind"] == "StatefulSet")
        {
            let pod = &mut set["spec"]["template"]["spec"];
            // A file system of its own that has an end, and somebody beside Postgres who fills it.
            pod["volumes"][1] =
                json!({"name": "data", "emptyDir": {"medium": "Memory", "sizeLimit": "160Mi"}});
            let mut filler = pod["containers"][0].clone();
            filler["name"] = "filler".into();
            filler["command"] = json!(["sleep", "infinity"]);
            for field in ["args", "readinessProbe", "ports", "env"] {
                filler.as_object_mut().expect("a container").remove(field);
            }
            pod["containers"]
                .as_array_mut()
                .expect("containers")
                .push(filler);
        }
        scene.apply(&manifests);
        let start = server.wait_ready(scene, None).await;
        server.grant(scene);
        server.fill(scene);
        let mut database = build_plain_database(scene, server);
        database.spec.workload.container = Some("postgres".to_owned());
        scene.protect(&database).await;
        scene.wait_verified().await;

        let beside = |command: &str| {
            let command = ["bash", "-c", command];
            scene
                .testbed
                .exec(scene.namespace(), &server.pod(), "filler", &command)
                .unwrap_or_else(|error| panic!("{error:#}"))
        };
        beside("dd if=/dev/zero of=/var/lib/postgresql/data/filler bs=4k 2>/dev/null || true");
        kill_container(&start);
        scene
            .wait("the data to be not known", async || {
                let verified = scene.condition(ConditionType::DataVerified).await;
                if verified.status == "Unknown" {
                    Ok(())
                } else {
                    Err(format!("{verified:?}"))
                }
            })
            .await;
        scene.wait_kubectl(&format!("wait pod/{} \
            --for=jsonpath={{.status.containerStatuses[?(@.name==\"postgres\")].state.waiting.reason}}=CrashLoopBackOff --timeout=1s", server.pod())).await;
        assert_never_reset(scene).await;
        beside("rm /var/lib/postgresql/data/filler");
        server.wait_ready(scene, Some(&start)).await;
        scene.wait_verified().await;
        assert_never_reset(scene).await;
        assert_eq!(server.count(scene), ALL_ROWS);
    });
}

#[test]
fn a_network_that_is_cut_between_check_and_database_is_unknown_until_it_is_mended() {
    beside_others("cut", async |scene| {
        let server = Server::new(scene);
        let start = scene.protect_plainly_within(&server, "3s").await;
        cut_network(&start);
        let check = ask_for_a_check(scene).await;
        assert_unknown(scene, &check, reasons::CONNECTION_FAILED).await;
        mend_network(&start);
        assert_verified_again(scene).await;
    });
}

/// A replica of another database cluster is no replica of this one.
#[test]
fn a_replica_of_another_database_cluster_is_a_reset() {
    with_either("replica-of-other", async |scene, server| {
        let start = scene.protect_filled(server).await;
        server.remove_data(scene);
        let fresh = server.restart_pod(scene, &start).await;
        scene.wait_reset(reasons::CLUSTER_REINITIALIZED).await;
        server.grant(scene);
        server.shell(scene, "touch $PGDATA/standby.signal");
        server.restart_pod(scene, &fresh).await;
        let check = ask_for_a_check(scene).await;
        assert_eq!(outcome(&check), Some(CheckOutcome::Suspected), "{check:?}");
        let status = check.status.expect("a status");
        assert!(status.evidence.expect("evidence").identity.in_recovery);
        scene.wait_reset(reasons::CLUSTER_REINITIALIZED).await;
    });
}

#[test]
fn a_server_that_recovers_for_long_is_starting_and_then_good() {
    with_either("starting", async |scene, server| {
        let start = scene.protect_plainly_within(server, "3s").await;
        // A standby that takes no connections is what a server in crash recovery is to everybody
        // who asks.
        server.sql(scene, "ALTER SYSTEM SET hot_standby = off");
        server.shell(scene, "touch $PGDATA/standby.signal");
        server.restart_pod_unready(scene, &start).await;
        scene
            .wait_condition(
                ConditionType::DataVerified,
                ConditionStatus::Unknown,
                reasons::SERVER_STARTING,
            )
            .await;
        scene
            .assert_condition(
                ConditionType::DataReset,
                ConditionStatus::False,
                reasons::VERIFIED,
            )
            .await;
        server.shell(scene, "pg_ctl promote");
        assert_verified_again(scene).await;
    });
}

async fn assert_unknown(scene: &Scene, check: &DatabaseCheck, reason: &str) {
    let verdict = check
        .status
        .as_ref()
        .and_then(|status| status.verdict.clone())
        .expect("a verdict");
    assert_eq!(
        (verdict.outcome, verdict.reason.as_str()),
        (CheckOutcome::Unverifiable, reason),
        "{}: {}",
        check.name_any(),
        verdict.message
    );
    scene
        .assert_condition(
            ConditionType::DataReset,
            ConditionStatus::False,
            reasons::VERIFIED,
        )
        .await;
}

async fn assert_verified_again(scene: &Scene) {
    scene
        .wait("a check that verifies the data", async || {
            let check = ask_for_a_check(scene).await;
            if outcome(&check) == Some(CheckOutcome::Verified) {
                Ok(())
            } else {
                Err(format!("{:?}", check.status))
            }
        })
        .await;
    scene.wait_verified().await;
    assert_never_reset(scene).await;
}

#[test]
fn a_first_check_without_rows_is_not_green() {
    beside_others("no-rows", async |scene| {
        let server = Server::new(scene);
        server.start_filled(scene).await;
        server.sql_in(scene, "postgres", "CREATE DATABASE fresh");
        let mut database = build_plain_database(scene, &server);
        "fresh".clone_into(&mut database.spec.connection.database);
        scene.protect(&database).await;
        scene
            .wait("the first check to say that it found no rows", async || {
                let conditions = scene.status().await.conditions;
                let verified = find_condition(&conditions, ConditionType::DataVerified);
                let is_said = |verified: &&Condition| {
                    verified.status == "Unknown"
                        && [reasons::NEW, reasons::NO_ROWS].contains(&verified.reason.as_str())
                };
                let found = verified.filter(is_said).map(|_| ());
                found.ok_or_else(|| format!("{verified:?}"))
            })
            .await;
        server.sql_in(
            scene,
            "fresh",
            "CREATE TABLE first AS SELECT n FROM generate_series(1, 5) n",
        );
        assert_eq!(
            outcome(&ask_for_a_check(scene).await),
            Some(CheckOutcome::Verified)
        );
        scene.wait_green().await;
    });
}
