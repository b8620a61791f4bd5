//! Which Kubernetes cluster this is, also while it can't be asked. Pure.

use crate::resources::noted_request;
use crate::world::Observed;

/// UID of the cluster: as it was read, else as the CronJob of the backups has noted it.
pub fn known_cluster(observed: &Observed) -> Option<String> {
    let noted = || noted_request(observed.cron_job.known()?.as_ref()?)?.kubernetes_cluster;
    observed.kubernetes_cluster.clone().or_else(noted)
}
