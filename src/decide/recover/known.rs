//! What a recovery has to know: a fact that is not known blocks it. Pure.

use crate::plan::Blocker;
use crate::world::Fact;

/// The value of a fact; what is not known blocks.
pub fn known<T>(fact: &Fact<T>) -> Result<&T, Blocker> {
    match fact {
        Fact::Known(value) => Ok(value),
        Fact::Unknown(why) => Err(Blocker::Unread(why.clone())),
    }
}
