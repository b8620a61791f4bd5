//! Durations as the spec writes them: `60s`, `5m`, `1h30m`, `7d`. Pure.

use std::time::Duration;

use crate::api::DECLARATION_LIMIT;

/// A duration that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// It is not written as a duration.
    #[error(
        "{field}: {text:?} is not a duration; write a number and a unit, such as 60s, 5m, 6h or \
         1h30m"
    )]
    Malformed {
        /// The field.
        field: &'static str,
        /// What it says.
        text: String,
    },
    /// It is too short or too long.
    #[error("{field}: {text} is out of range; give between {least} and {most}")]
    OutOfRange {
        /// The field.
        field: &'static str,
        /// What it says.
        text: String,
        /// The shortest that is allowed.
        least: &'static str,
        /// The longest that is allowed.
        most: &'static str,
    },
}

/// Reads `spec.verification.timeout`, 1 s to 1 h.
///
/// # Errors
/// It is no duration, or out of range.
pub fn parse_timeout(text: &str) -> Result<Duration, DurationError> {
    within("spec.verification.timeout", text, 3600, "1s", "1h")
}

/// Reads the `timeout` of a rule in `spec.verification.files`, 1 s to 1 h.
///
/// # Errors
/// It is no duration, or out of range.
pub fn parse_files_timeout(text: &str) -> Result<Duration, DurationError> {
    within("spec.verification.files[].timeout", text, 3600, "1s", "1h")
}

/// Reads `spec.verification.gate.timeout`, 1 s to 24 h.
///
/// # Errors
/// It is no duration, or out of range.
pub fn parse_gate_timeout(text: &str) -> Result<Duration, DurationError> {
    within(
        "spec.verification.gate.timeout",
        text,
        24 * 3600,
        "1s",
        "24h",
    )
}

/// Reads `spec.verification.countingBudget`, 1 ms to 1 h.
///
/// # Errors
/// It is no duration, or out of range.
pub fn parse_counting_budget(text: &str) -> Result<Duration, DurationError> {
    between(
        "spec.verification.countingBudget",
        text,
        1,
        3_600_000,
        ["1ms", "1h"],
    )
}

/// Reads `spec.backup.deadline`, 1 s to 7 d.
///
/// # Errors
/// It is no duration, or out of range.
pub fn parse_deadline(text: &str) -> Result<Duration, DurationError> {
    within("spec.backup.deadline", text, 7 * 86_400, "1s", "7d")
}

/// Reads how long from now a declared change may be seen, 1 min to 7 d.
///
/// # Errors
/// It is no duration, or out of range.
pub fn parse_declaration(text: &str) -> Result<Duration, DurationError> {
    between(
        "--duration",
        text,
        60_000,
        u64::try_from(DECLARATION_LIMIT.as_millis()).unwrap_or(u64::MAX),
        ["1m", "7d"],
    )
}

fn within(
    field: &'static str,
    text: &str,
    most_seconds: u64,
    least: &'static str,
    most: &'static str,
) -> Result<Duration, DurationError> {
    between(field, text, 1000, most_seconds * 1000, [least, most])
}

fn between(
    field: &'static str,
    text: &str,
    least: u64,
    most: u64,
    range: [&'static str; 2],
) -> Result<Duration, DurationError> {
    let milliseconds = parse(text).ok_or_else(|| DurationError::Malformed {
        field,
        text: text.to_owned(),
    })?;
    if (least..=most).contains(&milliseconds) {
        return Ok(Duration::from_millis(milliseconds));
    }
    let [least, most] = range;
    Err(DurationError::OutOfRange {
        field,
        text: text.to_owned(),
        least,
        most,
    })
}

/// The milliseconds of a text of numbers with units; `None` when it is none, or more than can be
/// held.
fn parse(text: &str) -> Option<u64> {
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

    #[test]
    fn durations_are_read_and_ranges_kept() {
        assert_eq!(parse_timeout("60s"), Ok(Duration::from_mins(1)));
        assert_eq!(parse_timeout("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(
            parse_counting_budget("500ms"),
            Ok(Duration::from_millis(500))
        );
        assert_eq!(
            parse_counting_budget("1s500ms"),
            Ok(Duration::from_millis(1500))
        );
        assert!(matches!(
            parse_counting_budget("0ms"),
            Err(DurationError::OutOfRange { least: "1ms", .. })
        ));
        assert_eq!(parse_deadline("6h"), Ok(Duration::from_hours(6)));
        assert_eq!(parse_deadline("7d"), Ok(Duration::from_hours(7 * 24)));
        for malformed in ["", "s", "5", "5x", "-5s", "1.5h", "5m5", "ж"] {
            assert!(
                matches!(
                    parse_timeout(malformed),
                    Err(DurationError::Malformed { .. })
                ),
                "{malformed}"
            );
        }
        for range in ["0s", "61m"] {
            assert!(
                matches!(parse_timeout(range), Err(DurationError::OutOfRange { .. })),
                "{range}"
            );
        }
        assert!(matches!(
            parse_deadline("99999999999999999999d"),
            Err(DurationError::Malformed { .. })
        ));
    }
}
