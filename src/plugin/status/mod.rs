//! `kubectl holdfast status`: what is known of protected databases, in words.

mod command;
mod report;
mod text;

pub use command::*;
pub use report::*;
pub use text::*;
