//! A storage that is away, slow, or whose answers are lost: the upload ends well, and nothing is left
//! in between.

use std::time::Duration;

use futures::StreamExt as _;
use holdfast::agent::{Interrupt, take_set};
use holdfast::api::{AgentFailure, ObjectLock, ObjectLockMode, S3Profile, reasons};
use holdfast::store::{ObjectStore as _, SMALLEST_PART, StoreLimits, TakenBack, Upload};
use testbed::storage_proxy::{Dialect, Fault, Operation, Refusal, Seen, StorageProxy};

use crate::backup_scene::{FOLDER, Scene};
use crate::random::Random;
use crate::store::noise;
use crate::store_proxy::{Behind, first, store};
use crate::support::object_store::{IMPATIENT, TestObjectStore};
use crate::support::postgres::PASSWORD;

/// Longer than any fault of these tests lasts.
const PATIENT: StoreLimits = StoreLimits {
    budget: Duration::from_mins(2),
    ..IMPATIENT
};
const PARTS: usize = 2 * SMALLEST_PART + 77;
const SMALL: usize = 5_000;

fn slow_down() -> Fault {
    Fault::Refuse(Refusal::new(
        503,
        "SlowDown",
        "Please reduce your request rate.",
    ))
}

fn failed(status: u16) -> Refusal {
    Refusal::new(status, "InternalError", "We encountered an internal error.")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_at_any_request_is_outlived() {
    let faults = |operation: Operation| {
        vec![
            ("503 three times", operation, 3, slow_down()),
            ("cut before", operation, 2, Fault::CutBefore),
            ("cut after", operation, 1, Fault::CutAfter),
            ("500 after", operation, 1, Fault::AnswerAfter(failed(500))),
            (
                "429 without a body",
                operation,
                1,
                Fault::Refuse(Refusal {
                    status: 429,
                    body: Some(""),
                    ..Refusal::default()
                }),
            ),
        ]
    };
    let mut cases = Vec::new();
    for operation in [
        Operation::Create,
        Operation::Part,
        Operation::Complete,
        Operation::Head,
    ] {
        cases.extend(faults(operation).into_iter().map(|case| (PARTS, case)));
    }
    cases.extend(faults(Operation::Put).into_iter().map(|case| (SMALL, case)));
    let odd_answers = [
        ("200 with an error", Fault::Refuse(failed(200))),
        ("200 with an error after", Fault::AnswerAfter(failed(200))),
        (
            "an answer that can't be read",
            Fault::AnswerAfter(Refusal {
                status: 200,
                body: Some("<Complete"),
                ..Refusal::default()
            }),
        ),
        (
            "412 after",
            Fault::AnswerAfter(Refusal::new(412, "PreconditionFailed", "It exists.")),
        ),
        (
            "404 after",
            Fault::AnswerAfter(Refusal::new(404, "NoSuchUpload", "It is gone.")),
        ),
        (
            "409",
            Fault::Refuse(Refusal::new(409, "ConditionalRequestConflict", "Again.")),
        ),
    ];
    cases.extend(
        odd_answers
            .into_iter()
            .map(|(what, fault)| (PARTS, (what, Operation::Complete, 1, fault))),
    );
    let outcomes = futures::stream::iter(cases).map(async |(length, case)| {
        let (what, operation, times, fault) = case;
        let what = format!("{operation:?}: {what}");
        let dialect = Dialect {
            forgets_completed: true,
            ..Dialect::default()
        };
        let behind = Behind::start(dialect, first(operation, times, fault));
        let content = noise(length);
        let stored = store(
            behind.open(S3Profile::Generic, PATIENT),
            "prod/key",
            &content,
        )
        .await;
        assert!(stored.is_ok(), "{what}: {stored:?}");
        behind.assert_stored("prod/key", &content, &what);
        assert!(behind.count(operation) >= times, "{what}");
        let left = behind.server.open().fetch_unfinished("").await.unwrap();
        assert!(left.is_empty(), "{what}: {left:?}");
    });
    outcomes.buffer_unordered(6).collect::<Vec<()>>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_stays_away_is_given_up_and_nothing_is_left() {
    for operation in [
        Operation::Create,
        Operation::Part,
        Operation::Complete,
        Operation::Put,
    ] {
        let behind = Behind::start(Dialect::default(), first(operation, 1_000, slow_down()));
        let length = if operation == Operation::Put {
            SMALL
        } else {
            PARTS
        };
        let store_to = behind.open(S3Profile::Generic, IMPATIENT);
        let error = store(store_to, "prod/key", &noise(length))
            .await
            .unwrap_err();
        assert_eq!(error.kind.reason(), reasons::STORAGE_UNREACHABLE, "{error}");
        assert!(error.message.contains("attempts"), "{error}");
        behind.assert_nothing_is_left(&format!("{operation:?}"));
        let is_write = matches!(operation, Operation::Complete | Operation::Put);
        assert_eq!(
            error
                .message
                .contains("Nothing is at the final key `prod/key`"),
            is_write,
            "it is said exactly where it was looked at: {error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_looked_at_is_not_said_to_be_absent() {
    let behind = Behind::start(Dialect::default(), |seen| match seen.operation {
        Operation::Complete => Fault::CutAfter,
        Operation::Head => slow_down(),
        _ => Fault::None,
    });
    let store_to = behind.open(S3Profile::Generic, IMPATIENT);
    let error = store(store_to, "prod/key", &noise(PARTS))
        .await
        .unwrap_err();
    assert_eq!(behind.server.objects(), ["prod/key"]);
    assert!(
        error
            .message
            .contains("Whether an object is at `prod/key` is not known")
            && !error.message.contains("Nothing is at"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_and_could_not_be_looked_at_is_named() {
    let behind = Behind::start(Dialect::default(), |seen| match seen.operation {
        Operation::Head => slow_down(),
        _ => Fault::None,
    });
    for length in [SMALL, PARTS] {
        let key = format!("prod/key-{length}");
        let store_to = behind.open(S3Profile::Generic, IMPATIENT);
        let error = store(store_to, &key, &noise(length)).await.unwrap_err();
        assert!(behind.server.objects().contains(&key), "{error}");
        assert!(
            error.message.contains(&format!("it stored `{key}`"))
                && error.message.contains("not known"),
            "{error}"
        );
    }
}

/// Bytes that move in time, however slowly, against limits that the whole request would exceed.
const IMPATIENT_WITH_SILENCE: StoreLimits = StoreLimits {
    silence: Duration::from_secs(2),
    ..PATIENT
};

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_link_is_not_a_broken_one() {
    // 8 MiB at 1.5 MB/s take 5 s and more, several times the silence that is allowed.
    let behind = Behind::start(Dialect::default(), |seen| match seen.operation {
        Operation::Part => Fault::Slow(1_500_000),
        _ => Fault::None,
    });
    let content = noise(SMALLEST_PART + 1);
    let store_to = behind.open(S3Profile::Generic, IMPATIENT_WITH_SILENCE);
    store(store_to, "prod/key", &content).await.unwrap();
    behind.assert_stored("prod/key", &content, "slow");
    assert_eq!(behind.count(Operation::Part), 2, "no part was sent twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_on_which_nothing_moves_is_given_up_and_tried_again() {
    for operation in [Operation::Part, Operation::Head, Operation::Create] {
        let behind = Behind::start(Dialect::default(), first(operation, 1, Fault::Stall));
        let content = noise(SMALLEST_PART + 1);
        let limits = StoreLimits {
            answer: Duration::from_secs(2),
            ..IMPATIENT_WITH_SILENCE
        };
        let store_to = behind.open(S3Profile::Generic, limits);
        store(store_to, "prod/key", &content).await.unwrap();
        behind.assert_stored("prod/key", &content, "stalled");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn making_parts_an_object_may_take_longer_than_other_answers() {
    let late = Fault::Late(Duration::from_secs(4));
    let behind = Behind::start(Dialect::default(), first(Operation::Complete, 1, late));
    let content = noise(SMALLEST_PART + 1);
    let limits = StoreLimits {
        answer: Duration::from_secs(2),
        ..IMPATIENT_WITH_SILENCE
    };
    let store_to = behind.open(S3Profile::Generic, limits);
    store(store_to, "prod/key", &content).await.unwrap();
    behind.assert_stored("prod/key", &content, "late");
    assert_eq!(behind.count(Operation::Complete), 1, "it was awaited");
}

/// About every fourth request fails in some way.
fn anything(seed: u64) -> impl Fn(&Seen) -> Fault + Send + Sync + 'static {
    let random = std::sync::Mutex::new(Random::new(seed));
    move |seen| {
        // The answer to these has no body in which an error could be.
        let has_body = !matches!(seen.operation, Operation::Head | Operation::Get);
        match random.lock().unwrap().below(24) {
            0 => slow_down(),
            1 => Fault::CutBefore,
            2 => Fault::CutAfter,
            3 => Fault::AnswerAfter(failed(500)),
            4 if has_body => Fault::AnswerAfter(failed(200)),
            5 => Fault::Damage,
            6 => Fault::Refuse(failed(502)),
            _ => Fault::None,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_there_is_the_whole_object_or_none_and_it_is_known_which() {
    let rounds = futures::stream::iter(1..=60_u64).map(async |seed| {
        let behind = Behind::start(Dialect::default(), anything(seed));
        let content = noise(if seed % 3 == 0 { SMALL } else { PARTS });
        let profile = if seed % 2 == 0 {
            S3Profile::Aws
        } else {
            S3Profile::Generic
        };
        let outcome = store(behind.open(profile, PATIENT), "prod/key", &content).await;
        let what = format!("seed {seed}: {outcome:?}");
        match outcome {
            Ok(stored) => {
                assert_eq!(stored.size, content.len() as u64, "{what}");
                behind.assert_stored("prod/key", &content, &what);
            }
            Err(_) => behind.assert_nothing_is_left(&what),
        }
    });
    rounds.buffer_unordered(8).collect::<Vec<()>>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_a_failed_set_are_taken_back_by_the_run_that_has_stored_them() {
    let mut scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    // Somebody else's object in the same directory is none of this run's.
    let others = format!("{FOLDER}/globals.sql.zst.bak");
    scene.bucket.open().put(&others, vec![1]).await.unwrap();
    let full = |seen: &Seen| match seen.operation {
        Operation::Put if seen.before > 0 => {
            Fault::Refuse(Refusal::new(403, "QuotaExceeded", "Full"))
        }
        _ => Fault::None,
    };
    let proxy = StorageProxy::start_with(scene.bucket.address(), Dialect::default(), full).unwrap();
    scene.request.storage.endpoint = Some(format!("http://{}", proxy.address()));
    let failure = scene.take(None).await.unwrap_err();
    assert_eq!(failure.reason, reasons::STORAGE_FULL);
    assert_eq!(scene.bucket.objects(), [others]);
    assert!(
        !failure.message.contains("Without a manifest"),
        "{}",
        failure.message
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_object_with_the_mark_of_the_run_is_taken_back() {
    let server = TestObjectStore::start();
    let (ours, others) = (server.open(), server.open());
    for (key, length) in [("small", 100), ("in parts", SMALLEST_PART + 1)] {
        let mut upload = Upload::new(ours.clone(), key.to_owned(), 0);
        upload.write(&vec![7; length]).await.unwrap();
        upload.complete().await.unwrap();
        let refused = others.take_back(key).await.unwrap_err();
        assert!(refused.message.contains("not stored by this run"));
        // What may be locked only seems to go.
        let mut storage = server.storage();
        storage.object_lock = Some(ObjectLock {
            mode: ObjectLockMode::Governance,
            days: 1,
        });
        let locking = server.open_as(&storage, IMPATIENT).unwrap();
        let refused = locking.take_back(key).await.unwrap_err();
        assert!(refused.message.contains("is locked"), "{refused}");
        assert_eq!(server.objects(), [key]);
        assert_eq!(ours.take_back(key).await, Ok(TakenBack::Gone));
        assert_eq!(ours.take_back(key).await, Ok(TakenBack::Absent));
        assert!(server.objects().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_a_failed_set_leaves_are_named() {
    let mut scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    // The key may not delete, as it should be where the image of the database runs.
    let full = |seen: &Seen| match seen.operation {
        Operation::Put if seen.before > 0 => {
            Fault::Refuse(Refusal::new(403, "QuotaExceeded", "Full"))
        }
        Operation::Delete => Fault::Refuse(Refusal::new(403, "AccessDenied", "Access Denied")),
        _ => Fault::None,
    };
    let proxy = StorageProxy::start_with(scene.bucket.address(), Dialect::default(), full).unwrap();
    scene.request.storage.endpoint = Some(format!("http://{}", proxy.address()));
    let failure = scene.take(None).await.unwrap_err();
    assert_eq!(failure.reason, reasons::STORAGE_FULL);
    let left = scene.bucket.objects();
    assert_eq!(left.len(), 1, "{left:?}");
    let (directory, name) = left[0].rsplit_once('/').unwrap();
    assert!(
        failure.message.contains(&format!("`{directory}`")) && failure.message.contains(name),
        "{}",
        failure.message
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_stopped_names_the_object_that_it_was_storing() {
    let mut scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    let (sender, interrupt) = Interrupt::by_hand();
    let stop = AgentFailure {
        reason: reasons::JOB_FAILED.to_owned(),
        message: "stopped".to_owned(),
    };
    let stops = move |seen: &Seen| match seen.operation {
        Operation::Put => {
            sender.send_replace(Some(stop.clone()));
            Fault::Stall
        }
        _ => Fault::None,
    };
    let proxy =
        StorageProxy::start_with(scene.bucket.address(), Dialect::default(), stops).unwrap();
    scene.request.storage.endpoint = Some(format!("http://{}", proxy.address()));
    let (order, says) = (scene.order(), scene.says());
    let outcome = Box::pin(take_set(&order, &says, &interrupt)).await;
    let failure = outcome.unwrap_err();
    assert!(
        failure.message.contains("globals.sql.zst (if it is there)"),
        "{}",
        failure.message
    );
}
