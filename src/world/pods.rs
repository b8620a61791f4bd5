//! Pods as they were read.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// One pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFact {
    pub name: String,
    pub uid: String,
    /// Its address, once it has one.
    pub address: Option<String>,
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
}

/// Something that is not a claim, mounted into a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherMountFact {
    /// Name of the container.
    pub container: String,
    /// Where it is mounted.
    pub path: String,
}
