//! The process dies before and after each of its writes, one after the other, and the next one
//! finishes what it began: once, completely, and without losing the data at any moment. For
//! protecting a database, for a restart, for a `DatabaseRestore` and for `recover`.

use super::api_server::{CrashPoint, Moment};
use super::cluster::{Cluster, DATA_VOLUME, agent_jobs};
use super::recover_command::recover;
use super::reused_name;
use crate::api::ConfirmedVerb;

/// Dies at every write of `work`, in a cluster of its own each time, and lets `work` run once more.
/// Returns the writes of a run that nothing interrupts.
pub async fn sweep(
    prepared: &Cluster,
    work: impl AsyncFn(&Cluster, Option<CrashPoint>),
    done: impl Fn(&Cluster, Option<CrashPoint>),
) -> Vec<String> {
    for write in 1..200 {
        for moment in [Moment::Before, Moment::After] {
            let crash = CrashPoint { write, moment };
            let cluster = prepared.fork();
            work(&cluster, Some(crash)).await;
            if !cluster.server.has_crashed() {
                done(&cluster, None);
                return cluster.server.store().writes.clone();
            }
            cluster.settle_kubernetes();
            work(&cluster, None).await;
            done(&cluster, Some(crash));
        }
    }
    panic!("it never ends");
}

pub async fn operate(cluster: &Cluster, crash: Option<CrashPoint>) {
    let operator = cluster.operator(crash);
    cluster.operate(&operator).await;
}

/// Everything is protected and verified, and the data is where it was.
fn assert_verified(cluster: &Cluster, crash: Option<CrashPoint>) {
    assert!(cluster.keeps_data(), "{crash:?}");
    assert_eq!(
        cluster.mounted_volume().as_deref(),
        Some(DATA_VOLUME),
        "{crash:?}"
    );
    let is = |condition: &str| cluster.condition(condition).map(|(status, _)| status);
    assert_eq!(is("Guarded").as_deref(), Some("True"), "{crash:?}");
    assert_eq!(is("DataVerified").as_deref(), Some("True"), "{crash:?}");
    assert_eq!(is("DataReset").as_deref(), Some("False"), "{crash:?}");
}

/// One check for each start, and one Job for each check.
fn assert_checks(cluster: &Cluster, starts: usize, crash: Option<CrashPoint>) {
    let store = cluster.server.store();
    let checks: Vec<String> = store
        .all("databasechecks")
        .into_iter()
        .map(|((.., name), _)| name)
        .collect();
    assert_eq!(checks.len(), starts, "{crash:?}: {checks:?}");
    assert_eq!(agent_jobs(&store, "check"), checks, "{crash:?}");
}

/// A crash between the Job of the first backup and the status that calls the data good may leave a
/// backup that does not count; then another follows.
fn assert_backups(cluster: &Cluster, crash: Option<CrashPoint>) {
    let is_fresh = cluster.condition("BackupFresh").map(|(status, _)| status);
    assert_eq!(is_fresh.as_deref(), Some("True"), "{crash:?}");
    let store = cluster.server.store();
    let backups = store.all("databasebackups").len();
    assert_eq!(agent_jobs(&store, "backup").len(), backups, "{crash:?}");
    assert!(backups <= 2, "{crash:?}: {backups}");
}

/// The sweep has met every kind of write.
pub fn assert_covers(writes: &[String], wanted: &[&str]) {
    for place in wanted {
        assert!(
            writes.iter().any(|write| write == place),
            "no crash at {place}: {writes:?}"
        );
    }
}

pub async fn protected() -> Cluster {
    let cluster = Cluster::new();
    operate(&cluster, None).await;
    cluster
}

#[tokio::test]
async fn at_every_write_while_protecting() {
    let writes = sweep(&Cluster::new(), operate, |cluster, crash| {
        assert_verified(cluster, crash);
        assert_checks(cluster, 1, crash);
        assert_backups(cluster, crash);
    })
    .await;
    assert_covers(
        &writes,
        &[
            "PATCH protecteddatabases",
            "PATCH persistentvolumes",
            "PATCH persistentvolumeclaims",
            "PATCH statefulsets",
            "PATCH namespaces",
            "PATCH serviceaccounts",
            "PATCH rolebindings",
            "PATCH databaseledgers",
            "PATCH databaseledgers/status",
            "POST databasechecks",
            "POST jobs",
            "PATCH cronjobs",
            "PATCH databasechecks/status",
            "PATCH protecteddatabases/status",
        ],
    );
}

#[tokio::test]
async fn at_every_write_after_a_restart() {
    let cluster = protected().await;
    cluster.restart();
    let writes = sweep(&cluster, operate, |cluster, crash| {
        assert_verified(cluster, crash);
        assert_checks(cluster, 2, crash);
    })
    .await;
    assert_covers(
        &writes,
        &[
            "POST databasechecks",
            "POST jobs",
            "PATCH databasechecks/status",
            "PATCH protecteddatabases/status",
        ],
    );
}

#[tokio::test]
async fn at_every_write_of_a_restore() {
    let cluster = protected().await;
    cluster.switch_volume();
    operate(&cluster, None).await;
    let is_reset = cluster.condition("DataReset").map(|(status, _)| status);
    assert_eq!(is_reset.as_deref(), Some("True"));
    cluster.ask_for_restore();
    let writes = sweep(&cluster, operate, |cluster, crash| {
        assert_verified(cluster, crash);
        let store = cluster.server.store();
        let restore = store
            .get("databaserestores", "atra", "back")
            .expect("the restore");
        assert_eq!(
            restore["status"]["state"], "Complete",
            "{crash:?}: {restore}"
        );
        let volumes = store.all("persistentvolumes");
        assert_eq!(volumes.len(), 2, "{crash:?}: the replaced volume is kept");
        drop(store);
        assert_nothing_confirmed(cluster, crash);
    })
    .await;
    assert_covers(
        &writes,
        &[
            "PATCH databaserestores/status",
            "PATCH persistentvolumes",
            "PATCH statefulsets",
            "PATCH persistentvolumeclaims",
            "DELETE persistentvolumeclaims",
            "POST persistentvolumeclaims",
        ],
    );
}

/// Ledger and volume say that they are of the namespace that exists.
fn assert_of_namespace(cluster: &Cluster, crash: Option<CrashPoint>) {
    let uid = reused_name::namespace_uid(cluster);
    let remembered = reused_name::ledger(cluster)["status"]["namespaceUid"].clone();
    assert_eq!(remembered, uid, "{crash:?}");
    let store = cluster.server.store();
    for (_, volume) in store.all("persistentvolumes") {
        // One whose claim is gone is noted when it is bound again.
        let is_bound = volume["status"]["phase"] == "Bound";
        let noted = &volume["metadata"]["annotations"]["holdfast.dev/namespace-uid"];
        assert!(!is_bound || *noted == uid, "{crash:?}: {volume}");
    }
}

#[tokio::test]
async fn at_every_write_while_the_memory_of_an_older_version_is_adopted() {
    let cluster = protected().await;
    reused_name::forget_uids(&cluster);
    let writes = sweep(&cluster, operate, |cluster, crash| {
        assert_verified(cluster, crash);
        assert_of_namespace(cluster, crash);
    })
    .await;
    assert_covers(
        &writes,
        &["PATCH persistentvolumes", "PATCH databaseledgers/status"],
    );
}

#[tokio::test]
async fn at_every_write_after_a_namespace_was_accepted() {
    let cluster = reused_name::used_again().await;
    operate(&cluster, None).await;
    reused_name::accept(&cluster);
    sweep(&cluster, operate, |cluster, crash| {
        assert!(cluster.keeps_data(), "{crash:?}");
        assert_of_namespace(cluster, crash);
        let is_reset = cluster.condition("DataReset").map(|(status, _)| status);
        assert_eq!(is_reset.as_deref(), Some("True"), "{crash:?}");
    })
    .await;
}

/// Nothing is left that would permit to delete or change what was recovered.
fn assert_nothing_confirmed(cluster: &Cluster, crash: Option<CrashPoint>) {
    let store = cluster.server.store();
    for (key, object) in store.every() {
        for verb in ConfirmedVerb::ALL {
            let left = &object["metadata"]["annotations"][verb.annotation()];
            assert!(left.is_null(), "{crash:?}: {key:?} {left}");
        }
    }
}

fn assert_recovered(cluster: &Cluster, crash: Option<CrashPoint>) {
    assert_nothing_confirmed(cluster, crash);
    assert!(cluster.keeps_data(), "{crash:?}");
    assert_eq!(
        cluster.mounted_volume().as_deref(),
        Some(DATA_VOLUME),
        "{crash:?}"
    );
}

#[tokio::test]
async fn at_every_write_of_a_recovery_of_a_claim() {
    let cluster = protected().await;
    cluster.lose_claim();
    cluster.settle_kubernetes();
    let writes = sweep(&cluster, recover, assert_recovered).await;
    assert!(writes.len() >= 2, "{writes:?}");
}

/// The storage tries to delete such a volume again and again: Retain comes first, whoever recovers it.
#[tokio::test]
async fn at_every_write_of_a_recovery_of_a_volume_that_could_not_be_deleted() {
    let cluster = protected().await;
    cluster.fail_to_delete_volume();
    let writes = sweep(&cluster, recover, assert_recovered).await;
    assert_eq!(
        writes[..2],
        ["PATCH persistentvolumes", "PATCH persistentvolumes"],
        "Retain, then the reservation"
    );
    assert_covers(&writes, &["POST persistentvolumeclaims"]);
    cluster.ask_for_restore();
    let writes = sweep(&cluster, operate, |cluster, crash| {
        assert_verified(cluster, crash);
        let restored = cluster.get("databaserestores", "atra", "back");
        assert_eq!(restored["status"]["state"], "Complete", "{crash:?}");
    })
    .await;
    assert_covers(&writes, &["POST persistentvolumeclaims"]);
}

#[tokio::test]
async fn at_every_write_of_a_recovery_from_another_volume() {
    let cluster = protected().await;
    cluster.switch_volume();
    operate(&cluster, None).await;
    let writes = sweep(&cluster, recover, assert_recovered).await;
    assert!(writes.len() >= 6, "{writes:?}");
}

/// The volume names another claim, which does not exist: the guard asks for a confirmation of the
/// change, and whoever dies right after it leaves it behind.
#[tokio::test]
async fn at_every_write_of_a_recovery_of_a_volume_that_names_another_claim() {
    let cluster = protected().await;
    cluster.lose_claim();
    cluster.rename_claim_of_volume();
    let writes = sweep(&cluster, recover, assert_recovered).await;
    assert!(writes.len() >= 3, "{writes:?}");
}

/// The process dies between the confirmation and the deletion of the claim in the way, and before
/// the next one starts, the claim gets its volume back by other means.
#[tokio::test]
async fn a_confirmation_that_is_not_needed_any_more_is_removed() {
    let cluster = protected().await;
    cluster.confirm_claim(jiff::Timestamp::now());
    recover(&cluster, None).await;
    assert_recovered(&cluster, None);
}

/// A confirmation that has ended while no operator ran is removed by the next, in its first passes.
#[tokio::test]
async fn at_every_write_of_the_removal_of_a_confirmation_that_has_ended() {
    let cluster = protected().await;
    let hour_ago = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
    cluster.confirm_claim(hour_ago);
    let writes = sweep(&cluster, operate, |cluster, crash| {
        assert_verified(cluster, crash);
        assert_nothing_confirmed(cluster, crash);
    })
    .await;
    assert_covers(&writes, &["PATCH persistentvolumeclaims"]);
}

/// One that is in force is not removed, and the database is not called guarded.
#[tokio::test]
async fn a_confirmation_that_is_in_force_is_left_and_reported() {
    let cluster = protected().await;
    cluster.confirm_claim(jiff::Timestamp::now());
    operate(&cluster, None).await;
    let (status, reason) = cluster.condition("Guarded").expect("the condition");
    assert_eq!((status.as_str(), reason.as_str()), ("False", "Confirmed"));
    let store = cluster.server.store();
    let claim = store.get("persistentvolumeclaims", "atra", "data");
    let annotation = ConfirmedVerb::Delete.annotation();
    assert!(claim.expect("the claim")["metadata"]["annotations"][annotation].is_string());
}

#[tokio::test]
async fn at_every_write_of_a_recovery_of_a_namespace() {
    let cluster = protected().await;
    cluster.lose_namespace();
    let recover_and_apply = async |cluster: &Cluster, crash| {
        recover(cluster, crash).await;
        if !cluster.server.has_crashed() {
            cluster.apply_workload();
        }
    };
    let writes = sweep(&cluster, recover_and_apply, |cluster, crash| {
        assert_recovered(cluster, crash);
        let accepted = &reused_name::ledger(cluster)["metadata"]["annotations"];
        let uid = reused_name::namespace_uid(cluster);
        assert_eq!(accepted["holdfast.dev/accept-namespace"], uid, "{crash:?}");
        assert!(accepted["holdfast.dev/recreation"].is_null(), "{crash:?}");
    })
    .await;
    assert_covers(&writes, &["PATCH databaseledgers", "POST namespaces"]);
    assert!(writes.len() >= 6, "{writes:?}");
}
