//! `kubectl holdfast report`: an incident report in one file, for people who were not there.

mod command;

pub use command::*;
