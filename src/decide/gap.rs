//! Why the guard is not complete.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::removed_marks;
use crate::api::reasons;
use crate::world::Observed;

/// How long until it is read again whether what others run beside the database has stopped.
pub const OTHERS_PAUSE: Duration = Duration::from_secs(15);

/// A reason why the guard is not complete, the most serious first.
pub struct Gap {
    pub reason: &'static str,
    pub message: String,
}

impl Gap {
    /// A claim or volume whose marks are not all there.
    pub fn marking(observed: &Observed, kind: &str, metadata: &ObjectMeta, doing: &str) -> Self {
        let (reason, message) = removed_marks::say_marking(observed, kind, metadata, doing);
        Self { reason, message }
    }
}

/// A part that could not be read: the guard may have a gap there.
pub fn unknown(why: Option<&str>) -> Option<Gap> {
    let why = why?;
    Some(Gap {
        reason: reasons::GUARDING,
        message: format!("{why}; nothing is changed until it can be read"),
    })
}
