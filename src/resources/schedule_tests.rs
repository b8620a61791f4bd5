//! Cron lines against what `robfig/cron` v3.0.1, the library of the `CronJob` controller, made of
//! them (`schedule_oracle.txt`: line, time zone and start, then the next four ticks).
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Schedule, ScheduleError};

fn at(text: &str) -> Time {
    Time(text.parse::<Timestamp>().unwrap())
}

fn parse(line: &str, zone: Option<&str>) -> Result<Schedule, ScheduleError> {
    Schedule::parse(line, zone)
}

/// The next four ticks, or the word of the oracle for a line that has none.
fn ticks(line: &str, zone: &str, after: &str) -> String {
    let schedule = match parse(line, Some(zone)) {
        Ok(schedule) => schedule,
        Err(ScheduleError::NeverFires(_)) => return "never".to_owned(),
        Err(_) => return "refused".to_owned(),
    };
    let mut moment = at(after);
    let mut ticks = Vec::new();
    for _ in 0..4 {
        moment = schedule.next_tick(&moment).unwrap();
        ticks.push(moment.0.to_string());
    }
    ticks.join(" ")
}

#[test]
fn lines_are_read_as_kubernetes_reads_them() {
    let mut lines = 0;
    for case in include_str!("schedule_oracle.txt").lines() {
        let (question, expected) = case.split_once(" => ").unwrap();
        let [line, zone, after] = question.split('|').collect::<Vec<_>>().try_into().unwrap();
        assert_eq!(ticks(line, zone, after), expected, "{question}");
        lines += 1;
    }
    assert!(lines > 40, "{lines}");
}

#[test]
fn what_kubernetes_takes_by_accident_is_refused() {
    for line in [
        "1,,2 * * * *",
        "*-5 * * * *",
        "+5 * * * *",
        ", * * * *",
        "@every 1h",
        "* * * *",
        "* * * * * *",
        "",
        "TZ=UTC 0 3 * * *",
    ] {
        assert!(
            matches!(parse(line, None), Err(ScheduleError::Malformed { .. })),
            "{line:?}"
        );
    }
}

#[test]
fn errors_say_what_is_wrong_and_what_to_do() {
    let text = |line, zone| parse(line, zone).unwrap_err().to_string();
    assert_eq!(
        text("0 12 * * 7", None),
        "\"0 12 * * 7\" is not a cron line (\"7\" is not the day of the \
         week: Kubernetes takes 0 to 6 or sun to sat, *, ranges A-B, lists A,B and steps A/N); \
         write minute, hour, day of month, month and day of week, such as \"0 3 * * *\", or a \
         macro such as @daily"
    );
    assert_eq!(
        text("0 0 31 2 *", None),
        "\"0 0 31 2 *\" never fires; there is no such date. Write one that \
         exists, such as \"0 3 * * *\""
    );
    for zone in [
        "Mars/Olympus",
        "europe/berlin",
        "Local",
        "",
        "+02:00",
        "UTC UTC",
    ] {
        assert!(
            text("0 3 * * *", Some(zone)).starts_with("time zone "),
            "{zone:?}"
        );
    }
}

#[test]
fn time_zones_are_known_without_files_of_the_system() {
    let zones = jiff::tz::TimeZoneDatabase::bundled();
    assert!(
        zones.get("Europe/Berlin").is_ok(),
        "the operator's image has no zoneinfo: the feature tzdb-bundle-always of jiff is needed"
    );
    for zone in [
        "UTC",
        "Etc/UTC",
        "Europe/Berlin",
        "America/Argentina/Buenos_Aires",
    ] {
        parse("0 3 * * *", Some(zone)).expect(zone);
    }
}

#[test]
fn a_backup_is_overdue_after_two_intervals_and_two_ticks() {
    for (line, good, expected) in [
        ("0 3 * * *", "2026-11-21T03:05:00Z", "2026-11-23T03:05:00Z"),
        // The first backup, a minute before its tick.
        ("0 3 * * *", "2026-11-21T02:59:00Z", "2026-11-23T02:59:00Z"),
        (
            "*/30 * * * *",
            "2026-11-21T10:01:00Z",
            "2026-11-21T11:01:00Z",
        ),
        // Friday's: nothing is due before Monday.
        (
            "0 3 * * 1-5",
            "2026-11-20T03:05:00Z",
            "2026-11-24T03:00:00Z",
        ),
        ("@monthly", "2026-11-02T00:00:00Z", "2027-01-03T00:00:00Z"),
        ("0 0 29 2 *", "2024-02-29T00:01:00Z", "2032-02-29T00:01:00Z"),
    ] {
        assert_eq!(
            parse(line, None).unwrap().overdue_at(&at(good)),
            Some(at(expected)),
            "{line}"
        );
    }
}
