//! `kubectl holdfast status`: what is known of protected databases, in words.

mod command;

mod text;

pub use crate::incident::{DatabaseReport, build_report};
pub use command::*;
pub use text::*;
