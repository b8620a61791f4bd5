//! Watches all volumes of the cluster, for the index by which a pass finds those that are for the
//! storage of a guarded one.

use std::sync::Arc;

use futures::{Stream, StreamExt, stream};
use k8s_openapi::api::core::v1::PersistentVolume;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};

use super::triggers::{self, GuardedDatabase};
use crate::world::WatchedVolumes;

/// Feeds the index. Yields the databases that a change concerns: whose volume it is, or whose files a
/// volume may take along.
pub fn watch_volumes(
    client: &Client,
    volumes: Arc<WatchedVolumes>,
) -> impl Stream<Item = ObjectRef<GuardedDatabase>> + Send + use<> {
    let all = Api::<PersistentVolume>::all(client.clone());
    watcher(all, watcher::Config::default())
        .default_backoff()
        .flat_map(move |event| stream::iter(take_in(&volumes, event)))
        .filter_map(|owner| std::future::ready(triggers::from_owner(&owner)))
}

fn take_in(
    volumes: &WatchedVolumes,
    event: Result<watcher::Event<PersistentVolume>, watcher::Error>,
) -> Vec<String> {
    match event {
        Ok(watcher::Event::Init) => {
            volumes.index().begin_list();
            Vec::new()
        }
        Ok(watcher::Event::InitApply(volume) | watcher::Event::Apply(volume)) => {
            volumes.index().note(&volume).into_iter().collect()
        }
        Ok(watcher::Event::InitDone) => volumes.end_list(),
        Ok(watcher::Event::Delete(volume)) => {
            let concerned = volumes.index().forget(&volume.name_any());
            concerned.into_iter().collect()
        }
        Err(error) => {
            tracing::warn!(%error, "could not watch the PersistentVolumes; trying again");
            Vec::new()
        }
    }
}
