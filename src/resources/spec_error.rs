//! A field of a spec that can't be used. Pure.

/// A field that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct SpecError {
    /// The field, such as `spec.verification.tables[2].name`.
    pub field: String,
    /// What is wrong with it and what to write.
    pub message: String,
}
