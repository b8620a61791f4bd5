//! The operator is uninstalled and installed again: as `docs/install.md` has it, and as accidents
//! have it. No database restarts, and nothing is forgotten that was not released on purpose.

use holdfast::api::{
    CheckOutcome, ConditionStatus, ConditionType, DatabaseCheck, ProtectedDatabase, reasons,
};
use holdfast::guard::definition_names;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, PostParams};

use super::guard_mended::wait_as_built;
use crate::change_refused::guarded_objects;
use crate::data_lost::ask_for_a_check;
use crate::deletion_refused::assert_everything_is_refused;
use crate::release::{assert_released, release};
use crate::support::{
    ALL_ROWS, NAME, NODES, OPERATOR_NAMESPACE, Scene, Server, Start, alone, assert_tells,
    build_plain_database, confirm_deletion, names_of, outcome, reclaim_policy, reinstall, shell,
    volume_of,
};

const DATABASES: &str = "protecteddatabases.holdfast.dev";

#[test]
fn without_the_operator_the_guard_stays_and_the_next_one_changes_nothing() {
    alone("reinstall-keep", async |scene| {
        let server = Server::new(scene);
        let start = scene.protect_filled(&server).await;
        scene.settle().await;
        let (before, baseline) = (
            guarded_objects(scene, &server).await,
            scene.status().await.baseline,
        );
        let checks = names_of(&scene.checks().await);

        let uninstalled = Uninstalled::begin(scene);
        uninstalled.delete_operator();
        assert_everything_is_refused(scene, &server).await;
        uninstalled.end();

        scene.settle().await;
        scene.wait_green().await;
        assert_eq!(
            guarded_objects(scene, &server).await,
            before,
            "every mark is there, and none was written again"
        );
        assert_eq!(scene.status().await.baseline, baseline);
        assert_eq!(
            names_of(&scene.checks().await),
            checks,
            "a start that was found good is not looked at again"
        );
        assert_eq!(
            outcome(&ask_for_a_check(scene).await),
            Some(CheckOutcome::Verified)
        );
        assert_untouched(scene, &server, &start).await;
    });
}

#[test]
fn released_on_purpose_and_uninstalled_nothing_is_left_but_the_data() {
    alone("reinstall-release", async |scene| {
        let server = Server::new(scene);
        let start = scene.protect_plainly(&server).await;
        release(scene).await;
        let uninstalled = Uninstalled::begin(scene);
        let words = [
            "-n",
            OPERATOR_NAMESPACE,
            "delete",
            "deployment",
            "holdfast",
            "--cascade=foreground",
            "--timeout=60s",
        ];
        scene.testbed.kubectl(&words).expect("the operator to go");
        for definition in definition_names() {
            confirm_deletion(scene, "crd", definition);
        }
        uninstalled
            .delete_manifest("--timeout=60s")
            .expect("everything to go");
        assert_eq!(
            scene.kubectl(
                "get crd,validatingadmissionpolicy,clusterrole -l app.kubernetes.io/name=holdfast \
            -o name"
            ),
            ""
        );
        assert_released(scene, &server).await;
        uninstalled.end();

        scene.protect(&build_plain_database(scene, &server)).await;
        scene.wait_green().await;
        assert_untouched(scene, &server, &start).await;
    });
}

/// The ProtectedDatabase goes with the operator, and so do its checks; the marks and the ledger
/// stay.
#[test]
fn a_database_that_was_lost_with_the_operator_is_adopted_from_its_marks_and_its_ledger() {
    alone("reinstall-lost", async |scene| {
        let server = Server::new(scene);
        let start = scene.protect_plainly(&server).await;
        scene.settle().await;
        let known = scene.status().await.baseline.expect("a baseline").check;
        let uninstalled = Uninstalled::begin(scene);
        uninstalled.delete_operator();
        scene.kubectl(
            "delete validatingadmissionpolicybinding,validatingadmissionpolicy -l \
            app.kubernetes.io/name=holdfast",
        );
        scene
            .wait_kubectl(&format!(
                "delete protdb {NAME} --wait=false --dry-run=server"
            ))
            .await;
        scene.kubectl(&format!("delete protdb {NAME} --wait=false"));
        scene.kubectl(&format!(
            "patch protdb {NAME} --type=merge -p {{\"metadata\":{{\"finalizers\":null}}}}"
        ));
        let everything = ListParams::default();
        scene
            .api::<DatabaseCheck>()
            .delete_collection(&DeleteParams::background(), &everything)
            .await
            .expect("a deletion");
        let marked = guarded_objects(scene, &server).await;
        server.sql(scene, "TRUNCATE knowledge_nodes");
        uninstalled.end();

        scene.protect(&build_plain_database(scene, &server)).await;
        let message = scene.wait_reset(reasons::TABLES_EMPTIED).await;
        assert_tells(
            &message,
            &[
                "public.knowledge_nodes: 26,337 -> 0 rows",
                &format!("DatabaseCheck {known}"),
            ],
        );
        scene.wait_guarded().await;
        let uids = |all: &[String]| {
            all.iter()
                .map(|one| one.split('/').next().unwrap_or_default().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(uids(&guarded_objects(scene, &server).await), uids(&marked));
        server.sql(
            scene,
            &format!(
                "INSERT INTO knowledge_nodes SELECT n, 1, 'again' FROM generate_series(1, {NODES}) \
            n"
            ),
        );
        assert_eq!(
            outcome(&ask_for_a_check(scene).await),
            Some(CheckOutcome::Verified)
        );
        scene.wait_green().await;
        assert_untouched(scene, &server, &start).await;
    });
}

/// `kubectl delete -f install.yaml`, and once more because the first had complained: policies and
/// definitions go. What has our finalizer stays, and `docs/guard.md` says how to go on.
#[test]
fn an_installation_that_was_deleted_by_force_is_put_back_and_loses_no_data() {
    alone("reinstall-forced", async |scene| {
        let server = Server::new(scene);
        let start = scene.protect_plainly(&server).await;
        scene.settle().await;
        let uninstalled = Uninstalled::begin(scene);
        let complaint = uninstalled
            .delete_manifest("--wait=false")
            .expect_err("the definitions are refused");
        assert_tells(
            &complaint,
            &["Holdfast refuses to delete CustomResourceDefinition"],
        );
        scene
            .wait(
                "the definitions to be let go without their policy",
                async || match uninstalled.delete_manifest("--wait=false") {
                    Err(complaint) if complaint.contains("Holdfast refuses") => Err(complaint),
                    _ => Ok(()),
                },
            )
            .await;
        assert_eq!(
            reclaim_policy(&volume_of(scene, &server.claim()).await),
            "Retain"
        );
        uninstalled.end();

        let said = scene
            .wait_condition(
                ConditionType::Stalled,
                ConditionStatus::True,
                reasons::DELETION_NOT_CONFIRMED,
            )
            .await;
        let (_, command) = said.message.split_once("Confirm: ").expect("a command");
        assert_everything_but_definitions_is_refused(scene, &server);
        shell(scene, command);
        scene
            .wait("the ProtectedDatabase to go", async || {
                match scene.try_kubectl(&format!("get protdb {NAME}")) {
                    Ok(printed) => Err(printed),
                    Err(_) => Ok(()),
                }
            })
            .await;
        wait_as_built(scene, DATABASES).await;
        // The definition is there a moment before it is served.
        let again = build_plain_database(scene, &server);
        scene
            .wait("the ProtectedDatabase to be accepted", async || {
                let created = scene
                    .api::<ProtectedDatabase>()
                    .create(&PostParams::default(), &again)
                    .await;
                created.map(drop).map_err(|error| error.to_string())
            })
            .await;
        scene.wait_green().await;
        assert_untouched(scene, &server, &start).await;
    });
}

/// The database's pod is the one that it was, and no container of it was restarted.
async fn assert_untouched(scene: &Scene, server: &Server, start: &Start) {
    assert_eq!(
        server.wait_ready(scene, None).await,
        *start,
        "the pod was not touched"
    );
    let pod = scene.get::<Pod>(&server.pod()).await;
    let restarts: i32 = pod
        .status
        .iter()
        .flat_map(|status| status.container_statuses.iter().flatten())
        .map(|one| one.restart_count)
        .sum();
    assert_eq!(restarts, 0, "{}", pod.name_any());
    assert_eq!(server.count(scene), ALL_ROWS);
}

fn assert_everything_but_definitions_is_refused(scene: &Scene, server: &Server) {
    for target in [
        format!("pvc {}", server.claim()),
        format!("statefulset {}", server.name),
        format!("namespace {}", scene.namespace()),
    ] {
        assert_tells(
            &scene.refused(&format!("delete {target} --wait=false")),
            &["Holdfast refuses to delete"],
        );
    }
}

/// The operator taken away; installed again at the latest when this is dropped.
struct Uninstalled<'a> {
    scene: &'a Scene,
    ended: bool,
}

impl<'a> Uninstalled<'a> {
    fn begin(scene: &'a Scene) -> Self {
        Self {
            scene,
            ended: false,
        }
    }

    /// What `helm uninstall` takes away: everything but definitions and policies. The operator's
    /// namespace goes too.
    fn delete_operator(&self) {
        self.scene
            .kubectl("delete clusterrole,clusterrolebinding -l app.kubernetes.io/name=holdfast");
        self.scene.kubectl(&format!(
            "delete namespace {OPERATOR_NAMESPACE} --timeout=120s"
        ));
    }

    /// `kubectl delete -f install.yaml`.
    fn delete_manifest(&self, waiting: &str) -> Result<String, String> {
        let manifest = self
            .scene
            .testbed
            .layout()
            .state()
            .join("install.yaml")
            .display()
            .to_string();
        // Its objects name their own namespace.
        let words = ["delete", "-f", &manifest, "--ignore-not-found", waiting];
        self.scene
            .testbed
            .kubectl(&words)
            .map_err(|error| format!("{error:#}"))
    }

    fn end(mut self) {
        self.ended = true;
        self.put_back();
    }

    /// Into a namespace that is going nothing can be installed.
    fn put_back(&self) {
        let words = [
            "wait",
            "--for=delete",
            &format!("namespace/{OPERATOR_NAMESPACE}"),
            "--timeout=120s",
        ];
        if self.is_namespace_going() {
            self.scene
                .testbed
                .kubectl(&words)
                .expect("the operator's namespace to go");
        }
        reinstall(self.scene.testbed);
    }

    fn is_namespace_going(&self) -> bool {
        let words = [
            "get",
            "namespace",
            OPERATOR_NAMESPACE,
            "--ignore-not-found",
            "-o",
            "jsonpath={.metadata.deletionTimestamp}",
        ];
        !self
            .scene
            .testbed
            .kubectl(&words)
            .expect("an answer")
            .is_empty()
    }
}

impl Drop for Uninstalled<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.put_back();
        }
    }
}
