//! `kubectl holdfast release --all`: removes every mark, with your own permissions, when no operator does
//! it any more. Deletes nothing.

mod command;
mod found;
mod read;
mod text;

#[cfg(test)]
mod in_memory_tests;

pub use command::{ReleaseArguments, run};
