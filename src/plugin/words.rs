//! Times and lists as people say them. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// `3 hours`, in the largest unit of which there is at least one.
fn span(seconds: i64) -> String {
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute")];
    let (size, unit) = units.into_iter().find(|(size, _)| seconds >= *size).unwrap_or((1, "second"));
    let number = seconds / size;
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

/// A time of the past as `2026-02-01 09:00:05 UTC, 3 hours ago`, one to come as `…, in 3 hours`.
pub fn moment(time: &Time, now: Timestamp) -> String {
    let seconds = now.as_second() - time.0.as_second();
    let distance = if seconds >= 0 { format!("{} ago", span(seconds)) } else { format!("in {}", span(-seconds)) };
    format!("{}, {distance}", date(time))
}

/// How long ago a time is, for a column.
pub fn ago(time: Option<&Time>, now: Timestamp) -> String {
    time.map_or_else(|| "never".to_owned(), |time| format!("{} ago", span((now.as_second() - time.0.as_second()).max(0))))
}

/// `2026-02-01 09:00:05 UTC`.
pub fn date(time: &Time) -> String {
    time.0.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_the_largest_unit() {
        let now = Timestamp::from_second(1_000_000).unwrap_or_default();
        let at = |second: i64| Time(Timestamp::from_second(1_000_000 + second).unwrap_or_default());
        let said: Vec<String> = [0, -1, -59, -60, -7_200, -200_000, 90].iter().map(|second| moment(&at(*second), now)).collect();
        let distances: Vec<&str> = said.iter().filter_map(|text| text.split_once(", ")).map(|(_, distance)| distance).collect();
        assert_eq!(
            distances,
            ["0 seconds ago", "1 second ago", "59 seconds ago", "1 minute ago", "2 hours ago", "2 days ago", "in 1 minute"]
        );
        assert_eq!(date(&at(0)), "1970-01-12 13:46:40 UTC");
        assert_eq!(ago(None, now), "never");
    }
}
