//! What another controller, or a tool, takes back after each write of the operator: it is reported, and written
//! after pauses that grow. With the real pass.

use kube::runtime::controller::Action;
use serde_json::{Value, json};

use super::cluster::DATA_VOLUME;
use super::refused_jobs::{asked, pass, rarely_due, said};
use crate::api::ConditionType;

/// What a controller of others takes back, and the condition that says so.
type TakenBack = (
    &'static str,
    &'static str,
    &'static str,
    fn() -> Value,
    ConditionType,
    &'static str,
);

/// A controller of others takes back what is written by a write of its own, each time: its changes lead to
/// passes, but not each to another write, and everything else goes on.
#[tokio::test]
async fn what_a_controller_takes_back_after_each_write_is_said_and_written_rarely() {
    let taken_back: [TakenBack; 3] = [
        (
            "statefulsets",
            "atra",
            "pg",
            || json!({"metadata": {"labels": null}}),
            ConditionType::Guarded,
            "takes what Holdfast writes (mark StatefulSet pg) back again and again",
        ),
        (
            "namespaces",
            "",
            "atra",
            || json!({"metadata": {"labels": null}}),
            ConditionType::Guarded,
            "takes what Holdfast writes (mark Namespace atra) back again and again",
        ),
        (
            "persistentvolumes",
            "",
            DATA_VOLUME,
            || {
                json!({
                    "metadata": {"labels": null, "annotations": null, "finalizers": null},
                    "spec": {"persistentVolumeReclaimPolicy": "Delete"},
                })
            },
            ConditionType::Guarded,
            "PersistentVolume pv-data) back again and again",
        ),
    ];
    for (plural, namespace, name, back, told, says) in taken_back {
        let cluster = rarely_due();
        let operator = cluster.operator(None);
        for _ in 0..20 {
            pass(&cluster, &operator).await;
        }
        let write = format!("PATCH {plural}");
        let before = asked(&cluster, &write);
        let mut written = before;
        // A change leads to a pass, and a write of the pass to a change. After the first 20 the controller
        // changes it for reasons of its own.
        for turn in 0..40 {
            if turn < 20 || asked(&cluster, &write) > written {
                written = asked(&cluster, &write);
                cluster.change(plural, namespace, name, &back());
            }
            pass(&cluster, &operator).await;
        }
        let writes = asked(&cluster, &write) - before;
        // Some of the five were those of the first passes.
        assert!((2..=5).contains(&writes), "{plural}: {writes} writes");
        let (_, reason, message) = said(&cluster, told);
        assert!(message.contains(says), "{plural}: {message}");
        assert!(message.contains("written 5 times in a row"), "{message}");
        assert_eq!(reason == "MarkRefused", told == ConditionType::Guarded);
        let last = pass(&cluster, &operator).await;
        let at_once = Action::requeue(std::time::Duration::from_millis(50));
        assert_ne!(last, at_once, "{plural}");
        assert_ne!(last, Action::await_change(), "{plural}: it is tried again");

        // Another process knows of no fight.
        let operator = cluster.operator(None);
        cluster.operate(&operator).await;
        let (_, _, message) = said(&cluster, told);
        assert!(!message.contains("again and again"), "{message}");
    }
}
