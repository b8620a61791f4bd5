//! A fact: what a read returned, or that it failed. A failed read is never taken for "nothing
//! there".

/// What is known of one part of the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact<T> {
    /// The read succeeded.
    Known(T),
    /// The read failed, and why. Whatever depends on it is not changed.
    Unknown(String),
}

impl<T> Fact<T> {
    /// Turns the result of a read into a fact; `what` says what was read.
    pub fn from_read<E: std::fmt::Display>(what: &str, result: Result<T, E>) -> Self {
        match result {
            Ok(value) => Self::Known(value),
            Err(error) => Self::Unknown(format!("could not read {what}: {error}")),
        }
    }

    /// The value, if it is known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }

    /// Applies a function to the value, if it is known.
    pub fn map<U>(self, function: impl FnOnce(T) -> U) -> Fact<U> {
        match self {
            Self::Known(value) => Fact::Known(function(value)),
            Self::Unknown(why) => Fact::Unknown(why),
        }
    }

    /// Why it is not known, if it is not.
    pub fn unknown(&self) -> Option<&str> {
        match self {
            Self::Known(_) => None,
            Self::Unknown(why) => Some(why),
        }
    }
}
