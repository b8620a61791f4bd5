//! Where a time and a number of rows lie in the picture: the window of time that is shown, ticks
//! that read well. Pure.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::model::Series;
use crate::api::CheckOutcome;

/// Lengths between ticks that read well, in seconds.
const TICK_STEPS: &[i64] = &[
    1, 5, 10, 15, 30, 60, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400,
    172_800, 604_800, 1_209_600, 2_592_000, 7_776_000, 31_536_000,
];
/// The most ticks.
const TICKS: i64 = 6;
/// How many checks before a loss are shown at least.
const CHECKS_BEFORE: usize = 6;

/// From time to place.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeScale {
    from: f64,
    to: f64,
    left: f64,
    right: f64,
}

/// A tick of the time axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub x: f64,
    pub label: String,
    /// The date, at the first tick and where it changes.
    pub date: String,
}

impl TimeScale {
    /// The window around the last loss, so that what came after it has space; without a loss all
    /// checks.
    pub fn around(series: &Series, left: f64, right: f64) -> Self {
        let points = series
            .curves
            .first()
            .map(|curve| curve.points.as_slice())
            .unwrap_or_default();
        let times: Vec<f64> = points.iter().map(|point| seconds(point.time.0)).collect();
        let (first, last) = (
            times.first().copied().unwrap_or_default(),
            times.last().copied().unwrap_or_default(),
        );
        let fall = points.windows(2).rposition(|pair| {
            matches!(pair, [before, now] if before.outcome != Some(CheckOutcome::Suspected) && now.outcome == Some(CheckOutcome::Suspected))
        });
        let from = fall.map_or(first, |position| {
            let at = times.get(position + 1).copied().unwrap_or(last);
            let known = times
                .get((position + 1).saturating_sub(CHECKS_BEFORE))
                .copied()
                .unwrap_or(first);
            known.min(at - 4.0 * (last - at)).max(first)
        });
        let margin = ((last - from) * 0.04).max(15.0);
        Self {
            from: from - margin,
            to: last + margin,
            left,
            right,
        }
    }

    /// Whether a time is shown.
    pub fn shows(&self, time: Timestamp) -> bool {
        (self.from..=self.to).contains(&seconds(time))
    }

    /// The place of a time; one before the window is at its edge.
    pub fn x(&self, time: Timestamp) -> f64 {
        let share = ((seconds(time) - self.from) / (self.to - self.from)).clamp(0.0, 1.0);
        round(self.left + share * (self.right - self.left))
    }

    /// The ticks, in UTC.
    pub fn ticks(&self) -> Vec<Tick> {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "seconds of this millennium fit"
        )]
        let (from, to) = (self.from.ceil() as i64, self.to.floor() as i64);
        let step = TICK_STEPS
            .iter()
            .copied()
            .find(|step| (to - from) / step < TICKS)
            .unwrap_or((to - from) / TICKS + 1);
        let mut ticks: Vec<Tick> = Vec::new();
        let mut date = String::new();
        let mut second = from.div_euclid(step) * step;
        while second <= to {
            if second >= from
                && let Ok(time) = Timestamp::from_second(second)
            {
                let zoned = time.to_zoned(TimeZone::UTC);
                let (label, day) = match step {
                    86_400.. => (
                        zoned.strftime("%-d %b").to_string(),
                        zoned.strftime("%Y").to_string(),
                    ),
                    60.. => (
                        zoned.strftime("%H:%M").to_string(),
                        zoned.strftime("%-d %b %Y").to_string(),
                    ),
                    _ => (
                        zoned.strftime("%H:%M:%S").to_string(),
                        zoned.strftime("%-d %b %Y").to_string(),
                    ),
                };
                ticks.push(Tick {
                    x: self.x(time),
                    label,
                    date: if day == date {
                        String::new()
                    } else {
                        day.clone()
                    },
                });
                date = day;
            }
            second += step;
        }
        ticks
    }
}

/// From rows to place; it always begins at 0, so that a loss looks as large as it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowScale {
    /// The number at the top.
    pub most: i64,
    top: f64,
    bottom: f64,
}

impl RowScale {
    /// A scale up to a round number that is not less than `most`.
    pub fn up_to(most: i64, top: f64, bottom: f64) -> Self {
        Self {
            most: round_up(most.max(1)),
            top,
            bottom,
        }
    }

    /// The place of a number.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a picture has fewer places than numbers of that size have digits"
    )]
    pub fn y(&self, rows: i64) -> f64 {
        let share = (rows.max(0) as f64 / self.most as f64).min(1.0);
        round(self.bottom - share * (self.bottom - self.top))
    }
}

/// One digit behind the point is finer than any screen.
pub(super) fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn round_up(value: i64) -> i64 {
    let mut unit = 1_i64;
    loop {
        for factor in [1, 2, 3, 4, 5, 6, 8] {
            match unit.checked_mul(factor) {
                Some(number) if number >= value => return number,
                Some(_) => {}
                None => return i64::MAX,
            }
        }
        let Some(next) = unit.checked_mul(10) else {
            return i64::MAX;
        };
        unit = next;
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds of this millennium fit")]
fn seconds(time: Timestamp) -> f64 {
    time.as_second() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_of_a_scale_is_a_round_number() {
        assert_eq!(
            [1, 85, 26_422, 100, 101, i64::MAX].map(round_up),
            [1, 100, 30_000, 100, 200, i64::MAX]
        );
        let scale = RowScale::up_to(85, 10.0, 110.0);
        let places = [0, 85, 100, i64::MAX, -1].map(|rows| scale.y(rows).to_string());
        assert_eq!(places, ["110", "25", "10", "10", "110"]);
    }

    #[test]
    fn ticks_are_round_and_few() {
        for length in [1_i64, 40, 600, 7_000, 90_000, 3_000_000, 400_000_000] {
            let from = 1_769_850_000.0;
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let scale = TimeScale {
                from,
                to: from + length as f64,
                left: 0.0,
                right: 700.0,
            };
            let ticks = scale.ticks();
            assert!((1..=7).contains(&ticks.len()), "{length}: {ticks:?}");
            assert!(!ticks[0].date.is_empty());
        }
    }
}
