//! What a user confirms on a guarded object, and for how long: the value of the annotations
//! `holdfast.dev/confirm-deletion` and `holdfast.dev/confirm-change`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;

use super::names::{CONFIRM_CHANGE_ANNOTATION, CONFIRM_DELETION_ANNOTATION};

/// How long a confirmation is good for. Limited, because one that stays on an object, or in Git,
/// must not permit what nobody thinks of any more.
pub const CONFIRMATION_LIMIT: Duration = Duration::from_mins(15);

/// How much later than the clock of the API server the time of a confirmation may be: clocks of
/// users run ahead.
pub const CLOCK_TOLERANCE: Duration = Duration::from_mins(1);

/// The form of the time in a confirmation, as a regular expression that CEL and Rust both know.
pub const CONFIRMATION_TIME: &str = "20[0-9][0-9]-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z";

/// What a confirmation permits; each has an annotation of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfirmedVerb {
    /// The object may be deleted.
    Delete,
    /// The object may be changed in a way that the guard refuses.
    Change,
}

impl ConfirmedVerb {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Delete, Self::Change];

    /// The annotation that confirms it.
    #[must_use]
    pub const fn annotation(self) -> &'static str {
        match self {
            Self::Delete => CONFIRM_DELETION_ANNOTATION,
            Self::Change => CONFIRM_CHANGE_ANNOTATION,
        }
    }

    /// What is confirmed, as a noun.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Delete => "deletion",
            Self::Change => "change",
        }
    }
}

/// `UID/TIME`: confirms one thing about the object with that UID, from that time on, for
/// [`CONFIRMATION_LIMIT`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// The object.
    pub uid: String,
    /// When it was confirmed.
    pub since: Timestamp,
}

impl Confirmation {
    /// When it ends.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        self.since
            .checked_add(CONFIRMATION_LIMIT)
            .unwrap_or(Timestamp::MAX)
    }

    /// Whether it is in force at that time.
    #[must_use]
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.has_begun(now) && now <= self.end()
    }

    /// Whether it was confirmed before that time, as far as clocks agree.
    #[must_use]
    pub fn has_begun(&self, now: Timestamp) -> bool {
        now.checked_add(CLOCK_TOLERANCE)
            .is_ok_and(|latest| self.since <= latest)
    }
}

impl fmt::Display for Confirmation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{:.0}", self.uid, self.since)
    }
}

impl FromStr for Confirmation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shape = || {
            format!(
                "{text:?} is not UID/TIME, the UID of the object and the time in UTC at which it \
                 is confirmed, such as 7d1c2f4e-0a3b-4c5d-8e6f-9a0b1c2d3e4f/2026-02-01T09:30:00Z"
            )
        };
        let (uid, time) = text.split_once('/').ok_or_else(shape)?;
        // No fraction and no other zone: what the admission policies read, and nothing more.
        let is_plain = time.len() == "2026-02-01T09:30:00Z".len() && time.ends_with('Z');
        if uid.is_empty() || !is_plain {
            return Err(shape());
        }
        Ok(Self {
            uid: uid.to_owned(),
            since: time.parse().map_err(|_| shape())?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test ends at the first thing that is not as it should be"
    )]

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_confirmation_names_an_object_and_a_time() {
        let text = "7d1c/2026-02-01T09:30:00Z";
        let confirmation: Confirmation = text.parse().unwrap();
        assert_eq!(confirmation.uid, "7d1c");
        assert_eq!(confirmation.to_string(), text);
        let precise = Confirmation {
            since: at("2026-02-01T09:30:00.123Z"),
            ..confirmation
        };
        assert_eq!(precise.to_string(), text);
        for wrong in [
            "",
            "7d1c",
            "/2026-02-01T09:30:00Z",
            "7d1c/",
            "7d1c/tomorrow",
            "7d1c/2026-02-01",
            "7d1c/2026-02-01T09:30:00.5Z",
            "7d1c/2026-02-01T09:30:00+00:00",
            "7d1c/2026-02-31T09:30:00Z",
            "7d1c/2026-02-01T09:30:00Z/",
        ] {
            assert!(
                wrong
                    .parse::<Confirmation>()
                    .unwrap_err()
                    .contains("UID/TIME"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn it_begins_at_its_time_and_ends_after_15_minutes() {
        let confirmation: Confirmation = "u-1/2026-02-01T09:30:00Z".parse().unwrap();
        let in_force = [
            ("2026-02-01T09:28:59Z", false),
            ("2026-02-01T09:29:00Z", true),
            ("2026-02-01T09:30:00Z", true),
            ("2026-02-01T09:45:00Z", true),
            ("2026-02-01T09:45:01Z", false),
            ("2027-02-01T09:30:00Z", false),
        ];
        for (now, expected) in in_force {
            assert_eq!(confirmation.is_in_force(at(now)), expected, "{now}");
        }
    }
}
