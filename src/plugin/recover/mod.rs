//! `kubectl holdfast recover`: brings back claims, volumes and namespaces of a database, with or
//! without the operator.

mod command;
mod text;

pub use command::{RecoverArguments, run};
