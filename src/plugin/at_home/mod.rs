//! `kubectl holdfast check` without a name: whether Holdfast is at home in this cluster and namespace.
//! `doctor` finds what nobody protects; this finds what keeps Holdfast from protecting it.

mod access;
mod admission;
mod before;
mod command;
mod definitions;
mod install_command;
mod installation;
mod namespace;
mod objects;
mod operator;
mod questions;
mod report;
mod secrets;
mod whereabouts;

pub use command::run;
