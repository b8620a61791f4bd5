//! `kubectl holdfast report`: an incident report in one file, for people who were not there.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::incident::{build_markdown, build_page};
use crate::plugin::connect::Cluster;
use crate::plugin::error::PluginError;
use crate::plugin::exit_status::ExitStatus;
use crate::plugin::explain::{exit_status_of, fetch_incident};
use crate::plugin::output::{build_json, write_out};

/// What a report is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// One page that needs nothing else, with a plot of the rows over time.
    Html,
    /// For an issue or a wiki.
    Md,
    /// All that is known, as data.
    Json,
}

/// The arguments of `report`.
#[derive(Debug, Args)]
pub struct ReportArguments {
    /// Name of the ProtectedDatabase. It need not exist any longer: the ledger remembers it.
    name: String,
    /// What the report is written as.
    #[arg(short, long)]
    output: ReportFormat,
    /// Write a file instead of the standard output. An existing file is kept without --force.
    #[arg(long)]
    file: Option<PathBuf>,
    /// Overwrite an existing file.
    #[arg(long, requires = "file")]
    force: bool,
}

/// Runs `report`.
pub async fn run(
    cluster: &Cluster,
    arguments: &ReportArguments,
) -> Result<ExitStatus, PluginError> {
    let incident = fetch_incident(cluster, &arguments.name).await?;
    let text = match arguments.output {
        ReportFormat::Html => build_page(&incident),
        ReportFormat::Md => build_markdown(&incident),
        ReportFormat::Json => build_json(&incident)?,
    };
    match &arguments.file {
        None => write_out(&text)?,
        Some(path) => {
            write_file(path, &text, arguments.force)?;
            eprintln!("Written to {}.", path.display());
        }
    }
    Ok(exit_status_of(&incident))
}

fn write_file(path: &Path, text: &str, force: bool) -> Result<(), PluginError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => PluginError::FileThere(path.to_owned()),
        _ => PluginError::File {
            path: path.to_owned(),
            source,
        },
    };
    let mut options = File::options();
    options.write(true);
    if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let mut file = options.open(path).map_err(failed)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(failed)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test ends at the first thing that is not as it should be"
    )]

    use super::*;

    #[test]
    fn a_file_that_is_there_is_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report.html");
        write_file(&path, "first, and longer", false).unwrap();
        let refused = write_file(&path, "second", false).unwrap_err().to_string();
        assert!(
            refused.contains("report.html") && refused.contains("--force"),
            "{refused}"
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "first, and longer");
        write_file(&path, "second", true).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "second");
        let nowhere = write_file(&directory.path().join("no/report.html"), "x", false)
            .unwrap_err()
            .to_string();
        assert!(nowhere.contains("report.html"), "{nowhere}");
    }
}
