//! Why an installation could not be written down.

use std::io;
use std::path::PathBuf;

/// Why an installation could not be written down.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// An object does not fit into JSON: a mistake in its builder.
    #[error(
        "an object of the installation can't be represented: {0}; this is a mistake in holdfast, \
         please report it"
    )]
    Represent(#[from] serde_json::Error),
    /// An object does not fit into YAML: a mistake in its builder.
    #[error(
        "an object of the installation can't be written as YAML: {0}; this is a mistake in \
         holdfast, please report it"
    )]
    Yaml(#[from] serde_saphyr::ser::Error),
    /// A generated file can't be written.
    #[error("can't write {path}: {source}; see that the directory is yours and has space, then run \
        `make generate` again", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}
