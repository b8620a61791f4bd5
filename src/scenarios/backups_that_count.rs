//! Which backups count: of the database cluster that is accepted, in the bucket that is named, and by no
//! clock of a node.

use super::render::render;
use super::sample::Sample;
use super::sample_objects::{bad_backup, check, complete_backup};
use super::sample_parts::time;
use crate::api::{DatabaseBackup, DatabaseLedgerStatus};
use crate::decide::decide;
use crate::plan::{Plan, Step};

const CLUSTER: &str = "7597042323410313218";
const OTHER_CLUSTER: &str = "7000000000000000001";

fn of_cluster(mut backup: DatabaseBackup, identifier: &str) -> DatabaseBackup {
    let status = backup.status.get_or_insert_default();
    status.system_identifier = Some(identifier.to_owned());
    backup
}

fn in_bucket(mut backup: DatabaseBackup, bucket: &str) -> DatabaseBackup {
    let status = backup.status.get_or_insert_default();
    status.bucket = Some(bucket.to_owned());
    status.path = Some("atra/knowledge/20260201T090100Z".to_owned());
    backup
}

fn old() -> DatabaseBackup {
    complete_backup("knowledge-backup-first", "2026-02-01T09:01:00Z")
}

/// A database that is verified, with these backups.
fn with(backups: Vec<DatabaseBackup>) -> Sample {
    Sample::guarded()
        .checks(vec![check("knowledge-1", "2026-02-01T09:00:00Z")])
        .backups(backups)
        .with_memory()
        .after_a_pass()
}

fn fresh(plan: &Plan) -> (&'static str, &'static str, &str) {
    let mut conditions = plan.conditions.iter();
    let found = conditions.find(|found| found.condition.as_str() == "BackupFresh");
    let found = found.expect("the condition");
    (found.status.as_str(), found.reason, found.message.as_str())
}

/// It is as fresh as it was, and nobody learns only at a restore that there is none.
#[test]
fn a_backup_that_a_restore_refuses_says_so() {
    let why = "database \"shop\" has the extension timescaledb, which can't be restored yet";
    let refused = |mut backup: DatabaseBackup| {
        let status = backup.status.get_or_insert_default();
        status.restore_obstacles = vec![why.to_owned(), "another reason".to_owned()];
        backup
    };
    let plan = decide(&with(vec![refused(old())]).0);
    let (status, _, message) = fresh(&plan);
    assert_eq!(status, "True");
    let words = format!("A RESTORE OF knowledge-backup-first IS REFUSED (1 more): {why}");
    assert!(message.contains(&words), "{message}");
    assert!(
        message.contains("holdfast backup fetch --help"),
        "{message}"
    );
    let good = plan.status.last_good_backup.unwrap();
    assert_eq!(good.restore_obstacles.len(), 2, "for doctor");
    // A newer one without the extension is another matter.
    let newer = complete_backup("knowledge-backup-2", "2026-02-01T09:10:00Z");
    let plan = decide(&with(vec![refused(old()), newer]).0);
    let (_, _, message) = fresh(&plan);
    assert!(!message.contains("REFUSED"), "{message}");
}

fn begins_a_backup(plan: &Plan) -> bool {
    plan.steps
        .iter()
        .any(|step| matches!(step, Step::CreateJob(job) if job.metadata.name.as_deref().is_some_and(|name| name.contains("backup-first"))))
}

fn ledger(plan: &Plan) -> Option<&DatabaseLedgerStatus> {
    plan.steps.iter().find_map(|step| match step {
        Step::WriteLedger { status, .. } => Some(&**status),
        _ => None,
    })
}

/// The database was initialized again and accepted, and its schedule is weekly.
#[test]
fn a_backup_of_another_database_cluster_is_no_backup_of_this_one() {
    let Sample(observed) = with(vec![of_cluster(old(), OTHER_CLUSTER)]);
    let plan = decide(&observed);
    let (status, reason, message) = fresh(&plan);
    assert_eq!((status, reason), ("False", "NeverSucceeded"), "{message}");
    assert!(message.contains(OTHER_CLUSTER), "{message}");
    assert!(begins_a_backup(&plan), "{}", render(&plan));
    assert_eq!(plan.status.last_good_backup, None);

    let Sample(observed) = with(vec![of_cluster(old(), CLUSTER)]);
    let plan = decide(&observed);
    assert_eq!(fresh(&plan).1, "BackupFresh");
    assert!(!begins_a_backup(&plan), "{}", render(&plan));
}

/// What the status remembers is of another database cluster, and its DatabaseBackup is gone.
#[test]
fn what_is_remembered_of_another_database_cluster_does_not_stay_good() {
    for (identifier, stays) in [(CLUSTER, true), (OTHER_CLUSTER, false)] {
        let Sample(observed) = with(vec![of_cluster(old(), CLUSTER)])
            .database(|database| {
                let status = database.status.get_or_insert_default();
                let good = status.last_good_backup.as_mut().expect("a good backup");
                good.system_identifier = Some(identifier.to_owned());
            })
            .backups(Vec::new());
        let plan = decide(&observed);
        assert_eq!(
            plan.status.last_good_backup.is_some(),
            stays,
            "{identifier}"
        );
    }
}

/// While a reset stands, the backups of what was there before are the ones that count.
#[test]
fn a_reset_takes_nothing_from_the_backups_of_the_lost_database() {
    use super::sample_objects::{judged, reset};
    use crate::api::CheckOutcome;
    let Sample(observed) = with(vec![of_cluster(old(), CLUSTER)]).and_check(judged(
        reset("knowledge-2", "2026-02-01T09:20:00Z"),
        CheckOutcome::Suspected,
        "ClusterReinitialized",
    ));
    let plan = decide(&observed);
    let good = plan.status.last_good_backup.as_ref();
    assert_eq!(
        good.map(|good| good.name.as_str()),
        Some("knowledge-backup-first")
    );
}

/// The node's clock was a year ahead when a backup was taken; the next ones failed.
#[test]
fn a_backup_is_no_fresher_than_the_api_server_saw_it() {
    let mut early = of_cluster(old(), CLUSTER);
    let status = early.status.get_or_insert_default();
    status.completion_time = Some(time("2027-02-01T09:01:00Z"));
    // Nor is a duration believed that is longer than the deadline.
    status.duration_seconds = Some(31_536_000);
    let later = bad_backup(
        "knowledge-backup-2",
        "2026-02-05T08:00:00Z",
        "Failed",
        "StorageUnreachable",
    );
    let Sample(observed) = with(vec![early, later]).at("2026-02-05T09:00:00Z");
    let plan = decide(&observed);
    let (status, reason, message) = fresh(&plan);
    assert_eq!((status, reason), ("False", "BackupOverdue"), "{message}");
}

/// The spec names another bucket than the one that the newest good backup is in.
#[test]
fn a_new_bucket_gets_a_first_backup_and_the_old_place_is_remembered() {
    let before = || with(vec![in_bucket(of_cluster(old(), CLUSTER), "backups")]);
    let bucket = before()
        .0
        .database
        .spec
        .backup
        .clone()
        .map(|backup| backup.storage.s3.bucket);
    assert_eq!(bucket.as_deref(), Some("backups"), "the sample's bucket");
    let moved = before().wanted(|spec| {
        spec.backup
            .as_mut()
            .into_iter()
            .for_each(|backup| backup.storage.s3.bucket = "other".to_owned());
    });
    let plan = decide(&moved.0);
    assert!(begins_a_backup(&plan), "{}", render(&plan));
    let (status, _, message) = fresh(&plan);
    assert_eq!(status, "True", "{message}");
    assert!(message.contains("in bucket backups"), "{message}");
    let remembered = ledger(&plan)
        .or(moved
            .0
            .ledger
            .known()
            .and_then(|found| found.as_ref()?.ledger.status.as_ref()))
        .and_then(|status| status.last_good_backup.clone());
    assert_eq!(
        remembered.map(|backup| backup.bucket).as_deref(),
        Some("backups"),
        "{}",
        render(&plan)
    );

    // A prefix or an endpoint is a place, too.
    for change in [
        (|backup: &mut crate::api::Backup| backup.storage.s3.prefix = "elsewhere".to_owned())
            as fn(&mut crate::api::Backup),
        |backup| backup.storage.s3.endpoint = Some("https://s3.example.org".to_owned()),
    ] {
        let moved = before().wanted(|spec| spec.backup.as_mut().into_iter().for_each(change));
        let plan = decide(&moved.0);
        assert!(begins_a_backup(&plan), "{}", render(&plan));
    }
    let plan = decide(&before().0);
    assert!(!begins_a_backup(&plan), "{}", render(&plan));
}
