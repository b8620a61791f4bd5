//! What is known of one database and what it runs on: each part a fact, also when the read failed.
//! Everything that is read from the Kubernetes cluster is read here; nothing is judged here.

mod claims;
mod data_directory;
mod fact;
mod ledger;
mod observe;
mod observed;
mod pods;
mod read_claims;
mod read_pods;
mod read_recovery;
mod read_volumes;
mod read_workload;
mod reader;
mod recovery;
mod same_part;
mod server;
mod services;
mod template_data;
mod workload;

pub use claims::{ClaimFact, ClaimOrigin, KeptVolume, VolumeFact, VolumeFound};
pub use data_directory::TemplateDirectory;
pub use fact::Fact;
pub use ledger::LedgerFact;
pub use observe::observe;
pub use observed::{FileClaim, NeighbourFact, Observed, PolicyFact, World};
pub use pods::{
    ControllerFact, GateFact, MountFact, OtherMountFact, PodFact, RunningContainer, ServerFact,
};
pub use reader::Reader;
pub use recovery::{ClaimBinding, DesiredClaim, ObservedRecovery};
pub use services::{ServiceFact, ServicePortFact, ServiceTarget};
pub use workload::{ContainerFact, WorkloadFact, WorkloadFound};
