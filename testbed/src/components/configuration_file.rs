//! A configuration file of a component.

use std::path::PathBuf;

/// A configuration file: its path and its content.
pub type ConfigurationFile = (PathBuf, String);
