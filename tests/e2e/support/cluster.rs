//! The two clusters of the tests: brought up and given this checkout's operator by whichever test
//! comes first, and locked while they are used. Neither is the one that `make demo` runs on.

use std::fs::File;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use testbed::{Selection, Testbed};

/// The namespace of the operator.
pub const OPERATOR_NAMESPACE: &str = "holdfast-system";
/// The label of the databases that the operator of the shared cluster leaves alone.
pub const SHARD_LABEL: &str = "example.org/shard";
/// How long a test waits for others to leave the cluster to it.
const TURN_PATIENCE: Duration = Duration::from_hours(1);

/// How a test uses the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It stays in its namespace; others may do the same.
    Shared,
    /// It disturbs everybody: one after the other, on a cluster where nobody else is.
    Alone,
}

/// The cluster for that use, with the operator in it. The first test brings both up; nothing is
/// skipped when they are missing.
pub fn cluster(usage: Use) -> &'static Testbed {
    static SHARED: OnceLock<Testbed> = OnceLock::new();
    static ALONE: OnceLock<Testbed> = OnceLock::new();
    let (held, name) = match usage {
        Use::Shared => (&SHARED, "tests"),
        Use::Alone => (&ALONE, "alone"),
    };
    held.get_or_init(|| {
        let own = Testbed::discover().expect("the checkout");
        let testbed = own.named(name).expect("a name");
        testbed.up(Selection::All).expect("the testbed");
        install(&testbed, usage);
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

/// Installs this checkout's operator, unless another process has done so or does it now.
fn install(testbed: &Testbed, usage: Use) {
    let selector = match usage {
        Use::Shared => format!("!{SHARD_LABEL}"),
        Use::Alone => String::new(),
    };
    let file = lock_file(testbed);
    while !testbed.is_deployed_for(&selector) {
        if file.try_lock().is_ok() {
            testbed.deploy_for(&selector).expect("the operator");
            return;
        }
        thread::sleep(Duration::from_millis(200));
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

fn lock_file(testbed: &Testbed) -> File {
    let path = testbed.layout().state().join("end-to-end.lock");
    File::options()
        .create(true)
        .append(true)
        .open(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
