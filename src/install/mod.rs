//! Everything that an installation consists of, built from one place: the manifest, the chart and
//! the generated pages. No client.

mod access;
mod chart;
mod conditions_page;
mod definitions;
mod error;
mod generate;
mod manifest;
mod monitoring;
mod operator;
mod selector;
mod webhook;
mod yaml;

pub use error::InstallError;
pub use generate::{generate, generated_files};
pub use manifest::{InstallOptions, manifest, print_crds};
pub use selector::parse_selector;
pub(crate) use yaml::document as build_document;
