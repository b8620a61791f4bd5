//! A namespace whose name was used before: what is remembered of the one before is not shown, compared,
//! restored or overwritten until somebody who may write the ledger says that it is the same owner's.

use serde_json::{Value, json};

use super::cluster::{Cluster, DATA_VOLUME};
use super::recover_command::recover;
use crate::decide::recover::plan_recovery;
use crate::recovery::look;

const LEDGER: &str = "atra.knowledge";

async fn operate(cluster: &Cluster) {
    let operator = cluster.operator(None);
    cluster.operate(&operator).await;
}

/// Protected and verified; then the namespace is deleted, and somebody else gets the name.
pub async fn used_again() -> Cluster {
    let cluster = Cluster::new();
    operate(&cluster).await;
    cluster.lose_namespace();
    cluster.use_name_again();
    cluster
}

pub fn ledger(cluster: &Cluster) -> Value {
    cluster.get("databaseledgers", "", LEDGER)
}

pub fn namespace_uid(cluster: &Cluster) -> Value {
    cluster.get("namespaces", "", "atra")["metadata"]["uid"].clone()
}

pub fn accept(cluster: &Cluster) {
    let annotations = json!({"holdfast.dev/accept-namespace": namespace_uid(cluster)});
    let accepted = json!({"metadata": {"annotations": annotations}});
    cluster.change("databaseledgers", "", LEDGER, &accepted);
}

/// Nothing of the one before is in what its successor can read.
fn assert_hidden(cluster: &Cluster) {
    for (plural, name) in [
        ("protecteddatabases", "knowledge"),
        ("databaserestores", "back"),
    ] {
        let store = cluster.server.store();
        let Some(object) = store.get(plural, "atra", name) else {
            continue;
        };
        let said = object["status"].to_string();
        let restored = plural == "databaserestores";
        for secret in ["experts", "knowledge_nodes", "26,4", DATA_VOLUME] {
            // The name of the volume is in the request itself.
            let is_own = restored && secret == DATA_VOLUME;
            assert!(is_own || !said.contains(secret), "{plural}: {said}");
        }
    }
}

fn assert_held(cluster: &Cluster) {
    let is = |type_| cluster.condition(type_).expect("a condition");
    let replaced = |status: &str| (status.to_owned(), "NamespaceReplaced".to_owned());
    assert_eq!(is("Stalled"), replaced("True"));
    assert_eq!(is("Guarded"), replaced("False"));
    assert_eq!(is("DataVerified"), replaced("Unknown"));
    assert_eq!(is("Ready").0, "False");
    assert_hidden(cluster);
}

#[tokio::test]
async fn nothing_of_the_one_before_is_shown_compared_or_overwritten() {
    let cluster = used_again().await;
    let (before, volume) = (
        ledger(&cluster),
        cluster.get("persistentvolumes", "", DATA_VOLUME),
    );
    operate(&cluster).await;
    assert_held(&cluster);
    assert_eq!(ledger(&cluster), before);
    assert_eq!(cluster.get("persistentvolumes", "", DATA_VOLUME), volume);
    let database = cluster.get("protecteddatabases", "atra", "knowledge");
    let conditions = database["status"]["conditions"].to_string();
    let command = format!(
        "kubectl annotate dbledger {LEDGER} --overwrite holdfast.dev/accept-namespace={}",
        namespace_uid(&cluster).as_str().expect("a UID")
    );
    assert!(conditions.contains(&command), "{conditions}");
    assert_eq!(cluster.server.store().all("databasechecks"), []);
}

#[tokio::test]
async fn a_restore_mounts_nothing_of_the_one_before() {
    let cluster = used_again().await;
    cluster.ask_for_restore();
    operate(&cluster).await;
    let restore = cluster.get("databaserestores", "atra", "back");
    assert_eq!(restore["status"]["state"], "Blocked", "{restore}");
    assert_held(&cluster);
    assert_ne!(cluster.mounted_volume().as_deref(), Some(DATA_VOLUME));
    assert!(cluster.keeps_data());
}

/// Without a ledger of its name, the volume alone says whose it is.
#[tokio::test]
async fn a_volume_of_the_one_before_is_not_restored_without_a_ledger_either() {
    for noted in [true, false] {
        let cluster = used_again().await;
        let key = (
            "databaseledgers".to_owned(),
            String::new(),
            LEDGER.to_owned(),
        );
        cluster.server.store().remove(&key);
        if !noted {
            // An older version, or one that nobody ever guarded.
            let bare = json!({"metadata": {"annotations": null, "labels": null}});
            cluster.change("persistentvolumes", "", DATA_VOLUME, &bare);
        }
        cluster.ask_for_restore();
        operate(&cluster).await;
        let restore = cluster.get("databaserestores", "atra", "back");
        assert_eq!(restore["status"]["state"], "Blocked", "{noted}: {restore}");
        assert_ne!(cluster.mounted_volume().as_deref(), Some(DATA_VOLUME));

        // Who may write the volume says that it is the same owner's.
        let annotations = json!({"holdfast.dev/namespace-uid": namespace_uid(&cluster)});
        let said = json!({"metadata": {"annotations": annotations}});
        cluster.change("persistentvolumes", "", DATA_VOLUME, &said);
        operate(&cluster).await;
        assert_eq!(
            cluster.mounted_volume().as_deref(),
            Some(DATA_VOLUME),
            "{noted}"
        );
    }
}

#[tokio::test]
async fn once_accepted_it_is_the_past_of_the_database_again() {
    let cluster = used_again().await;
    operate(&cluster).await;
    accept(&cluster);
    operate(&cluster).await;
    let is_reset = cluster.condition("DataReset").map(|(status, _)| status);
    assert_eq!(
        is_reset.as_deref(),
        Some("True"),
        "the data is not there yet"
    );
    cluster.ask_for_restore();
    operate(&cluster).await;
    assert_eq!(cluster.mounted_volume().as_deref(), Some(DATA_VOLUME));
    let is_verified = cluster.condition("DataVerified").map(|(status, _)| status);
    assert_eq!(is_verified.as_deref(), Some("True"));
    let status = ledger(&cluster)["status"].clone();
    assert_eq!(status["namespaceUid"], namespace_uid(&cluster));
    let volume = cluster.get("persistentvolumes", "", DATA_VOLUME);
    let noted = &volume["metadata"]["annotations"]["holdfast.dev/namespace-uid"];
    assert_eq!(*noted, namespace_uid(&cluster));
}

/// The acceptance of one namespace is none of the next.
#[tokio::test]
async fn a_namespace_after_the_accepted_one_is_held_again() {
    let cluster = used_again().await;
    accept(&cluster);
    cluster.lose_namespace();
    cluster.use_name_again();
    operate(&cluster).await;
    assert_held(&cluster);
}

#[tokio::test]
async fn the_successor_can_leave_and_takes_nothing_along() {
    let cluster = used_again().await;
    operate(&cluster).await;
    let (before, volume) = (
        ledger(&cluster),
        cluster.get("persistentvolumes", "", DATA_VOLUME),
    );
    let off = json!({"spec": {"guard": {"deletion": "Off"}}});
    cluster.change("protecteddatabases", "atra", "knowledge", &off);
    operate(&cluster).await;
    assert_hidden(&cluster);
    assert_eq!(ledger(&cluster), before, "its deletion stays refused");
    assert_eq!(cluster.get("persistentvolumes", "", DATA_VOLUME), volume);
}

/// A ledger of an older version, which does not say of which namespace it is.
pub fn forget_uids(cluster: &Cluster) {
    let old = json!({"status": {"namespaceUid": null}});
    cluster.change("databaseledgers", "", LEDGER, &old);
    // The lock on the store ends with this statement.
    let volumes = cluster.server.store().all("persistentvolumes");
    for (key, _) in volumes {
        let old = json!({"metadata": {"annotations": {"holdfast.dev/namespace-uid": null}}});
        cluster
            .server
            .store()
            .update(&key, |volume| json_patch::merge(volume, &old));
    }
}

#[tokio::test]
async fn an_older_ledger_is_adopted_where_its_own_objects_live_and_held_elsewhere() {
    let cluster = Cluster::new();
    operate(&cluster).await;
    forget_uids(&cluster);
    let elsewhere = cluster.fork();
    let changes = cluster.server.store().version();
    operate(&cluster).await;
    assert!(cluster.server.store().version() > changes);
    assert_eq!(
        ledger(&cluster)["status"]["namespaceUid"],
        namespace_uid(&cluster)
    );
    let volume = cluster.get("persistentvolumes", "", DATA_VOLUME);
    let noted = &volume["metadata"]["annotations"]["holdfast.dev/namespace-uid"];
    assert_eq!(*noted, namespace_uid(&cluster));
    let is_guarded = cluster.condition("Guarded").map(|(status, _)| status);
    assert_eq!(is_guarded.as_deref(), Some("True"));

    elsewhere.lose_namespace();
    elsewhere.use_name_again();
    let before = ledger(&elsewhere);
    elsewhere.ask_for_restore();
    operate(&elsewhere).await;
    assert_held(&elsewhere);
    assert_eq!(ledger(&elsewhere), before);
    assert_ne!(elsewhere.mounted_volume().as_deref(), Some(DATA_VOLUME));
}

/// Objects with our finalizer outlive a namespace whose deletion is ended by force, and appear in the
/// next one of the name, with their UIDs.
#[tokio::test]
async fn what_survived_its_namespace_proves_nothing() {
    for is_old in [false, true] {
        let cluster = Cluster::new();
        operate(&cluster).await;
        if is_old {
            forget_uids(&cluster);
        }
        let key = ("namespaces".to_owned(), String::new(), "atra".to_owned());
        cluster.server.store().remove(&key);
        // Times have whole seconds.
        let later = (jiff::Timestamp::now() + jiff::Span::new().seconds(2)).to_string();
        cluster.create("namespaces", "", json!({"metadata": {"name": "atra"}}));
        let created = json!({"metadata": {"creationTimestamp": later}});
        cluster.change("namespaces", "", "atra", &created);
        let before = ledger(&cluster);
        operate(&cluster).await;
        let stalled = cluster.condition("Stalled").expect("a condition");
        assert_eq!(stalled.1, "NamespaceReplaced", "{is_old}");
        assert_eq!(ledger(&cluster), before, "{is_old}");
    }
}

/// The text by which a recovery knows the namespace that it has created comes with a copy of that
/// namespace, and says nothing any more.
#[tokio::test]
async fn a_copy_of_a_namespace_that_was_recreated_is_another_one() {
    let cluster = Cluster::new();
    operate(&cluster).await;
    cluster.lose_namespace();
    recover(&cluster, None).await;
    let recreated = cluster.get("namespaces", "", "atra");
    cluster.apply_workload();
    operate(&cluster).await;
    let is_verified = cluster.condition("DataVerified").map(|(status, _)| status);
    assert_eq!(
        is_verified.as_deref(),
        Some("True"),
        "recover has accepted its own"
    );
    assert_eq!(
        ledger(&cluster)["status"]["namespaceUid"],
        namespace_uid(&cluster)
    );

    cluster.lose_namespace();
    cluster.use_name_again();
    let copied = json!({"metadata": {"annotations": recreated["metadata"]["annotations"]}});
    cluster.change("namespaces", "", "atra", &copied);
    operate(&cluster).await;
    assert_held(&cluster);
    let recovery = look(&cluster.server.client(None), "atra", "knowledge", None).await;
    assert!(recovery.plan.is_err(), "{:?}", recovery.plan);
    assert!(plan_recovery(&recovery.observed).is_err());
}
