//! What several sessions could not restore beside each other, and whether fewer are tried. Pure.

use crate::api::{AgentFailure, reasons};

use super::restore_context::Beside;

/// What another session, or a single one, would meet again. In English: what a server says in another language
/// is tried once more.
const FINAL_FOR_ROWS: [&str; 5] = [
    "invalid input syntax",
    "violates not-null constraint",
    "permission denied",
    "must be owner",
    "out of range",
];
const FULL_DISK: [&str; 3] = [
    "No space left on device",
    "could not extend file",
    "Disk quota exceeded",
];

/// What several sessions could not do, and why.
pub struct NotBeside {
    pub left: Beside,
    pub why: String,
}

impl NotBeside {
    /// Whether less is to be done by several sessions after a failure. A full disk would be filled again.
    pub fn after(failure: AgentFailure, left: Beside) -> Result<Self, AgentFailure> {
        let says = |texts: &[&str]| texts.iter().any(|text| failure.message.contains(text));
        let is_final = says(&FULL_DISK) || left == Beside::Indexes && says(&FINAL_FOR_ROWS);
        if failure.reason != reasons::RESTORE_FAILED || is_final {
            return Err(failure);
        }
        Ok(Self {
            left,
            why: failure.message,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(reason: &str, message: &str) -> AgentFailure {
        AgentFailure {
            reason: reason.to_owned(),
            message: message.to_owned(),
        }
    }

    #[test]
    fn what_one_session_would_meet_too_is_not_tried_again() {
        for (message, left, is_tried) in [
            (
                "ERROR: new row violates check constraint \"c\"",
                Beside::Indexes,
                true,
            ),
            (
                "ERROR: sorry, too many clients already",
                Beside::Indexes,
                true,
            ),
            (
                "ERROR: could not extend file: No space left on device",
                Beside::Indexes,
                false,
            ),
            (
                "ERROR: could not extend file: No space left on device",
                Beside::Nothing,
                false,
            ),
            (
                "ERROR: invalid input syntax for type integer",
                Beside::Indexes,
                false,
            ),
            (
                "ERROR: permission denied for function f",
                Beside::Nothing,
                true,
            ),
        ] {
            let after = NotBeside::after(failure(reasons::RESTORE_FAILED, message), left);
            assert_eq!(after.is_ok(), is_tried, "{message}");
        }
        let broken = failure(reasons::CONNECTION_FAILED, "the connection broke");
        assert!(NotBeside::after(broken, Beside::Indexes).is_err());
    }
}
