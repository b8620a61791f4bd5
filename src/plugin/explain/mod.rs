//! `kubectl holdfast explain`: the present verdict and the evidence for each sentence of it.

mod command;
mod events;
mod objects;
mod read;

pub use command::{ExplainArguments, exit_status_of, run};
pub use read::fetch_incident;
