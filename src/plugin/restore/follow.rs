//! Follows a `DatabaseRestore` until it has ended, and says what changes.

use std::time::Duration;

use kube::{Api, CustomResourceExt as _};
use tokio::time::{Instant, sleep};

use super::text::describe_progress;
use crate::api::{DatabaseRestore, RestoreState};
use crate::plugin::connect::Cluster;
use crate::plugin::error::{ClusterRequest, PluginError};
use crate::plugin::output::write_out;

/// How often it is read.
const PAUSE: Duration = Duration::from_secs(2);

/// How following it ended.
pub enum Followed {
    /// It is over.
    Over(Box<DatabaseRestore>),
    /// It is not, and the time is up.
    GoesOn,
}

/// Says what changes until the restore has ended, or so many seconds have passed.
pub async fn follow(
    cluster: &Cluster,
    name: &str,
    seconds: Option<u64>,
) -> Result<Followed, PluginError> {
    let namespace = cluster.namespace.as_str();
    let api: Api<DatabaseRestore> = Api::namespaced(cluster.client.clone(), namespace);
    let began = Instant::now();
    let end = seconds.map(|seconds| began + Duration::from_secs(seconds));
    let mut said = String::new();
    loop {
        let restore = api.get(name).await.map_err(|error| {
            let context = cluster.context.as_deref();
            let crd = DatabaseRestore::crd_name();
            ClusterRequest::about("get", crd, name, Some(namespace), context).failed(error)
        })?;
        let now = describe_progress(&restore);
        if now != said {
            let passed = began.elapsed().as_secs();
            write_out(&format!("[{passed:>4} s] {now}\n"))?;
            said = now;
        }
        let state = restore.status.as_ref().and_then(|status| status.state);
        if state.is_some_and(RestoreState::is_final) {
            return Ok(Followed::Over(Box::new(restore)));
        }
        if end.is_some_and(|end| Instant::now() >= end) {
            return Ok(Followed::GoesOn);
        }
        sleep(PAUSE).await;
    }
}
