//! `kubectl holdfast status`: what is known of protected databases, in words.

mod command;

mod text;

pub use crate::incident::{DatabaseOverview, build_overview};
pub use command::*;
pub use text::*;
