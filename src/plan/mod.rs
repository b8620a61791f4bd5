//! Steps as data, and the rules that vet every plan before its first write. Pure.

mod rules;
mod step;

#[cfg(test)]
pub(crate) use rules::{RULES, check_by};
pub use rules::{RuleViolation, check_plan};
pub use step::*;
