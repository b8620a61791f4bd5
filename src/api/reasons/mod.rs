//! Every reason that a condition, a check or a backup can give, with what it means and what to do.
//! `docs/conditions.md` is generated from these tables.

/// Each reason as a constant, and the table of their explanations: name, word, conditions, meaning,
/// remedy.
macro_rules! reasons {
    ($table:ident: $($name:ident = $reason:literal on $conditions:literal: $meaning:literal, $remedy:literal;)*) => {
        // The meanings are also shown in a terminal, where backticks would be noise.
        $(#[allow(clippy::doc_markdown)] #[doc = $meaning] pub const $name: &str = $reason;)*

        pub(super) const $table: &[ReasonDocument] =
            &[$(ReasonDocument { reason: $name, conditions: $conditions, meaning: $meaning, remedy: $remedy }),*];
    };
}

mod backups;
mod checks;
mod data;
mod files;
mod guard;
mod overall;
mod restores;

pub use backups::*;
pub use checks::*;
pub use data::*;
pub use files::*;
pub use guard::*;
pub use overall::*;
pub use restores::*;

/// One reason and its explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReasonDocument {
    /// The word in `reason`.
    pub reason: &'static str,
    /// The conditions that carry it, with their value.
    pub conditions: &'static str,
    /// What happened.
    pub meaning: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// All reasons, in the order in which the documentation lists them.
pub fn all() -> impl Iterator<Item = &'static ReasonDocument> {
    [OVERALL, GUARD, DATA, CHECKS, FILES, BACKUPS, RESTORES]
        .into_iter()
        .flatten()
}

/// Finds the explanation of a reason.
#[must_use]
pub fn find(reason: &str) -> Option<&'static ReasonDocument> {
    all().find(|document| document.reason == reason)
}

/// The constant for a word that came from an agent, so that only documented reasons reach a
/// condition.
#[must_use]
pub fn known(reason: &str) -> &'static str {
    find(reason).map_or(QUERY_FAILED, |document| document.reason)
}
