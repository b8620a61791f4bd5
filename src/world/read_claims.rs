//! Reads the claims that belong to a database.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::Value;

use super::namespace::volume_name;
use super::{ClaimFact, ClaimOrigin, Fact, FileClaim, PodFact, Reader, VolumeFact, WorkloadFound};
use crate::api::{DeletionGuard, ProtectedDatabase, names};
use crate::guard;
use crate::resources::bytes_of;

/// The most claims that are followed for nothing but their mark, unless more were known before: while
/// no pod runs, the mark is all that ties the claims of its pods to a database.
const MARKED_LIMIT: usize = 32;

impl Reader {
    /// Reads the claims that belong to a database, for whichever of the possible reasons. Says how many
    /// more carry its mark that are not followed.
    pub async fn database_claims(
        &self,
        database: &ProtectedDatabase,
        workload: Option<&WorkloadFound>,
        pods: &[PodFact],
    ) -> Fact<(Vec<ClaimFact>, usize)> {
        let existing = match self
            .list::<PersistentVolumeClaim>(&ListParams::default())
            .await
        {
            Fact::Known(existing) => existing,
            Fact::Unknown(why) => return Fact::Unknown(why),
        };
        let owner = names::protected_by(&self.namespace, &database.name_any());
        let is_followed = follow_marked(database);
        let mut origins: BTreeMap<String, ClaimOrigin> = BTreeMap::new();
        let mut marked = Vec::new();
        for name in &database.spec.extra_claims {
            origins.entry(name.clone()).or_default().extra = true;
        }
        for name in workload
            .iter()
            .flat_map(|workload| workload.template_claims())
        {
            origins.entry(name.to_owned()).or_default().template = true;
        }
        // Whatever mounts it: an init container, or nothing that says where.
        for claim in pods.iter().flat_map(|pod| &pod.claims) {
            origins.entry(claim.clone()).or_default().pod = true;
        }
        for claim in &existing {
            let name = claim.name_any();
            if workload.is_some_and(|workload| workload.makes_claim(&name)) {
                origins.entry(name.clone()).or_default().template = true;
            }
            if guard::marked_owner(&claim.metadata) == Some(owner.as_str()) {
                marked.push(name);
            }
        }
        // Anybody who may write claims may write marks. Those that nothing else names are followed up
        // to a number, so that forged ones multiply no work; but none that the status knows is left
        // out. No pass adds to more than that number of them.
        marked.sort_by_key(|name| (!origins.contains_key(name), !is_followed(name)));
        let is_known = |name: &&String| origins.contains_key(*name) || is_followed(name);
        let named = marked.iter().filter(|name| origins.contains_key(*name));
        let least = named.count() + MARKED_LIMIT;
        let followed = least.max(marked.iter().filter(is_known).count());
        let mut left_out = 0;
        if !is_leaving(database) {
            left_out = marked.len().saturating_sub(followed);
            marked.truncate(followed);
        }
        for name in marked {
            origins.entry(name).or_default().marked = true;
        }
        let mut claims = Vec::with_capacity(origins.len());
        for (name, origin) in origins {
            let claim = existing.iter().find(|claim| claim.name_any() == name);
            claims.push(match claim {
                Some(claim) => ClaimFact {
                    origin,
                    volume: self.volume_of(claim).await,
                    ..ClaimFact::from(claim)
                },
                None => missing_claim(name, origin),
            });
        }
        Fact::Known((claims, left_out))
    }

    /// Reads one claim, whosever it is, without its volume.
    pub async fn claim(&self, name: &str) -> Fact<Option<ClaimFact>> {
        let claim = self.get::<PersistentVolumeClaim>(name).await;
        claim.map(|claim| claim.as_ref().map(ClaimFact::from))
    }

    /// Reads which claims of `spec.verification.files` and `spec.backup.directories` exist, and which pods
    /// have them. Asks nothing when none is named.
    pub(super) async fn file_claims(
        &self,
        database: &ProtectedDatabase,
        pods: &Fact<Vec<Pod>>,
    ) -> Fact<Vec<FileClaim>> {
        let rules = &database.spec.verification.files;
        let backup = database.spec.backup.as_ref();
        let directories = backup.map_or(&[][..], |backup| &backup.directories);
        if rules.is_empty() && directories.is_empty() {
            return Fact::Known(Vec::new());
        }
        let api = self.namespaced::<PersistentVolumeClaim>();
        let claims = api.list_metadata(&ListParams::default()).await;
        let pods: Vec<PodFact> = match pods {
            Fact::Known(pods) => pods.iter().map(PodFact::from).collect(),
            Fact::Unknown(why) => return Fact::Unknown(why.clone()),
        };
        Fact::from_read(
            "the claims of spec.verification.files and spec.backup.directories",
            claims,
        )
        .map(|claims| {
            let named = claims.items.iter().filter(|found| {
                let name = found.name_any();
                rules.iter().any(|rule| rule.claim == name)
                    || directories.iter().any(|one| one.claim == name)
            });
            named
                .map(|found| {
                    let claim = found.name_any();
                    let has_it = |pod: &&PodFact| !pod.ended && pod.claims.contains(&claim);
                    let pods: Vec<PodFact> = pods.iter().filter(has_it).cloned().collect();
                    FileClaim {
                        uid: found.uid().unwrap_or_default(),
                        terminating: found.metadata.deletion_timestamp.is_some(),
                        node: pods.iter().find_map(|pod| pod.node.clone()),
                        pods,
                        claim,
                    }
                })
                .collect()
        })
    }
}

/// Whether a claim is one that the status lists.
fn follow_marked(database: &ProtectedDatabase) -> impl Fn(&str) -> bool {
    let listed = database.status.iter().flat_map(|status| &status.claims);
    let names: Vec<String> = listed.map(|claim| claim.name.clone()).collect();
    move |name| names.iter().any(|listed| listed == name)
}

/// Whether everything that carries the mark is to be released.
pub(super) fn is_leaving(database: &ProtectedDatabase) -> bool {
    database.metadata.deletion_timestamp.is_some()
        || database.spec.guard.deletion == DeletionGuard::Off
}

impl From<&PersistentVolumeClaim> for ClaimFact {
    /// A claim whose volume was not read.
    fn from(claim: &PersistentVolumeClaim) -> Self {
        let spec = claim.spec.as_ref();
        Self {
            name: claim.name_any(),
            origin: ClaimOrigin::default(),
            metadata: Some(claim.metadata.clone()),
            phase: claim
                .status
                .as_ref()
                .and_then(|status| status.phase.clone())
                .unwrap_or_default(),
            volume_name: volume_name(spec.and_then(|spec| spec.volume_name.as_deref())),
            volume: VolumeFact::Unknown("it was not asked for".to_owned()),
            capacity: capacity_of(claim),
            manifest: guard::build_claim_manifest(claim),
        }
    }
}

fn capacity_of(claim: &PersistentVolumeClaim) -> Option<u64> {
    let capacity = claim.status.as_ref()?.capacity.as_ref()?;
    bytes_of(&capacity.get("storage")?.0)
}

fn missing_claim(name: String, origin: ClaimOrigin) -> ClaimFact {
    ClaimFact {
        name,
        origin,
        metadata: None,
        phase: String::new(),
        volume_name: None,
        volume: VolumeFact::NotBound,
        capacity: None,
        manifest: Value::Null,
    }
}
