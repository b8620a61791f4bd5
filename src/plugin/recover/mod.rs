//! `kubectl holdfast recover`: brings claims, volumes and namespaces of a database back, with or
//! without the operator.

mod command;
mod text;

pub use command::{RecoverArguments, run};
