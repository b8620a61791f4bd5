//! Pods as they were read.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::resources::Placement;
use crate::wording::lies_under;

/// One pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFact {
    pub name: String,
    pub uid: String,
    /// Its address, once it has one.
    pub address: Option<String>,
    /// The addresses that only it has: none for a pod that has those of its node.
    pub own_addresses: Vec<String>,
    /// The node that it is on.
    pub node: Option<String>,
    /// Whether all its containers have ended for good.
    pub ended: bool,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// Its containers that run now.
    pub running: Vec<RunningContainer>,
    /// The claims among its volumes, mounted or not.
    pub claims: Vec<String>,
    /// Its claims, and where each container mounts them.
    pub mounts: Vec<MountFact>,
    /// What else its containers mount, such as an emptyDir.
    pub other_mounts: Vec<OtherMountFact>,
    /// When it was created.
    pub created_at: Option<Time>,
    /// Its readiness gate, if its template asks for ours.
    pub gate: Option<GateFact>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What controls it, if anything does.
    pub controller: Option<ControllerFact>,
    /// The Postgres server that it runs, as far as its spec says so.
    pub server: Option<ServerFact>,
    /// Where it may run and how its images are pulled.
    pub placement: Placement,
    /// Its containers that have ended and are not started again.
    pub ended_containers: Vec<EndedContainer>,
}

/// A container that has ended, in a pod whose other containers may still run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedContainer {
    pub name: String,
    pub exit_code: i32,
    /// When it ended.
    pub at: Option<Time>,
}

/// What controls a pod, in the words of kubectl.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerFact {
    /// `statefulset`, `deployment`, or another kind.
    pub kind: String,
    pub name: String,
}

/// A Postgres server, as the spec of a pod describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFact {
    /// The database that it creates, if the spec says so.
    pub database: Option<String>,
    /// Whether the spec says that it only follows another server.
    pub is_replica: bool,
    /// Whether nothing but its port speaks for a server, and it has no claim: it may be a proxy that
    /// leads to one.
    pub may_be_proxy: bool,
    /// The ports of its container: name and number.
    pub ports: Vec<(String, i32)>,
}

impl PodFact {
    /// Whether it runs on a node, or is about to: not one that waits for a node, nor one of which
    /// nothing runs any more.
    #[must_use]
    pub fn is_on_node(&self) -> bool {
        !self.ended && (!self.running.is_empty() || (!self.terminating && self.node.is_some()))
    }

    /// Whether it may write to this directory of a claim: all of the claim if it is empty.
    #[must_use]
    pub fn may_write_to(&self, claim: &str, directory: &str) -> bool {
        let of_claim = self.mounts.iter().filter(|mount| mount.claim == claim);
        let mut of_claim = of_claim.peekable();
        if of_claim.peek().is_none() {
            // Nothing says where it is mounted: a block device, or an init container that has ended.
            return self.claims.iter().any(|mounted| mounted == claim);
        }
        of_claim.any(|mount| {
            !mount.read_only
                && (lies_under(&mount.sub_path, directory)
                    || lies_under(directory, &mount.sub_path))
        })
    }
}

/// The readiness gate of a pod as its status has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GateFact {
    /// Whether it is open; it is not as long as nobody has set it.
    pub is_open: bool,
    /// Why, one word; empty as long as nobody has set it.
    pub reason: String,
    /// Why.
    pub message: String,
}

/// A container that runs now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningContainer {
    pub name: String,
    /// Its id; a restart gives a new one.
    pub id: String,
    /// Its image as the pod's spec has it.
    pub image: String,
    /// When it started.
    pub started_at: Option<Time>,
    /// The data directory that the pod's spec configures; empty if it leaves that to the image.
    pub configured_directory: String,
}

/// A claim mounted into a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountFact {
    /// Name of the claim.
    pub claim: String,
    /// Name of the container.
    pub container: String,
    /// Where it is mounted.
    pub path: String,
    /// The directory of the volume that is mounted; empty for all of it.
    pub sub_path: String,
    /// Whether nothing can be written through it.
    pub read_only: bool,
}

/// Something that is not a claim, mounted into a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherMountFact {
    /// Name of the container.
    pub container: String,
    /// Where it is mounted.
    pub path: String,
}
