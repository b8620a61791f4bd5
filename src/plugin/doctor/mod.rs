//! `kubectl holdfast doctor`: finds every Postgres, says who protects it and what endangers its
//! data, and how to protect it.

mod bare;
mod command;
mod coverage;
mod env_from;
mod findings;
mod mounts;
mod not_judged;
mod postgres_workload;
mod recognise;
mod servers;
mod suggestion;
mod text;
mod twins;
mod volumes;
mod workload;

pub use bare::{PodsSeen, fetch_bare_reports};
pub use command::{DoctorArguments, run};
pub use coverage::{BackupCover, Cover, build_cover, find_cover, find_cover_of_pods};
pub use env_from::EnvSources;
pub use findings::{PostgresReport, judge};
pub use mounts::{DataPlace, data_places};
pub use not_judged::NotJudged;
pub use postgres_workload::{ClaimFound, PostgresWorkload, ServersFound};
pub use recognise::{PostgresTemplate, recognise_postgres};
pub use servers::{Neighbourhood, judge_neighbours, judge_servers};
pub use suggestion::build_manifest;
pub use text::{build_doctor_table, describe_not_judged, describe_reports};
pub use twins::VolumesSeen;
pub use workload::{WorkloadSeen, read_deployment, read_stateful_set};
