//! Reads what of the claims and volumes that a database needs exists.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Api;
use kube::ResourceExt;
use kube::api::ListParams;

use super::twins::volumes_for;
use super::{
    ClaimBinding, ClaimFact, DesiredClaim, Fact, LedgerFact, LedgerOrigin, PodFact, Reader,
    VolumeFound, World,
};
use crate::api::{DatabaseLedger, ProtectedDatabase, VolumeStorage, names};

/// Returns the value of a fact, or why it is not known.
macro_rules! known {
    ($fact:expr) => {
        match $fact {
            Fact::Known(value) => value,
            Fact::Unknown(why) => return Fact::Unknown(why),
        }
    };
}

impl Reader {
    /// Reads what is known of a database that may be gone: its namespace, the ProtectedDatabase and
    /// the ledger.
    pub async fn remains(&self, name: &str) -> (World, Fact<Option<ProtectedDatabase>>) {
        let ledger_name = names::ledger(&self.namespace, name);
        let (namespace, database, ledger) = tokio::join!(
            self.get_cluster_metadata::<Namespace>(&self.namespace),
            self.get::<ProtectedDatabase>(name),
            self.get_cluster::<DatabaseLedger>(&ledger_name),
        );
        let mut world = World {
            namespace,
            ..World::unread(&self.namespace, name, Time(Timestamp::now()))
        };
        self.read_memory(&mut world, ledger, &database).await;
        (world, database)
    }

    /// Fills in what the ledger remembers, if it is of this namespace.
    async fn read_memory(
        &self,
        world: &mut World,
        ledger: Fact<Option<DatabaseLedger>>,
        database: &Fact<Option<ProtectedDatabase>>,
    ) {
        let found = match ledger {
            Fact::Known(Some(found)) => found,
            Fact::Known(None) => {
                world.ledger = Fact::Known(None);
                return;
            }
            Fact::Unknown(why) => {
                world.ledger = Fact::Unknown(why);
                return;
            }
        };
        let database = database.known().and_then(Option::as_ref);
        let database = database.map(|database| database.metadata.clone());
        let mut proofs: Vec<ObjectMeta> = database.into_iter().collect();
        let mut origin = LedgerOrigin::of(&found, &world.namespace, &proofs);
        if let LedgerOrigin::Other(other) = &origin
            && other.remembered.is_empty()
        {
            // An older ledger: the claims may show whose it is.
            let claims = self.namespaced::<PersistentVolumeClaim>();
            let claims = claims.list_metadata(&ListParams::default()).await;
            match Fact::from_read("the claims of the namespace", claims) {
                Fact::Known(claims) => {
                    proofs.extend(claims.items.into_iter().map(|claim| claim.metadata));
                    origin = LedgerOrigin::of(&found, &world.namespace, &proofs);
                }
                Fact::Unknown(why) => origin = LedgerOrigin::NotKnown(why),
            }
        }
        world.ledger = match origin {
            LedgerOrigin::This => Fact::Known(Some(LedgerFact::new(found))),
            LedgerOrigin::Recreated => {
                world.recreated = Some(found.metadata.clone());
                Fact::Known(Some(LedgerFact::new(found)))
            }
            LedgerOrigin::NotKnown(why) => Fact::Unknown(why),
            LedgerOrigin::Other(other) => {
                let why = other.describe();
                world.other_namespace = Some(other);
                Fact::Unknown(why)
            }
        };
    }

    /// Reads what of the desired claims and volumes exists.
    pub async fn bindings(&self, desired: Vec<DesiredClaim>) -> Fact<Vec<ClaimBinding>> {
        let pods = known!(self.namespace_pods().await);
        let mut bindings = Vec::with_capacity(desired.len());
        for desired in desired {
            bindings.push(known!(self.binding(desired, &pods).await));
        }
        let is_compared = |binding: &ClaimBinding| {
            binding.volume.is_some() || storage_that_is_gone(binding).is_some()
        };
        if bindings.iter().any(is_compared) {
            // One list for all, made after what it is compared with.
            let all = known!(self.all_volumes().await);
            for binding in &mut bindings {
                match &binding.volume {
                    None => binding.same_storage = same_storage(binding, &all),
                    Some(volume) => {
                        binding.twins = self.twins_of(volume, binding.bound_to(), &all).await;
                    }
                }
            }
        }
        Fact::Known(bindings)
    }

    async fn binding(&self, desired: DesiredClaim, pods: &[PodFact]) -> Fact<ClaimBinding> {
        let (claim, volume) =
            tokio::join!(self.claim(&desired.claim), self.volume(&desired.volume));
        let (claim, volume) = (known!(claim), known!(volume));
        let bound_to = claim
            .as_ref()
            .and_then(|claim| claim.volume_name.as_deref());
        let other_volume = match bound_to.filter(|bound| *bound != desired.volume) {
            // Anybody may write any volume's name into a claim: the volume says whose it is.
            Some(other) => known!(self.volume(other).await)
                .filter(|volume| self.is_for(volume, claim.as_ref())),
            None => None,
        };
        let held_by_other = match &volume {
            Some(volume) => known!(self.is_held_by_other(&desired.claim, volume).await),
            None => false,
        };
        let has_claim = |pod: &&PodFact| pod.claims.contains(&desired.claim);
        let pods = pods.iter().filter(has_claim).cloned().collect();
        Fact::Known(ClaimBinding {
            desired,
            claim,
            volume,
            other_volume,
            held_by_other,
            same_storage: None,
            twins: Vec::new(),
            pods,
        })
    }

    /// Whether a volume is for that claim, by its own word.
    fn is_for(&self, volume: &VolumeFound, claim: Option<&ClaimFact>) -> bool {
        let holder = volume.claim.as_ref();
        let is_named = holder.is_some_and(|holder| {
            holder.namespace.as_deref() == Some(self.namespace.as_str())
                && holder.name.as_deref() == claim.map(|claim| claim.name.as_str())
        });
        let uid = volume.claim_uid();
        is_named && (uid.is_none() || uid == claim.and_then(ClaimFact::uid))
    }

    /// Whether the volume is for another claim than the desired one, and that claim exists: the one
    /// that it names by UID, or by name alone.
    async fn is_held_by_other(&self, claim: &str, volume: &VolumeFound) -> Fact<bool> {
        let holder = volume.claim.clone().unwrap_or_default();
        let (Some(name), Some(namespace)) = (holder.name, holder.namespace) else {
            return Fact::Known(false);
        };
        if name == claim && namespace == self.namespace {
            return Fact::Known(false);
        }
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(self.client.clone(), &namespace);
        let what = format!("PersistentVolumeClaim {namespace}/{name}");
        Fact::from_read(&what, claims.get_metadata_opt(&name).await).map(|found| {
            found.is_some_and(|found| holder.uid.is_none() || found.uid() == holder.uid)
        })
    }
}

/// The storage of a volume that is gone, if it can be looked for.
fn storage_that_is_gone(binding: &ClaimBinding) -> Option<VolumeStorage> {
    let is_gone = binding.volume.is_none();
    let storage = binding.desired_storage().filter(|_| is_gone)?;
    Some(storage).filter(|storage| !storage.handle().is_empty())
}

/// Another volume object for that storage: with both, two claims would have the same files.
fn same_storage(binding: &ClaimBinding, all: &[PersistentVolume]) -> Option<String> {
    let storage = storage_that_is_gone(binding)?;
    let mut found = volumes_for(all, &storage);
    found.next().map(ResourceExt::name_any)
}
