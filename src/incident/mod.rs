//! The account of an incident: what was read of one database becomes one account of it, and that
//! becomes text, Markdown, a page or data. Pure.

mod assessment;
mod build;
mod differences;
mod facts;
mod history;
mod markdown;
mod model;
mod next_steps;
mod overview;
mod page;
mod phrases;
mod plot;
mod plot_scale;
mod questions;
mod safe_text;
mod selection;
mod storage;
mod surroundings;
mod text;
mod timeline;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

pub use build::build_incident;
pub use facts::{Facts, Lookup, TemplateRevision, WorkloadFacts};
pub use markdown::build_markdown;
pub use model::{DataState, Incident};
pub use overview::{DatabaseOverview, build_overview};
pub use page::build_page;
pub use storage::name_volumes;
pub use text::build_text;
