//! Reads everything about one database and tells it on the terminal.

use clap::Args;

use super::fetch_story;
use crate::incident::{Standing, Story, describe_story};
use crate::plugin::connect::Cluster;
use crate::plugin::ending::Ending;
use crate::plugin::error::PluginError;
use crate::plugin::output::{DataFormat, build_json, build_yaml, write_out};

/// What `explain` is asked.
#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// Name of the ProtectedDatabase. It need not be there any more: the ledger remembers it.
    name: String,
    /// json or yaml instead of text: all that is known, as data.
    #[arg(short, long)]
    output: Option<DataFormat>,
}

/// Runs `explain`.
pub async fn run(cluster: &Cluster, arguments: &ExplainArguments) -> Result<Ending, PluginError> {
    let story = fetch_story(cluster, &arguments.name).await?;
    write_out(&match arguments.output {
        Some(DataFormat::Json) => build_json(&story)?,
        Some(DataFormat::Yaml) => build_yaml(&story)?,
        None => describe_story(&story),
    })?;
    Ok(ending_of(&story))
}

/// A reset needs a person. What could not be read is told, and is no failure.
pub fn ending_of(story: &Story) -> Ending {
    if story.verdict.standing == Standing::Reset {
        Ending::NeedsAPerson
    } else {
        Ending::Done
    }
}
