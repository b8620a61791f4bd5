//! Everything that an installation consists of, built from one place: the manifest, the chart and
//! the generated pages. No client.

mod access;
mod chart;
mod chart_pod;
mod conditions_page;
mod definitions;
mod error;
mod generate;
mod manifest;
mod monitoring;
mod operator;
mod selector;
mod values_schema;
mod webhook;
mod yaml;

pub use crate::resources::parse_agent_defaults;
pub(crate) use access::OPTIONAL_ROLES;
pub use error::InstallError;
pub use generate::{generate, generated_files};
pub(crate) use manifest::build_installation;
pub use manifest::{InstallOptions, manifest, print_crds};
pub use selector::parse_selector;
pub(crate) use yaml::document as build_document;
