//! Where results go: standard output, as text for people or as JSON or YAML for programs.

use std::io::{self, Write as _};

use clap::ValueEnum;
use serde::Serialize;

use super::error::PluginError;
use crate::install;

/// How a result is written that has no table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DataFormat {
    /// All of it, for programs.
    Json,
    /// All of it, for programs and people.
    Yaml,
}

/// How a result of several objects is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// All of it, for programs.
    Json,
    /// All of it, for programs and people.
    Yaml,
    /// One line each.
    Table,
}

/// Writes a text. A reader that has seen enough, such as `head`, is no failure.
pub fn write_out(text: &str) -> Result<(), PluginError> {
    let mut output = io::stdout().lock();
    match output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
    {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(PluginError::Terminal {
            doing: "write to the standard output",
            source: error,
        }),
        _ => Ok(()),
    }
}

/// A result as JSON.
pub fn build_json<T: Serialize>(result: &T) -> Result<String, PluginError> {
    serde_json::to_string_pretty(result)
        .map(|text| text + "\n")
        .map_err(|error| PluginError::Represent(error.to_string()))
}

/// A result as YAML.
pub fn build_yaml<T: Serialize>(result: &T) -> Result<String, PluginError> {
    let value =
        serde_json::to_value(result).map_err(|error| PluginError::Represent(error.to_string()))?;
    install::build_document(&value).map_err(|error| PluginError::Represent(error.to_string()))
}
