//! `kubectl holdfast doctor`: finds every Postgres, says who protects it and what endangers its
//! data, and how to protect it.

mod command;
mod coverage;
mod findings;
mod mounts;
mod postgres_workload;
mod recognise;
mod servers;
mod suggestion;
mod text;
mod volumes;
mod workload;

pub use command::{DoctorArguments, run};
pub use coverage::{BackupCover, Cover, build_cover, find_cover};
pub use findings::{PostgresReport, judge};
pub use mounts::{DataPlace, data_places};
pub use postgres_workload::{ClaimFound, PostgresWorkload, ServersFound};
pub use recognise::{PostgresTemplate, recognise_postgres};
pub use servers::{Neighbourhood, judge_neighbours, judge_servers};
pub use suggestion::build_manifest;
pub use text::{build_doctor_table, describe_reports};
pub use workload::{WorkloadSeen, read_deployment, read_stateful_set};
