//! A change of the data that a user declares before it is made: the value of the annotation
//! `holdfast.dev/accept-next-change`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;

/// The longest time for which a change can be declared. Limited, because an annotation that stays
/// in Git must not accept every later loss.
pub const DECLARATION_LIMIT: Duration = Duration::from_hours(7 * 24);

/// The longest text that is quoted.
const TEXT_LIMIT: usize = 300;

/// `CHECK/TIME`: accepts the first change after that DatabaseCheck and before that time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredChange {
    /// The DatabaseCheck that saw the data as it was before the change.
    pub since: String,
    /// Until when the change may be seen.
    pub until: Timestamp,
}

impl fmt::Display for DeclaredChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.since, self.until)
    }
}

impl FromStr for DeclaredChange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A text that is no such thing at all is not quoted: anybody may have written it.
        let is_plain = text.len() <= TEXT_LIMIT
            && text
                .chars()
                .all(|character| character.is_ascii_alphanumeric() || "-./:".contains(character));
        let shape = || {
            let said = if is_plain {
                format!("{text:?}")
            } else {
                "the value".to_owned()
            };
            format!(
                "{said} is not CHECK/TIME, the name of the newest DatabaseCheck and the end in \
                 UTC, such as knowledge-1a2b3c4d5e/2026-02-01T10:00:00Z"
            )
        };
        let (since, until) = text.split_once('/').ok_or_else(shape)?;
        if since.is_empty() {
            return Err(shape());
        }
        Ok(Self {
            since: since.to_owned(),
            until: until.parse().map_err(|_| shape())?,
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

    #[test]
    fn a_declaration_names_a_check_and_an_end() {
        let text = "knowledge-1a2b3c4d5e/2026-02-01T10:00:00Z";
        let declared: DeclaredChange = text.parse().unwrap();
        assert_eq!(
            (declared.since.as_str(), declared.to_string().as_str()),
            ("knowledge-1a2b3c4d5e", text)
        );
        for wrong in [
            "",
            "knowledge",
            "/2026-02-01T10:00:00Z",
            "knowledge/",
            "knowledge/tomorrow",
            "knowledge/2026-02-01",
        ] {
            assert!(
                wrong
                    .parse::<DeclaredChange>()
                    .unwrap_err()
                    .contains("CHECK/TIME"),
                "{wrong}"
            );
        }
    }
}
