//! Jobs, those of a schedule too, that the API server refuses, as a quota, a policy or a webhook makes it: the
//! conditions say so in its words, and the next try has a pause. With the real pass.

use kube::runtime::controller::Action;

use super::cluster::Cluster;
use super::sample::Sample;
use crate::api::{ConditionStatus, ConditionType, ProtectedDatabase, find_condition};
use crate::decide::{decide, say_refused};
use crate::engine::{Context, reconcile};
use crate::plan::{Plan, Step};

const QUOTA: &str = "jobs.batch \"check\" is forbidden: exceeded quota: none, requested: \
    count/jobs.batch=1, used: count/jobs.batch=0, limited: count/jobs.batch=0";
const INVALID: &str = "CronJob.batch \"backup\" is invalid: spec.jobTemplate.spec.template.spec.\
    tolerations[0].operator: Invalid value: \"Sometimes\"";

/// A cluster in which nothing is due soon, whatever time it is.
pub(super) fn rarely_due() -> Cluster {
    let cluster = Cluster::new();
    let rare = serde_json::json!({"spec": {
        "verification": {"schedule": "Off"}, "backup": {"schedule": "0 3 29 2 *"},
    }});
    cluster.change("protecteddatabases", "atra", "knowledge", &rare);
    cluster
}

fn refusing(verb: &str, plural: &str, code: u16, message: &str) -> Cluster {
    let cluster = rarely_due();
    cluster.server.store().refuse(verb, plural, code, message);
    cluster
}

pub(super) fn said(cluster: &Cluster, condition: ConditionType) -> (String, String, String) {
    let database = cluster.get("protecteddatabases", "atra", "knowledge");
    let database: ProtectedDatabase = super::sample_parts::from(database);
    let conditions = database.status.expect("a status").conditions;
    let found = find_condition(&conditions, condition).expect("the condition");
    (
        found.status.clone(),
        found.reason.clone(),
        found.message.clone(),
    )
}

pub(super) async fn pass(cluster: &Cluster, operator: &Context) -> Action {
    cluster.show_volumes(operator);
    let passed = reconcile(operator, "atra", "knowledge").await;
    cluster.settle_kubernetes();
    passed.expect("a pass in which nothing but a Job is refused")
}

pub(super) fn asked(cluster: &Cluster, write: &str) -> usize {
    let store = cluster.server.store();
    store.writes.iter().filter(|done| *done == write).count()
}

#[tokio::test]
async fn a_check_that_is_refused_is_said_in_the_words_of_the_api_server_and_waits() {
    let cluster = refusing("POST", "jobs", 403, QUOTA);
    let operator = cluster.operator(None);
    cluster.operate(&operator).await;
    let (status, reason, message) = said(&cluster, ConditionType::DataVerified);
    assert_eq!(
        (status.as_str(), reason.as_str()),
        ("Unknown", "AgentNotStarted"),
        "{message}"
    );
    assert!(message.contains("the API server refuses Job"), "{message}");
    assert!(message.contains("exceeded quota: none"), "{message}");
    assert!(
        message.contains("kubectl holdfast check -n atra"),
        "{message}"
    );
    // However many passes there are, the Job is not asked for again before its time.
    let tries = asked(&cluster, "POST jobs");
    assert_eq!(tries, 1, "{:?}", cluster.server.store().writes);
    for _ in 0..5 {
        pass(&cluster, &operator).await;
    }
    assert_eq!(asked(&cluster, "POST jobs"), tries);
    let checks = cluster.server.store().all("databasechecks");
    assert_eq!(checks.len(), 1, "one try, one report");
    assert_eq!(
        checks[0].1["status"]["verdict"]["reason"],
        "AgentNotStarted"
    );
}

/// Its guard does not wait for it, and neither does the CronJob.
#[tokio::test]
async fn a_check_that_is_refused_holds_nothing_else() {
    let cluster = refusing("POST", "jobs", 422, INVALID);
    let operator = cluster.operator(None);
    cluster.operate(&operator).await;
    let (status, ..) = said(&cluster, ConditionType::Guarded);
    assert_eq!(status, "True");
    assert_eq!(cluster.server.store().all("cronjobs").len(), 1);
    assert_eq!(cluster.server.store().all("databaseledgers").len(), 1);
}

#[tokio::test]
async fn a_cron_job_that_is_refused_is_said_and_its_pauses_grow() {
    let cluster = refusing("PATCH", "cronjobs", 422, INVALID);
    let operator = cluster.operator(None);
    let mut actions = Vec::new();
    for _ in 0..20 {
        actions.push(pass(&cluster, &operator).await);
        use_whole_seconds(&cluster);
        cluster.end_jobs();
    }
    let (status, reason, message) = said(&cluster, ConditionType::BackupFresh);
    assert_eq!(
        (status.as_str(), reason.as_str()),
        ("False", "AgentNotStarted"),
        "{message}"
    );
    assert!(
        message.contains("the API server refuses CronJob"),
        "{message}"
    );
    assert!(message.contains("Sometimes"), "{message}");
    let pause = |seconds| Action::requeue(std::time::Duration::from_secs(seconds));
    let last = actions.last().expect("a pass");
    let writes = cluster.server.store().writes.clone();
    assert_eq!(
        *last,
        pause(300),
        "{actions:?} {:?}",
        &writes[writes.len().saturating_sub(12)..]
    );
    assert!(
        actions.contains(&pause(10)) && actions.contains(&pause(20)),
        "{actions:?}"
    );

    // It is written as soon as nobody refuses it any more.
    cluster.server.store().refuse_nothing();
    cluster.operate(&operator).await;
    assert_eq!(cluster.server.store().all("cronjobs").len(), 1);
}

/// A backup that is fresh is fresh, whatever keeps the next one from beginning.
#[test]
fn a_fresh_backup_stays_fresh_beside_a_cron_job_that_is_refused() {
    let Sample(observed) = Sample::settled();
    let mut plan = decide(&observed);
    let fresh = |plan: &Plan| {
        let mut conditions = plan.conditions.iter();
        let fresh = conditions.find(|found| found.condition == ConditionType::BackupFresh);
        fresh.expect("BackupFresh").clone()
    };
    let before = fresh(&plan);
    assert_eq!(before.status, ConditionStatus::True);
    let refused = Step::ApplyCronJob(Box::default());
    say_refused(&observed, &refused, INVALID, &mut plan);
    let after = fresh(&plan);
    assert_eq!((after.status, after.reason), (before.status, before.reason));
    assert!(after.message.contains("Sometimes"), "{}", after.message);
}

/// Times as the API server stores them: with fractions the ledger would differ from what it is written
/// as, and be written in each pass.
fn use_whole_seconds(cluster: &Cluster) {
    let mut store = cluster.server.store();
    for (key, check) in store.all("databasechecks") {
        let text = check.to_string();
        let mut parts = text.split('.');
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let rest = part.trim_start_matches(|digit: char| digit.is_ascii_digit());
            if rest.starts_with('Z') {
                whole.push_str(rest);
            } else {
                whole.push('.');
                whole.push_str(part);
            }
        }
        let whole = serde_json::from_str(&whole).expect("the check");
        store.update(&key, |check| *check = whole);
    }
}

#[tokio::test]
async fn a_first_backup_that_is_refused_is_a_failed_backup() {
    let cluster = Cluster::new();
    let operator = cluster.operator(None);
    for _ in 0..40 {
        pass(&cluster, &operator).await;
        // The check is through; the backup is not.
        if !cluster.server.store().all("jobs").is_empty() {
            cluster.server.store().refuse("POST", "jobs", 403, QUOTA);
        }
    }
    let backups = cluster.server.store().all("databasebackups");
    assert_eq!(backups.len(), 1, "{backups:?}");
    let status = &backups[0].1["status"];
    assert_eq!(status["state"], "Failed", "{status}");
    assert_eq!(status["reason"], "AgentNotStarted", "{status}");
    let (_, _, message) = said(&cluster, ConditionType::BackupFresh);
    assert!(message.contains("exceeded quota"), "{message}");
}

/// One Job that could not be created keeps no other from being created.
#[tokio::test]
async fn a_backup_that_could_not_be_scheduled_keeps_no_check_from_being_made() {
    let cluster = refusing("PATCH", "cronjobs", 500, "failed calling webhook \"a.b\"");
    let operator = cluster.operator(None);
    for _ in 0..20 {
        cluster.show_volumes(&operator);
        let _ = reconcile(&operator, "atra", "knowledge").await;
        cluster.settle_kubernetes();
    }
    assert!(asked(&cluster, "PATCH cronjobs") > 0);
    assert!(asked(&cluster, "POST jobs") > 0);
}

/// A mark that is refused is a fault of the installation, not what a namespace may ask of its pods.
#[tokio::test]
async fn what_makes_no_pod_may_not_be_refused() {
    let cluster = refusing("PATCH", "persistentvolumes", 403, "cannot patch resource");
    let operator = cluster.operator(None);
    let mut failed = 0;
    for _ in 0..20 {
        cluster.show_volumes(&operator);
        failed += usize::from(reconcile(&operator, "atra", "knowledge").await.is_err());
        cluster.settle_kubernetes();
    }
    assert!(failed > 0);
}

/// That the API server could not decide is no refusal: the check is still to be made.
#[tokio::test]
async fn an_answer_that_is_no_refusal_is_a_failed_pass() {
    for code in [409, 429, 500, 503] {
        let cluster = refusing("POST", "jobs", code, "failed calling webhook \"a.b\"");
        let operator = cluster.operator(None);
        let mut failed = 0;
        for _ in 0..20 {
            cluster.show_volumes(&operator);
            failed += usize::from(reconcile(&operator, "atra", "knowledge").await.is_err());
            cluster.settle_kubernetes();
        }
        assert!(failed > 0, "{code}");
        let checks = cluster.server.store().all("databasechecks");
        assert!(checks[0].1["status"]["verdict"].is_null(), "{code}");
    }
}

const NO_ACCOUNT: &str = "serviceaccounts \"holdfast-agent\" is forbidden: exceeded quota: small, \
    requested: count/serviceaccounts=1, used: count/serviceaccounts=1, limited: count/serviceaccounts=1";

/// Agents can't have their service account or its role: the guard stands and the ledger is written, the
/// conditions say why nothing is checked, and nothing is asked for every few seconds.
#[tokio::test]
async fn agents_without_their_identity_keep_nothing_else_from_being_written() {
    for plural in ["serviceaccounts", "rolebindings"] {
        let cluster = refusing("PATCH", plural, 403, NO_ACCOUNT);
        let operator = cluster.operator(None);
        let mut actions = Vec::new();
        for _ in 0..20 {
            actions.push(pass(&cluster, &operator).await);
        }
        assert_eq!(said(&cluster, ConditionType::Guarded).0, "True");
        let ledgers = cluster.server.store().all("databaseledgers");
        assert_eq!(ledgers.len(), 1, "{plural}");
        assert_eq!(
            ledgers[0].1["status"]["volumes"][0]["volume"],
            super::cluster::DATA_VOLUME
        );
        assert_eq!(cluster.server.store().all("databasechecks").len(), 1);
        assert_eq!(asked(&cluster, "POST jobs"), 0, "a Job without an account");
        for condition in [ConditionType::DataVerified, ConditionType::BackupFresh] {
            let (status, reason, message) = said(&cluster, condition);
            assert_ne!(status, "True");
            assert_eq!(reason, "AgentNotStarted", "{message}");
            assert!(message.contains("exceeded quota: small"), "{message}");
            assert!(
                message.contains("kubectl holdfast check -n atra"),
                "{message}"
            );
        }
        let longest = Action::requeue(std::time::Duration::from_mins(5));
        assert_eq!(actions.last(), Some(&longest), "{actions:?}");

        cluster.server.store().refuse_nothing();
        cluster.operate(&operator).await;
        assert_eq!(said(&cluster, ConditionType::DataVerified).0, "True");
    }
}

/// A webhook of others adds something to what the operator writes, and the operator's own fence refuses
/// that: the words say whose it is and what to do.
#[tokio::test]
async fn what_the_fence_refuses_because_others_have_added_it_is_said() {
    const FENCED: &str = "jobs.batch \"check\" is forbidden: ValidatingAdmissionPolicy \
        'holdfast-operator-fence' with binding 'holdfast-operator-fence' denied request: Holdfast's \
        operator creates the Jobs of its agents and no others: nothing of the node, and no other service \
        account; spec.template.spec.hostAliases is none of theirs";
    let cluster = refusing("POST", "jobs", 422, FENCED);
    let operator = cluster.operator(None);
    cluster.operate(&operator).await;
    let (_, _, message) = said(&cluster, ConditionType::DataVerified);
    for part in [
        "spec.template.spec.hostAliases",
        "webhook or policy of others has added that",
        "app.kubernetes.io/managed-by=holdfast",
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert!(
        message.ends_with("kubectl holdfast check -n atra"),
        "{message}"
    );
}

/// A quota on our own kinds.
#[tokio::test]
async fn a_check_that_can_not_be_created_is_said_and_holds_nothing_else() {
    const QUOTA: &str = "databasechecks.holdfast.dev \"x\" is forbidden: exceeded quota: none";
    let cluster = refusing("POST", "databasechecks", 403, QUOTA);
    let operator = cluster.operator(None);
    for _ in 0..20 {
        pass(&cluster, &operator).await;
    }
    assert_eq!(said(&cluster, ConditionType::Guarded).0, "True");
    assert_eq!(cluster.server.store().all("databaseledgers").len(), 1);
    assert_eq!(cluster.server.store().all("cronjobs").len(), 1);
    let (status, reason, message) = said(&cluster, ConditionType::DataVerified);
    assert_eq!(
        (status.as_str(), reason.as_str()),
        ("Unknown", "AgentNotStarted")
    );
    assert!(message.contains("exceeded quota: none"), "{message}");
}

/// A mark that a policy of others refuses: everything else is guarded, remembered and checked.
#[tokio::test]
async fn a_mark_that_is_refused_is_said_and_holds_nothing_else() {
    const DENIED: &str =
        "ValidatingAdmissionPolicy 'team' with binding 'team' denied request: no team";
    for (plural, code) in [
        ("statefulsets", 422),
        ("statefulsets", 403),
        ("namespaces", 422),
    ] {
        let cluster = refusing("PATCH", plural, code, DENIED);
        let operator = cluster.operator(None);
        for _ in 0..20 {
            pass(&cluster, &operator).await;
        }
        let (status, reason, message) = said(&cluster, ConditionType::Guarded);
        assert_eq!((status.as_str(), reason.as_str()), ("False", "MarkRefused"));
        assert!(message.contains("denied request: no team"), "{message}");
        assert_eq!(cluster.server.store().all("databaseledgers").len(), 1);
        assert_eq!(said(&cluster, ConditionType::DataVerified).0, "True");
    }
    // Claims are tried again soon, so such a pass has failed; the condition reports it.
    let cluster = refusing("PATCH", "persistentvolumeclaims", 403, DENIED);
    let operator = cluster.operator(None);
    for _ in 0..20 {
        cluster.show_volumes(&operator);
        let passed = reconcile(&operator, "atra", "knowledge").await;
        cluster.settle_kubernetes();
        assert!(passed.is_err() || asked(&cluster, "PATCH persistentvolumeclaims") == 0);
    }
    let (_, reason, message) = said(&cluster, ConditionType::Guarded);
    assert_eq!(reason, "MarkRefused", "{message}");
    assert_eq!(cluster.server.store().all("databaseledgers").len(), 1);
    assert_eq!(said(&cluster, ConditionType::DataVerified).0, "True");
    let volume = cluster.get("persistentvolumes", "", super::cluster::DATA_VOLUME);
    assert_eq!(volume["spec"]["persistentVolumeReclaimPolicy"], "Retain");
}

/// Something that admission does to every write of a kind, and the condition that says so.
type Undone = (
    &'static str,
    fn(&mut serde_json::Value),
    ConditionType,
    &'static str,
);

/// A webhook of others changes what is written, so the same is to be written again: the condition reports
/// it, and it is written after pauses that grow.
#[tokio::test]
async fn what_is_changed_back_as_soon_as_it_is_written_is_said_and_waits() {
    let undone: [Undone; 5] = [
        (
            "cronjobs",
            |cron_job| cron_job["spec"]["suspend"] = true.into(),
            ConditionType::BackupFresh,
            "changes CronJob knowledge-backup back",
        ),
        (
            "cronjobs",
            |cron_job| cron_job["spec"]["timeZone"] = "Europe/Berlin".into(),
            ConditionType::BackupFresh,
            "changes CronJob knowledge-backup back",
        ),
        (
            "statefulsets",
            |set| set["metadata"]["labels"] = serde_json::json!({"app": "pg"}),
            ConditionType::Guarded,
            "(mark StatefulSet pg) back",
        ),
        (
            "namespaces",
            |namespace| namespace["metadata"]["labels"] = serde_json::Value::Null,
            ConditionType::Guarded,
            "(mark Namespace atra) back",
        ),
        (
            "persistentvolumeclaims",
            |claim| claim["metadata"]["annotations"] = serde_json::Value::Null,
            ConditionType::Guarded,
            "PersistentVolumeClaim data) back",
        ),
    ];
    for (plural, change, told, says) in undone {
        let cluster = rarely_due();
        let operator = cluster.operator(None);
        cluster.server.store().change_writes(plural, change);
        for _ in 0..20 {
            pass(&cluster, &operator).await;
        }
        use_whole_seconds(&cluster);
        cluster.end_jobs();
        let mut actions = Vec::new();
        for _ in 0..20 {
            actions.push(pass(&cluster, &operator).await);
        }
        let (_, reason, message) = said(&cluster, told);
        assert!(message.contains(says), "{plural}: {message}");
        assert!(
            message.contains("app.kubernetes.io/managed-by=holdfast"),
            "{message}"
        );
        assert_eq!(reason == "MarkRefused", told == ConditionType::Guarded);
        let longest = Action::requeue(std::time::Duration::from_mins(5));
        assert_eq!(actions.last(), Some(&longest), "{plural}: {actions:?}");
        // Nothing else waits for it.
        assert_eq!(cluster.server.store().all("databaseledgers").len(), 1);
        assert_eq!(said(&cluster, ConditionType::DataVerified).0, "True");

        cluster.server.store().refuse_nothing();
        cluster.operate(&operator).await;
        let (_, _, message) = said(&cluster, told);
        assert!(!message.contains("back as soon as"), "{message}");
    }
}
