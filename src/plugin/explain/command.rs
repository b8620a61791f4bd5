//! Reads everything about one database and explains it on the terminal.

use clap::Args;

use super::fetch_incident;
use crate::incident::{DataState, Incident, build_text};
use crate::plugin::connect::Cluster;
use crate::plugin::error::PluginError;
use crate::plugin::exit_status::ExitStatus;
use crate::plugin::output::{DataFormat, build_json, build_yaml, write_out};

/// The arguments of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// Name of the ProtectedDatabase. It need not exist any longer: the ledger remembers it.
    name: String,
    /// json or yaml instead of text: all that is known, as data.
    #[arg(short, long)]
    output: Option<DataFormat>,
}

/// Runs `explain`.
pub async fn run(
    cluster: &Cluster,
    arguments: &ExplainArguments,
) -> Result<ExitStatus, PluginError> {
    let incident = fetch_incident(cluster, &arguments.name).await?;
    write_out(&match arguments.output {
        Some(DataFormat::Json) => build_json(&incident)?,
        Some(DataFormat::Yaml) => build_yaml(&incident)?,
        None => build_text(&incident),
    })?;
    Ok(exit_status_of(&incident))
}

/// A reset needs the user. What could not be read is reported, and is no failure.
pub fn exit_status_of(incident: &Incident) -> ExitStatus {
    if incident.assessment.state == DataState::Reset {
        ExitStatus::NeedsAttention
    } else {
        ExitStatus::Done
    }
}
