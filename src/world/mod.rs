//! What is known of one database and what it runs on: each part a fact, also when the read failed.
//! Everything that is read from the Kubernetes cluster is read here; nothing is judged here.

mod agent_identity;
mod agents;
mod api_clock;
mod backoff;
mod bare_pods;
mod claim_owners;
mod claims;
mod data_directory;
mod enforcement;
mod fact;
mod instances;
mod job_end;
mod late_backup;
mod ledger;
mod namespace;
mod observe;
mod observed;
mod owner_name;
mod pods;
mod read_agents;
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
mod turn;
mod turned_away;
mod twins;
mod volume_index;
mod watched_volumes;
mod workload;

pub use agent_identity::AgentIdentity;
pub use agents::{AgentFact, pod_says};
pub use backoff::{Backoff, RepairPause};
pub use claim_owners::{ClaimOwner, OwnerState};
pub use claims::{ClaimFact, ClaimOrigin, KeptVolume, VolumeFact, VolumeFound};
pub use data_directory::TemplateDirectory;
pub use enforcement::Enforcement;
pub use fact::Fact;
pub use instances::{LabelledRole, labelled_role, primary_label, same_cluster};
pub use job_end::job_end;
pub use late_backup::{LateBackup, late_at};
pub use ledger::LedgerFact;
pub use namespace::{LedgerOrigin, OtherNamespace};
pub use observe::{OperatorFacts, observe};
pub use observed::{FileClaim, NeighbourFact, Observed, PolicyFact, World};
pub use owner_name::OwnerName;
pub use pods::{
    ControllerFact, EndedContainer, GateFact, MountFact, OtherMountFact, PodFact, RunningContainer,
    ServerFact,
};
pub use read_workload::{NamedWorkload, WorkloadObject};
pub use reader::Reader;
pub use recovery::{ClaimBinding, DesiredClaim, ObservedRecovery};
pub use server::{keeps_data, runs_client};
pub use services::{ServiceFact, ServicePortFact, ServiceTarget};
pub use turn::{TurnFact, TurnPlace};
pub use twins::{TwinFact, Twins};
pub use watched_volumes::WatchedVolumes;
pub use workload::{ContainerFact, FormerWorkload, PodsFound, WorkloadFact, WorkloadFound};
