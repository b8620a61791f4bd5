//! Times and lengths of time as text.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// `3 hours`, in the largest unit of which there is at least one.
fn span(seconds: i64) -> String {
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute")];
    let (size, unit) = units
        .into_iter()
        .find(|(size, _)| seconds >= *size)
        .unwrap_or((1, "second"));
    let number = seconds / size;
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

/// A time of the past as `2026-02-01 09:00:05 UTC, 3 hours ago`, one to come as `…, in 3 hours`.
#[must_use]
pub fn moment(time: &Time, now: Timestamp) -> String {
    let seconds = now.as_second() - time.0.as_second();
    let distance = if seconds >= 0 {
        format!("{} ago", span(seconds))
    } else {
        format!("in {}", span(-seconds))
    };
    format!("{}, {distance}", date(time))
}

/// How long ago a time is, for a column.
#[must_use]
pub fn ago(time: Option<&Time>, now: Timestamp) -> String {
    time.map_or_else(
        || "never".to_owned(),
        |time| {
            format!(
                "{} ago",
                span((now.as_second() - time.0.as_second()).max(0))
            )
        },
    )
}

/// `2026-02-01 09:00:05 UTC`.
#[must_use]
pub fn date(time: &Time) -> String {
    time.0.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A length of time as text: `0.8 s`, `42 s`, `3 min 12 s`, `2 h 5 min`, `3 d 4 h`.
#[must_use]
pub fn say_length(length: jiff::SignedDuration) -> String {
    let seconds = length.as_secs().max(0);
    match seconds {
        0..10 => format!("{:.1} s", length.as_secs_f64().max(0.0)),
        10..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// A length of time that is only an estimate: `40 s`, `3 min`, `2 h 5 min`.
#[must_use]
pub fn say_about(seconds: i64) -> String {
    match seconds.max(1) {
        seconds @ ..90 => format!("{seconds} s"),
        seconds @ 90..5_400 => format!("{} min", (seconds + 30) / 60),
        seconds => say_length(jiff::SignedDuration::from_secs(seconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_the_largest_unit() {
        let now = Timestamp::from_second(1_000_000).unwrap_or_default();
        let at = |second: i64| Time(Timestamp::from_second(1_000_000 + second).unwrap_or_default());
        let said: Vec<String> = [0, -1, -59, -60, -7_200, -200_000, 90]
            .iter()
            .map(|second| moment(&at(*second), now))
            .collect();
        let distances: Vec<&str> = said
            .iter()
            .filter_map(|text| text.split_once(", "))
            .map(|(_, distance)| distance)
            .collect();
        assert_eq!(
            distances,
            [
                "0 seconds ago",
                "1 second ago",
                "59 seconds ago",
                "1 minute ago",
                "2 hours ago",
                "2 days ago",
                "in 1 minute"
            ]
        );
        assert_eq!(date(&at(0)), "1970-01-12 13:46:40 UTC");
        assert_eq!(ago(None, now), "never");
    }

    #[test]
    fn an_estimate_is_said_in_one_unit_while_it_is_short() {
        let said = [0, 40, 89, 90, 200, 7_500].map(say_about);
        assert_eq!(said, ["1 s", "40 s", "89 s", "2 min", "3 min", "2 h 5 min"]);
    }

    #[test]
    fn lengths_are_said_in_two_units_at_most() {
        let said = [820, 9_900, 42_000, 192_000, 7_500_000, 273_600_000]
            .map(|milliseconds| say_length(jiff::SignedDuration::from_millis(milliseconds)));
        assert_eq!(
            said,
            [
                "0.8 s",
                "9.9 s",
                "42 s",
                "3 min 12 s",
                "2 h 5 min",
                "3 d 4 h"
            ]
        );
    }
}
