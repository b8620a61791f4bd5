//! The commands that recreate what is gone, for messages. Pure.

use crate::api::names;
use crate::world::Observed;

/// The command that recovers everything that the ledger remembers.
pub fn recover_command(observed: &Observed) -> String {
    format!(
        "kubectl holdfast recover {} -n {}",
        observed.name(),
        observed.namespace_name()
    )
}

/// The command that recreates a volume that is gone.
pub fn recreate_volume(observed: &Observed, volume: &str) -> String {
    let ledger = names::ledger(observed.namespace_name(), observed.name());
    format!(
        "kubectl get dbledger {ledger} -o \
         jsonpath='{{.status.volumes[?(@.volume==\"{volume}\")].volumeManifest}}' | kubectl create \
         -f -"
    )
}
