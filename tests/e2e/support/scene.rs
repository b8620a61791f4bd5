//! The scene of one test: a namespace of its own, a client, commands as a person types them. A
//! failure shows all that there is to see.

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;
use testbed::{TemporaryNamespace, Testbed};
use tokio::time::Instant;

use super::changes::Changes;
use super::{Server, Use, cluster, looks, take_turn};

/// How long anything that is to come may take, on a slow machine with other tests at work.
pub const PATIENCE: Duration = Duration::from_mins(5);

/// The place of one test.
pub struct Scene {
    /// The testbed.
    pub testbed: &'static Testbed,
    /// A client with all rights.
    pub client: Client,
    changes: Changes,
    namespace: TemporaryNamespace<'static>,
    is_shard: AtomicBool,
}

/// Runs a test in a namespace of its own, beside others.
pub fn beside_others(name: &str, test: impl AsyncFnOnce(&Scene) + Send) {
    run(name, Use::Shared, test);
}

/// Runs a test beside others whose databases are left alone by the operator that is installed: it
/// brings one of its own.
pub fn in_shard(name: &str, test: impl AsyncFnOnce(&Scene) + Send) {
    beside_others(name, async move |scene| {
        scene.is_shard.store(true, Ordering::Relaxed);
        test(scene).await;
    });
}

/// Runs a test that disturbs the whole cluster, alone on a cluster of its own.
pub fn alone(name: &str, test: impl AsyncFnOnce(&Scene) + Send) {
    run(name, Use::Alone, test);
}

/// Runs a test beside others with a Postgres 15 or a 17, by turns. With `HOLDFAST_BOTH` set: with each of them, at
/// the same time.
pub fn with_either(name: &str, test: impl AsyncFn(&Scene, &Server) + Sync) {
    let testbed = cluster(Use::Shared);
    let _turn = take_turn(testbed, Use::Shared);
    let both = [
        ("15", testbed::POSTGRES_15_IMAGE),
        ("17", testbed::POSTGRES_17_IMAGE),
    ];
    let chosen = if std::env::var_os("HOLDFAST_BOTH").is_some() {
        &both[..]
    } else {
        let turn = name.bytes().map(usize::from).sum::<usize>() % 2;
        &both[turn..=turn]
    };
    std::thread::scope(|threads| {
        for (version, image) in chosen {
            let (test, name) = (&test, format!("{name}-{version}"));
            threads.spawn(move || {
                play(testbed, &name, async |scene| {
                    test(
                        scene,
                        &Server {
                            image: (*image).to_owned(),
                            ..Server::new(scene)
                        },
                    )
                    .await;
                });
            });
        }
    });
}

fn run(name: &str, usage: Use, test: impl AsyncFnOnce(&Scene) + Send) {
    let testbed = cluster(usage);
    let _turn = take_turn(testbed, usage);
    play(testbed, name, test);
}

fn play(testbed: &'static Testbed, name: &str, test: impl AsyncFnOnce(&Scene) + Send) {
    let done = testbed.run_in_network(async move || {
        let namespace = create_namespace(testbed, name)?;
        let client = testbed.client().await?;
        let scene = Scene {
            testbed,
            changes: Changes::watch(&client, namespace.name()),
            client,
            namespace,
            is_shard: AtomicBool::new(false),
        };
        test(&scene).await;
        scene.assert_no_start_judged_twice().await;
        Ok(())
    });
    done.expect("a scene");
}

fn create_namespace(
    testbed: &'static Testbed,
    name: &str,
) -> anyhow::Result<TemporaryNamespace<'static>> {
    TemporaryNamespace::create_with_labels(
        testbed,
        name,
        &[("pod-security.kubernetes.io/enforce", "restricted")],
    )
}

impl Scene {
    /// Another namespace of the same test.
    pub fn another(&self, name: &str) -> Self {
        let namespace = create_namespace(self.testbed, name).expect("a namespace");
        Self {
            testbed: self.testbed,
            client: self.client.clone(),
            changes: Changes::watch(&self.client, namespace.name()),
            namespace,
            is_shard: AtomicBool::new(self.is_shard()),
        }
    }

    /// Whether its databases are left alone by the operator that is installed.
    pub fn is_shard(&self) -> bool {
        self.is_shard.load(Ordering::Relaxed)
    }

    /// Gives the databases that are made from now on to the operator that is installed.
    pub fn leave_shard(&self) {
        self.is_shard.store(false, Ordering::Relaxed);
    }

    /// The test's namespace.
    pub fn namespace(&self) -> &str {
        self.namespace.name()
    }

    /// The objects of a kind in the test's namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), self.namespace())
    }

    /// Reads an object that must be there.
    pub async fn get<K>(&self, name: &str) -> K
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
        K::DynamicType: Default,
    {
        self.api::<K>()
            .get(name)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// All objects of a kind in the test's namespace.
    pub async fn list<K>(&self) -> Vec<K>
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
        K::DynamicType: Default,
    {
        self.api::<K>()
            .list(&kube::api::ListParams::default())
            .await
            .expect("a list")
            .items
    }

    /// Runs `kubectl -n NAMESPACE …`, words parted by blanks, and returns what it printed.
    pub fn kubectl(&self, words: &str) -> String {
        self.try_kubectl(words)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same, for a command that must fail: returns what it complained about.
    pub fn refused(&self, words: &str) -> String {
        match self.try_kubectl(words) {
            Ok(printed) => {
                panic!("kubectl {words} should have been refused; it printed: {printed}")
            }
            Err(complaint) => complaint,
        }
    }

    /// The same, for a command that may fail.
    pub fn try_kubectl(&self, words: &str) -> Result<String, String> {
        let arguments: Vec<&str> = ["-n", self.namespace()]
            .into_iter()
            .chain(words.split(' '))
            .collect();
        self.testbed
            .kubectl(&arguments)
            .map_err(|error| format!("{error:#}"))
    }

    /// The same, for a command that is warned about: returns the warnings.
    pub fn warned(&self, words: &str) -> String {
        let mut command = self.testbed.command("kubectl").expect("kubectl");
        let output = command
            .args(["-n", self.namespace()])
            .args(words.split(' '))
            .output()
            .expect("kubectl");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{words}: {said}");
        said
    }

    /// Applies manifests.
    pub fn apply(&self, manifests: &[Value]) {
        let text: Vec<String> = manifests.iter().map(Value::to_string).collect();
        self.testbed
            .apply(&text.join("\n---\n"))
            .expect("the manifests to be accepted");
    }

    /// Looks until `look` returns `Ok`, again whenever something in the namespace has changed;
    /// fails the test with what was last seen when it does not in time.
    pub async fn wait<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
        let until = Instant::now() + PATIENCE;
        let mut changes = self.changes.listen();
        let mut seen = String::new();
        loop {
            seen = match tokio::time::timeout_at(until, look()).await {
                Ok(Ok(found)) => return found,
                Ok(Err(seen)) => seen,
                Err(_) => format!("{seen} (the last look did not end)"),
            };
            assert!(
                Instant::now() < until,
                "waited {} s for {what}; last seen: {seen}",
                PATIENCE.as_secs()
            );
            changes.next().await;
        }
    }

    /// Waits until `kubectl` does not complain any more.
    pub async fn wait_kubectl(&self, words: &str) -> String {
        self.wait(&format!("kubectl {words}"), async || {
            self.try_kubectl(words)
        })
        .await
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", looks::describe(self.testbed, self.namespace()));
        }
    }
}

/// A file with this text, for `kubectl -f`.
pub fn write_file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("a file");
    file
}
