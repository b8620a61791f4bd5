//! Whether what a drill reads is within the bounds of the spec. Pure.

use jiff::Timestamp;

/// Whether the text of a number is within its bounds; none if it is no number. Whole numbers are compared
/// exactly, whatever their size.
#[must_use]
pub fn is_within(value: &str, minimum: Option<i64>, maximum: Option<i64>) -> Option<bool> {
    let value = value.trim();
    if let Ok(whole) = value.parse::<i128>() {
        return Some(
            minimum.is_none_or(|minimum| whole >= i128::from(minimum))
                && maximum.is_none_or(|maximum| whole <= i128::from(maximum)),
        );
    }
    // `parse` takes words such as "infinity", too.
    let is_number =
        value.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
    let number: f64 = value.parse().ok().filter(|_| is_number)?;
    if !number.is_finite() {
        return None;
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "a bound beyond 2^53 is compared with a fraction, to the nearest"
    )]
    let (minimum, maximum) = (
        minimum.map(|minimum| minimum as f64),
        maximum.map(|maximum| maximum as f64),
    );
    Some(
        minimum.is_none_or(|minimum| number >= minimum)
            && maximum.is_none_or(|maximum| number <= maximum),
    )
}

/// How much later than the backup a value may be, in seconds: clocks and time zones differ.
const AHEAD: i64 = 86_400;

/// Whether the newest value of a column, in seconds since 1970, is not older than that before the backup, and
/// not of the future: one such row would hide that nothing was written for months.
#[must_use]
pub fn is_fresh(newest: i64, taken: Timestamp, within_seconds: u64) -> bool {
    let within = i64::try_from(within_seconds).unwrap_or(i64::MAX);
    let taken = taken.as_second();
    newest >= taken.saturating_sub(within) && newest <= taken.saturating_add(AHEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_with_their_bounds() {
        for (value, minimum, maximum, passed) in [
            ("5", Some(5), Some(5), Some(true)),
            ("4", Some(5), None, Some(false)),
            ("6", None, Some(5), Some(false)),
            (" -1 ", Some(0), None, Some(false)),
            ("0.5", Some(0), Some(1), Some(true)),
            ("1.5", Some(0), Some(1), Some(false)),
            ("1e3", Some(999), None, Some(true)),
            ("9223372036854775808", Some(i64::MAX), None, Some(true)),
            ("9223372036854775808", None, Some(i64::MAX), Some(false)),
            ("NaN", Some(0), None, None),
            ("infinity", Some(0), None, None),
            ("1e999", Some(0), None, None),
            ("many", Some(0), None, None),
            ("", Some(0), None, None),
            ("t", Some(0), None, None),
        ] {
            assert_eq!(is_within(value, minimum, maximum), passed, "{value}");
        }
    }

    #[test]
    fn a_column_is_compared_with_the_time_of_the_backup() {
        let taken = Timestamp::from_second(10_000).unwrap_or_default();
        assert!(is_fresh(9_000, taken, 1_000) && is_fresh(20_000, taken, 1));
        assert!(!is_fresh(8_999, taken, 1_000));
        assert!(is_fresh(-5, taken, u64::MAX));
        assert!(!is_fresh(4_070_908_800, taken, 1_000), "a row of 2099");
    }
}
