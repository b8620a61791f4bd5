//! The cluster that all tests share: brought up and given this checkout's operator once a process,
//! and locked while it is used.

use std::fs::File;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use testbed::{Selection, Testbed};

/// The namespace of the operator.
pub const OPERATOR_NAMESPACE: &str = "holdfast-system";
/// How long a test waits for others to leave the cluster to it.
const TURN_PATIENCE: Duration = Duration::from_hours(1);

/// How a test uses the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It stays in its namespace; others may do the same.
    Shared,
    /// It disturbs everybody and must be alone, also among the processes of other people on this
    /// machine.
    Alone,
}

/// The cluster with the operator in it. The first test of the process brings both up; nothing is
/// skipped when they are missing.
pub fn cluster() -> &'static Testbed {
    static CLUSTER: OnceLock<Testbed> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let testbed = Testbed::discover().expect("the checkout");
        testbed.up(Selection::All).expect("the testbed");
        install(&testbed);
        testbed
    })
}

/// Waits for a turn; it ends when the file is dropped.
pub fn take_turn(testbed: &Testbed, usage: Use) -> File {
    let until = Instant::now() + TURN_PATIENCE;
    let file = lock_file(testbed);
    loop {
        let taken = match usage {
            Use::Shared => file.try_lock_shared(),
            Use::Alone => file.try_lock(),
        };
        if taken.is_ok() {
            return file;
        }
        assert!(
            Instant::now() < until,
            "waited {} s for a turn on the cluster ({usage:?})",
            TURN_PATIENCE.as_secs()
        );
        thread::sleep(Duration::from_millis(200));
    }
}

/// Installs this checkout's operator. Where other people's tests run on the very same operator, it
/// is left as it is.
fn install(testbed: &Testbed) {
    let file = lock_file(testbed);
    if file.try_lock().is_ok() {
        testbed.deploy().expect("the operator");
        return;
    }
    let image = testbed.load_operator().expect("the operator's image");
    if installed_image(testbed).as_deref() != Some(image.as_str()) {
        drop(file);
        let _turn = take_turn(testbed, Use::Alone);
        testbed.deploy().expect("the operator");
    }
}

/// Applies the manifest that the operator was installed with once more, and waits until the
/// operator is available.
pub fn reinstall(testbed: &Testbed) {
    let manifest = testbed
        .layout()
        .state()
        .join("install.yaml")
        .display()
        .to_string();
    testbed
        .kubectl(&[
            "apply",
            "--server-side",
            "--force-conflicts",
            "-f",
            &manifest,
        ])
        .expect("the manifest to be applied");
    let words = [
        "-n",
        OPERATOR_NAMESPACE,
        "rollout",
        "status",
        "deployment/holdfast",
        "--timeout=120s",
    ];
    testbed
        .kubectl(&words)
        .expect("the operator to be available");
}

fn installed_image(testbed: &Testbed) -> Option<String> {
    let path = "jsonpath={.spec.template.spec.containers[0].image}";
    testbed
        .kubectl(&[
            "-n",
            OPERATOR_NAMESPACE,
            "get",
            "deployment",
            "holdfast",
            "-o",
            path,
        ])
        .ok()
}

fn lock_file(testbed: &Testbed) -> File {
    let path = testbed.layout().state().join("end-to-end.lock");
    File::options()
        .create(true)
        .append(true)
        .open(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
