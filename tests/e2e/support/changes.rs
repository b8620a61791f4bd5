//! Wakes those who wait when something in their namespace has changed, so that nobody has to ask
//! over and over.

use std::fmt::Debug;
use std::time::Duration;

use futures::StreamExt as _;
use holdfast::api::{DatabaseBackup, DatabaseCheck, DatabaseRestore, ProtectedDatabase};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long changes are collected that belong together.
const TOGETHER: Duration = Duration::from_millis(30);
/// When a look is due although nothing has changed: not everything that is looked at is watched.
const WITHOUT_CHANGE: Duration = Duration::from_millis(750);

/// What has changed in a namespace since it was made; watched until this is dropped.
pub struct Changes {
    seen: watch::Receiver<()>,
    _watches: JoinSet<()>,
}

impl Changes {
    /// Watches the metadata of everything that tests wait for.
    pub fn watch(client: &Client, namespace: &str) -> Self {
        let (tell, seen) = watch::channel(());
        let mut watches = JoinSet::new();
        watch_kind::<Pod>(&mut watches, client, namespace, &tell);
        watch_kind::<Job>(&mut watches, client, namespace, &tell);
        watch_kind::<StatefulSet>(&mut watches, client, namespace, &tell);
        watch_kind::<PersistentVolumeClaim>(&mut watches, client, namespace, &tell);
        watch_kind::<ProtectedDatabase>(&mut watches, client, namespace, &tell);
        watch_kind::<DatabaseCheck>(&mut watches, client, namespace, &tell);
        watch_kind::<DatabaseBackup>(&mut watches, client, namespace, &tell);
        watch_kind::<DatabaseRestore>(&mut watches, client, namespace, &tell);
        Self {
            seen,
            _watches: watches,
        }
    }

    /// Somebody who wants to know of changes from now on.
    pub fn listen(&self) -> Listener {
        let mut seen = self.seen.clone();
        seen.mark_unchanged();
        Listener(seen)
    }
}

/// Hears of changes.
pub struct Listener(watch::Receiver<()>);

impl Listener {
    /// Waits for the next change, or until it is time to look without one.
    pub async fn next(&mut self) {
        if let Ok(Ok(())) = tokio::time::timeout(WITHOUT_CHANGE, self.0.changed()).await {
            tokio::time::sleep(TOGETHER).await;
            self.0.mark_unchanged();
        } else {
            // The watches have ended with their runtime, or there was no change.
            tokio::time::sleep(TOGETHER).await;
        }
    }
}

fn watch_kind<K>(
    watches: &mut JoinSet<()>,
    client: &Client,
    namespace: &str,
    tell: &watch::Sender<()>,
) where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let api = Api::<PartialObjectMeta<K>>::namespaced(client.clone(), namespace);
    let tell = tell.clone();
    watches.spawn(async move {
        let events = watcher(api, watcher::Config::default()).default_backoff();
        events
            .for_each(|_| {
                tell.send_replace(());
                std::future::ready(())
            })
            .await;
    });
}
