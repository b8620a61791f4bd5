//! A backup takes the place of what was lost: from the loss to verified by one command, with the old
//! database kept; after another initdb; and beside, to look at it.

use std::process::Command;

use holdfast::api::{
    ConditionStatus, ConditionType, DatabaseRestore, ProtectedDatabase, RestoreState, names,
    reasons,
};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::agents_fenced::steal_token;
use crate::data_lost::ask_for_a_check;
use crate::support::{
    ALL_ROWS, DATABASE, GRANTED_PASSWORD, GRANTED_ROLE, NAME, Ran, Runbook, Scene, Server,
    assert_ran, assert_tells, beside_others, build_database, holdfast,
};

/// The role that restores log in as.
const ROLE: &str = "holdfast_restore";
const PASSWORD: &str = "restore-password";

/// A ProtectedDatabase with a role for restores, and its Secret.
pub fn restorable(scene: &Scene, server: &Server) -> ProtectedDatabase {
    let mut database = build_database(scene, server);
    database.spec.restore = Some(
        serde_json::from_value(json!({"credentialsSecret": {"name": "pg-restore"}})).expect("it"),
    );
    scene.apply(&[json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "pg-restore", "namespace": scene.namespace()},
        "stringData": {"username": ROLE, "password": PASSWORD},
    })]);
    database
}

/// A database that may be restored: filled, backed up, and with a role for it.
pub async fn protect(scene: &Scene, server: &Server) -> ProtectedDatabase {
    protect_as(scene, server, |_| ()).await
}

/// The same with another spec.
async fn protect_as(
    scene: &Scene,
    server: &Server,
    change: impl FnOnce(&mut ProtectedDatabase),
) -> ProtectedDatabase {
    server.start_filled(scene).await;
    grant(scene, server);
    let mut database = restorable(scene, server);
    change(&mut database);
    scene.protect(&database).await;
    scene.wait_green().await;
    scene
        .wait("a backup that counts", async || {
            let status = scene.status().await;
            status
                .last_confirmed_backup
                .map(drop)
                .ok_or_else(|| "none yet".to_owned())
        })
        .await;
    database
}

/// What a user runs once: the SQL that the plugin prints.
pub fn grant(scene: &Scene, server: &Server) {
    let script = holdfast(scene, &format!("grant-sql --restore --database {DATABASE}"));
    assert_eq!(script.code, Some(0), "{}", script.printed);
    let script = format!(
        "{}\nALTER ROLE {ROLE} PASSWORD '{PASSWORD}';",
        script.printed
    );
    server.shell(
        scene,
        &format!(
            "psql -X -q -v ON_ERROR_STOP=1 -U \"$POSTGRES_USER\" -d {DATABASE} <<'END'\n{script}\nEND"
        ),
    );
}

/// Types the commands for the roles of Holdfast on a server that has none.
fn type_roles(runbook: &Runbook<'_>) {
    for command in [
        "kubectl holdfast grant-sql NAME -n NAMESPACE > checks.sql",
        "kubectl holdfast grant-sql NAME -n NAMESPACE --restore > restores.sql",
        "kubectl -n NAMESPACE exec -i statefulset/STATEFULSET -- psql -U SUPERUSER -d postgres < checks.sql",
        "kubectl -n NAMESPACE exec -i statefulset/STATEFULSET -- psql -U SUPERUSER -d postgres < restores.sql",
    ] {
        assert_ran(&runbook.run(command), 0, &[]);
    }
}

pub async fn wait_state(scene: &Scene, name: &str, state: RestoreState) -> DatabaseRestore {
    let restores = scene.api::<DatabaseRestore>();
    scene
        .wait(&format!("restore {name} to be {state:?}"), async || {
            let found = restores
                .get(name)
                .await
                .map_err(|error| error.to_string())?;
            let status = found.status.clone().unwrap_or_default();
            if status.state == Some(state) {
                Ok(found)
            } else {
                Err(format!("{:?}: {:?}", status.state, status.message))
            }
        })
        .await
}

#[test]
fn what_was_emptied_by_mistake_is_back_by_one_command_and_the_old_database_is_kept() {
    beside_others("backup-replace", async |scene| {
        let server = Server::new(scene);
        protect(scene, &server).await;
        let good = scene
            .status()
            .await
            .last_good_backup
            .expect("a backup")
            .name;
        server.sql(scene, "TRUNCATE knowledge_nodes");
        ask_for_a_check(scene).await;
        let said = scene.wait_reset(reasons::TABLES_EMPTIED).await;
        assert_tells(&said, &["kubectl holdfast restore knowledge"]);

        let namespace = scene.namespace();
        let runbook = Runbook::open(scene, "docs/runbooks/database-missing.md");
        assert_ran(
            &runbook.run("kubectl holdfast explain NAME -n NAMESPACE"),
            3,
            &["TablesEmptied", "kubectl holdfast restore"],
        );
        // No volume has the rows: every claim is bound, and what runs is not the data.
        assert_ran(
            &runbook.run("kubectl holdfast recover NAME -n NAMESPACE --dry-run"),
            3,
            &["Every claim is bound to its volume"],
        );
        // Nobody can be asked here, and nothing is created.
        let unasked = holdfast(scene, &format!("restore {NAME} -n {namespace}"));
        assert_ran(&unasked, 4, &[&good, "it looks reset", "--yes"]);
        assert!(scene.list::<DatabaseRestore>().await.is_empty());
        let run = runbook.run_answered("kubectl holdfast restore NAME -n NAMESPACE", NAME);
        assert_ran(
            &run,
            0,
            &[
                &good,
                "Complete",
                "ROWS IN THE BACKUP",
                "26,337",
                "before_restore",
            ],
        );

        assert_eq!(server.count(scene), ALL_ROWS);
        scene.wait_green().await;
        assert_ran(
            &runbook.run("kubectl holdfast status NAME -n NAMESPACE"),
            0,
            &["DataVerified"],
        );
        scene
            .assert_condition(
                ConditionType::DataReset,
                ConditionStatus::False,
                reasons::VERIFIED,
            )
            .await;
        let restore = scene.list::<DatabaseRestore>().await.remove(0);
        let report = restore
            .status
            .clone()
            .and_then(|status| status.report)
            .expect("a report");
        let kept = report.databases[0].kept_as.clone().expect("what was there");
        assert_eq!(server.count_in(scene, &kept), (ALL_ROWS.0, 0));
        assert!(
            report
                .outage_milliseconds
                .is_some_and(|outage| outage < 2_000),
            "{report:?}"
        );

        // A tool creates the same object again: it is not carried out again.
        let name = restore.name_any();
        scene.kubectl(&format!("delete dbrestore {name} --timeout=120s"));
        let mut again = DatabaseRestore::new(&name, restore.spec.clone());
        again.metadata.namespace = Some(namespace.to_owned());
        scene.apply(&[serde_json::to_value(&again).expect("JSON")]);
        let refused = wait_state(scene, &name, RestoreState::Failed).await;
        let message = refused
            .status
            .and_then(|status| status.message)
            .unwrap_or_default();
        assert_tells(&message, &["was carried out before", "nothing was changed"]);
    });
}

#[test]
fn after_another_initdb_the_newest_good_backup_is_verified_and_backed_up_without_another_command() {
    beside_others("backup-initdb", async |scene| {
        let server = Server::seventeen(scene);
        let database = protect(scene, &server).await;
        let start = server.wait_ready(scene, None).await;
        let runbook = Runbook::open(scene, "docs/runbooks/disk-lost.md")
            .with("STATEFULSET", server.name.clone())
            .with("CLAIM", server.claim())
            .with("SUPERUSER", "admin");
        let done = |ran: &Ran| assert_ran(ran, 0, &[]);
        done(&runbook.run("kubectl -n NAMESPACE scale statefulset STATEFULSET --replicas=0"));
        let unlock = "kubectl holdfast unlock pvc/CLAIM -n NAMESPACE";
        done(&runbook.run_answered(unlock, &server.claim()));
        done(&runbook.run("kubectl -n NAMESPACE delete pvc CLAIM"));
        done(&runbook.run("kubectl -n NAMESPACE scale statefulset STATEFULSET --replicas=1"));
        server.wait_ready(scene, Some(&start)).await;
        scene.wait_reset(reasons::VOLUME_REPLACED).await;
        type_roles(&runbook);
        // What each reader does on a terminal.
        server.sql(
            scene,
            &format!(
                "ALTER ROLE {GRANTED_ROLE} PASSWORD '{GRANTED_PASSWORD}'; ALTER ROLE {ROLE} PASSWORD '{PASSWORD}'"
            ),
        );
        let shown = runbook.run("kubectl holdfast restore NAME -n NAMESPACE --dry-run");
        let looked = "Nothing stands against it. Nothing was made or changed.";
        assert_ran(
            &shown,
            0,
            &["confirmed", "What is restored", "26,422 rows", looked],
        );
        let left = scene.kubectl("get dbrestore -o name");
        assert_eq!(left.trim(), "", "the command removes what it has asked by");
        let uid = scene.database().await.uid().expect("a UID");
        scene.apply(&[json!({
            "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseRestore",
            "metadata": {"name": "back", "namespace": scene.namespace()},
            "spec": {"database": NAME, "from": {"latestGood": true}, "into": "Replace", "confirm": uid},
        })]);
        let done = wait_state(scene, "back", RestoreState::Complete).await;
        let message = done
            .status
            .and_then(|status| status.message)
            .unwrap_or_default();
        assert_tells(&message, &["is restored", "has verified the data"]);
        assert_eq!(server.count(scene), ALL_ROWS);
        scene.wait_green().await;
        // Of this database cluster there was no backup.
        scene
            .wait("a backup of the new database cluster", async || {
                let good = scene.status().await.last_good_backup.ok_or("none")?;
                let of = good.system_identifier;
                let now = scene
                    .status()
                    .await
                    .baseline
                    .map(|baseline| baseline.system_identifier);
                if of == now {
                    Ok(())
                } else {
                    Err(format!("{of:?} {now:?}"))
                }
            })
            .await;
        let claims = scene.list::<PersistentVolumeClaim>().await;
        assert!(!claims.is_empty() && database.spec.restore.is_some());
    });
}

/// One table, with what belongs to it.
fn beside_by_table(scene: &Scene) {
    let namespace = scene.namespace();
    let table = "public.knowledge_nodes";
    let one = format!("restore {NAME} -n {namespace} --beside --table {table} --timeout 600");
    let run = holdfast(scene, &one);
    assert_ran(
        &run,
        0,
        &[
            "only public.knowledge_nodes",
            "26,337",
            "NOT RESTORED",
            "public.experts",
        ],
    );
}

#[test]
fn beside_changes_nothing_and_its_agent_writes_its_report_alone() {
    beside_others("backup-beside", async |scene| {
        let server = Server::new(scene);
        protect(scene, &server).await;
        let namespace = scene.namespace();
        let checks = scene.checks_but_of_backups().await.len();
        let run = holdfast(
            scene,
            &format!("restore {NAME} -n {namespace} --beside --timeout 600"),
        );
        assert_ran(&run, 0, &["Complete", "26,422"]);
        assert_eq!(server.count(scene), ALL_ROWS);
        let restore = scene.list::<DatabaseRestore>().await.remove(0);
        let status = restore.status.clone().expect("a status");
        let report = status.report.expect("a report");
        assert_eq!(
            server.count_in(scene, &report.databases[0].restored_as),
            ALL_ROWS
        );
        assert_eq!(scene.checks_but_of_backups().await.len(), checks);
        scene.wait_green().await;
        beside_by_table(scene);

        let client = steal_token(scene, &status.job.expect("a Job")).await;
        let (name, other) = (restore.name_any(), "another");
        scene.apply(&[json!({
            "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseRestore",
            "metadata": {"name": other, "namespace": namespace},
            "spec": {"database": "nobody", "from": {"latestGood": true}, "into": "Beside"},
        })]);
        let report = json!({"report": {"phase": "Done"}});
        write(scene, &client, &name, &report)
            .await
            .expect("its own report");
        let fenced = [
            (
                name.as_str(),
                json!({"state": "Failed"}),
                "writes status.report",
            ),
            (
                name.as_str(),
                json!({"set": {"backup": "b", "bucket": "b", "path": "p", "manifestSha256": "0"}}),
                "writes status.report",
            ),
            (
                name.as_str(),
                json!({"job": "other"}),
                "writes status.report",
            ),
            (other, report, "of its own Job"),
        ];
        for (name, status, says) in fenced {
            let refused = write(scene, &client, name, &status).await.expect_err(says);
            assert_tells(&refused, &[says]);
        }
    });
}

/// A key pair that Debian's `age-keygen` makes: the file of the private key, and the public one.
fn make_key() -> (String, String) {
    let made = Command::new("age-keygen")
        .output()
        .expect("age-keygen runs");
    let file = String::from_utf8(made.stdout).expect("text");
    let public = file
        .lines()
        .find_map(|line| line.strip_prefix("# public key: "));
    let public = public.expect("a public key").to_owned();
    (file, public)
}

#[test]
fn an_encrypted_set_is_restored_once_its_private_key_is_there() {
    beside_others("backup-encrypted", async |scene| {
        let (file, public) = make_key();
        let server = Server::new(scene);
        protect_as(scene, &server, |database| {
            let backup = database.spec.backup.as_mut().expect("spec.backup");
            let encryption = json!({"ageRecipients": [public]});
            backup.encryption = Some(serde_json::from_value(encryption).expect("it"));
        })
        .await;
        let namespace = scene.namespace();
        let restore = format!("restore {NAME} -n {namespace} --beside --timeout 600");
        let refused = holdfast(scene, &restore);
        assert_ne!(refused.code, Some(0), "{}", refused.printed);
        assert_tells(
            &refused.printed,
            &["spec.restore.identitySecret", &public, "nothing was made"],
        );
        assert!(
            !refused.printed.contains("SECRET-KEY"),
            "{}",
            refused.printed
        );
        scene.apply(&[json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "backup-key", "namespace": namespace},
            "stringData": {"identity.txt": file},
        })]);
        let secret = json!({"name": "backup-key", "key": "identity.txt"});
        let patch = json!({"spec": {"restore": {"identitySecret": secret}}});
        scene.kubectl(&format!("patch protdb {NAME} --type=merge -p {patch}"));
        let run = holdfast(scene, &restore);
        assert_ran(&run, 0, &["Complete", "26,422"]);
        assert_eq!(server.count(scene), ALL_ROWS);
    });
}

/// What the API server says to a status, written as an agent does, without storing it.
async fn write(scene: &Scene, client: &Client, name: &str, status: &Value) -> Result<(), String> {
    let restores: Api<DatabaseRestore> = Api::namespaced(client.clone(), scene.namespace());
    let body = json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseRestore", "metadata": {"name": name},
        "status": status,
    });
    let parameters = PatchParams {
        dry_run: true,
        ..PatchParams::apply(names::RESTORE_AGENT_MANAGER).force()
    };
    restores
        .patch_status(name, &parameters, &Patch::Apply(body))
        .await
        .map(drop)
        .map_err(|error| error.to_string())
}
