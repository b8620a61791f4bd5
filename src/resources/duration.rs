//! Durations as users write them: `60s`, `5m`, `1h30m`, `7d`, each within a range. Pure.

use std::time::Duration;

/// The shortest and the longest duration that a field takes, as users write them.
pub type DurationRange = [&'static str; 2];

/// How long from now a declared change may be seen: at most `api::DECLARATION_LIMIT`.
pub const DECLARATION_RANGE: DurationRange = ["1m", "7d"];

/// A duration that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// It is not written as a duration.
    #[error("{0:?} is not a duration; write a number and a unit, such as 60s, 5m, 6h or 1h30m")]
    Malformed(String),
    /// It is too short or too long.
    #[error("{text} is out of range; give between {} and {}", range[0], range[1])]
    OutOfRange {
        /// What it says.
        text: String,
        /// What is allowed.
        range: DurationRange,
    },
}

/// Reads a duration.
///
/// # Errors
/// It is no duration, or out of range.
pub fn parse_duration(text: &str, range: DurationRange) -> Result<Duration, DurationError> {
    let milliseconds =
        parse_milliseconds(text).ok_or_else(|| DurationError::Malformed(text.to_owned()))?;
    let [least, most] = range.map(|end| parse_milliseconds(end).unwrap_or_default());
    if (least..=most).contains(&milliseconds) {
        return Ok(Duration::from_millis(milliseconds));
    }
    Err(DurationError::OutOfRange {
        text: text.to_owned(),
        range,
    })
}

/// The milliseconds of a text of numbers with units; `None` when it is none, or more than can be
/// held.
fn parse_milliseconds(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = match &rest[..letters] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[letters..];
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::DECLARATION_LIMIT;

    #[test]
    fn durations_are_read_and_ranges_kept() {
        let hour = |text| parse_duration(text, ["1ms", "1h"]);
        assert_eq!(hour("60s"), Ok(Duration::from_mins(1)));
        assert_eq!(hour("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(hour("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(hour("1s500ms"), Ok(Duration::from_millis(1500)));
        assert_eq!(
            parse_duration("7d", ["1s", "7d"]),
            Ok(Duration::from_hours(7 * 24))
        );
        for malformed in [
            "",
            "s",
            "5",
            "5x",
            "-5s",
            "1.5h",
            "5m5",
            "ж",
            "99999999999999999999d",
        ] {
            assert!(
                matches!(hour(malformed), Err(DurationError::Malformed(_))),
                "{malformed}"
            );
        }
        for outside in ["0s", "0ms", "61m"] {
            assert!(
                matches!(hour(outside), Err(DurationError::OutOfRange { .. })),
                "{outside}"
            );
        }
    }

    #[test]
    fn a_declaration_is_as_long_as_the_operator_lets_it_be() {
        assert_eq!(
            parse_duration(DECLARATION_RANGE[1], DECLARATION_RANGE),
            Ok(DECLARATION_LIMIT)
        );
    }
}
