//! Rows over time as a picture: inline SVG with words for every sign, one panel per table, starts
//! and volumes below. Pure.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::model::{Curve, Point, Series};
use super::phrases::{say_rows, share_gone};
use super::plot_scale::{RowScale, TimeScale, round};
use super::safe_text::SafeText;
use crate::api::{CheckOutcome, CountKind};
use crate::wording::{date, number};

/// Width of the picture, and of what lies left and right of the curves.
const WIDTH: f64 = 960.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 770.0;
/// Space for the labels of volume changes.
const HEADER: f64 = 26.0;
/// Heights of the panels' parts.
const TITLE: f64 = 34.0;
const TALL: f64 = 140.0;
const SMALL: f64 = 72.0;
const GAP: f64 = 16.0;
/// Heights of the lanes and the axis.
const LANE: f64 = 26.0;
const AXIS: f64 = 44.0;
/// About how wide a letter is.
const LETTER: f64 = 7.4;
/// What is written at a change of the volume, and about how wide that is.
const CHANGE: &str = "◆ other volume";
const CHANGE_WIDTH: f64 = 110.0;
/// Half of the longest label of a tick, and a gap.
const TICK_ROOM: f64 = 44.0;
/// Starts that lie nearer to each other share a sign.
const NEAR: f64 = 18.0;

/// One panel and where it lies.
struct Panel<'a> {
    curve: &'a Curve,
    points: Vec<&'a Point>,
    top: f64,
    bottom: f64,
    rows: RowScale,
}

/// The picture, or a statement where there is nothing to draw.
pub(super) fn draw_plot(series: &Series) -> Markup {
    if series.curves.iter().all(|curve| curve.points.is_empty()) {
        return html! { p { "No check that still exists has counted rows, so there is nothing to draw." } };
    }
    let time = TimeScale::around(series, LEFT, RIGHT);
    let panels = lay_out(series, &time);
    let lanes = panels.last().map_or(HEADER, |panel| panel.bottom) + GAP;
    let height = lanes + 2.0 * LANE + AXIS;
    let hidden = series.curves.first().map_or(0, |curve| {
        curve
            .points
            .iter()
            .filter(|point| !time.shows(point.time.0))
            .count()
    });
    html! {
        div class="picture" {
            svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-labelledby="plot-title \
                plot-words" {
                title id="plot-title" { "Rows over time" }
                desc id="plot-words" { (describe(series)) }
                (draw_ticks(&time, lanes))
                (draw_start_lines(series, &time, lanes))
                (draw_changes(series, &time, lanes))
                @for panel in &panels { (draw_panel(panel, series, &time)) }
                (draw_starts(series, &time, lanes))
                (draw_volumes(series, &time, lanes + LANE))
            }
        }
        @if hidden > 0 { p class="note" { (hidden) " earlier checks are not in the plot; the \
            timeline has them." } }
    }
}

/// The picture in words, for those who can't see it.
fn describe(series: &Series) -> String {
    let said = series.curves.iter().filter_map(|curve| {
        let (first, last) = (curve.points.first()?, curve.points.last()?);
        let most = curve.points.iter().max_by_key(|point| point.counted.rows)?;
        Some(format!(
            "{}: {} rows at {}, {} at most, {} at {}.",
            curve.name,
            say_rows(first.counted),
            date(&first.time),
            say_rows(most.counted),
            say_rows(last.counted),
            date(&last.time)
        ))
    });
    let changes: Vec<String> = series
        .volumes
        .iter()
        .skip(1)
        .map(|span| {
            format!(
                "From {} on the data is on volume {}.",
                date(&span.from),
                span.volume
            )
        })
        .collect();
    said.chain(changes).collect::<Vec<_>>().join(" ")
}

fn lay_out<'a>(series: &'a Series, time: &TimeScale) -> Vec<Panel<'a>> {
    let mut top = HEADER;
    let mut panels = Vec::new();
    for curve in &series.curves {
        let points: Vec<&Point> = curve
            .points
            .iter()
            .filter(|point| time.shows(point.time.0))
            .collect();
        if points.is_empty() {
            continue;
        }
        let (begin, height) = (top + TITLE, if panels.is_empty() { TALL } else { SMALL });
        let most = points
            .iter()
            .map(|point| point.counted.rows)
            .chain(curve.minimum)
            .max()
            .unwrap_or(1);
        let rows = RowScale::up_to(most, begin, begin + height);
        panels.push(Panel {
            curve,
            points,
            top: begin,
            bottom: begin + height,
            rows,
        });
        top = begin + height + GAP;
    }
    panels
}

fn draw_ticks(time: &TimeScale, lanes: f64) -> Markup {
    let bottom = lanes + 2.0 * LANE;
    html! {
        @for tick in time.ticks() {
            line class="grid" x1=(tick.x) x2=(tick.x) y1=(HEADER) y2=(bottom) {}
            text class="tick" x=(tick.x) y=(bottom + 18.0) text-anchor="middle" { (tick.label) }
            @if !tick.date.is_empty() { text class="tick" x=(tick.x) y=(bottom + 34.0) text-anchor="middle" { (tick.date) } }
        }
        text class="tick" x=(RIGHT + TICK_ROOM) y=(bottom + 18.0) { "UTC" }
    }
}

fn draw_start_lines(series: &Series, time: &TimeScale, lanes: f64) -> Markup {
    html! {
        @for start in series.starts.iter().filter(|start| time.shows(start.0)) {
            @let x = time.x(start.0);
            line class="start" x1=(x) x2=(x) y1=(HEADER) y2=(lanes + 8.0) {}
        }
    }
}

/// A strong line where the data is on another volume from then on; a label where one fits.
fn draw_changes(series: &Series, time: &TimeScale, lanes: f64) -> Markup {
    let mut free_from = 0.0;
    let changes = series
        .volumes
        .iter()
        .skip(1)
        .filter(|span| time.shows(span.from.0))
        .map(|span| {
            let x = time.x(span.from.0);
            let anchor = if x + CHANGE_WIDTH > RIGHT {
                "end"
            } else {
                "start"
            };
            let begin = if anchor == "end" { x - CHANGE_WIDTH } else { x };
            let has_room = begin >= free_from;
            if has_room {
                free_from = begin + CHANGE_WIDTH;
            }
            (x, has_room.then_some(anchor))
        });
    html! {
        @for (x, anchor) in changes {
            line class="change" x1=(x) x2=(x) y1=(HEADER - 6.0) y2=(lanes + 2.0 * LANE) {}
            @if let Some(anchor) = anchor {
                text class="change-label" x=(x) y=(HEADER - 12.0) text-anchor=(anchor) { (CHANGE) }
            }
        }
    }
}

fn draw_panel(panel: &Panel<'_>, series: &Series, time: &TimeScale) -> Markup {
    let Panel {
        curve,
        top,
        bottom,
        rows,
        ..
    } = panel;
    let (good, bad) = draw_paths(panel, time);
    html! {
        g class="panel" {
            text class="name" x=(LEFT) y=(top - 18.0) { (curve.name.cut(60)) }
            line class="grid" x1=(LEFT) x2=(RIGHT) y1=(top) y2=(top) {}
            line class="axis" x1=(LEFT) x2=(RIGHT) y1=(bottom) y2=(bottom) {}
            text class="tick" x=(LEFT - 10.0) y=(top + 4.0) text-anchor="end" { (number(rows.most)) }
            text class="tick" x=(LEFT - 10.0) y=(bottom + 4.0) text-anchor="end" { "0" }
            @if let Some(minimum) = curve.minimum.filter(|minimum| *minimum > 0) { (draw_minimum(panel, minimum)) }
            @if !good.is_empty() { path class="good" d=(good) {} }
            @if !bad.is_empty() { path class="bad" d=(bad) {} }
            @for point in &panel.points { (draw_point(point, time.x(point.time.0), rows.y(point.counted.rows))) }
            (label_reference(panel, series, time))
            (label_last(panel))
        }
    }
}

fn draw_minimum(panel: &Panel<'_>, minimum: i64) -> Markup {
    let y = panel.rows.y(minimum);
    let is_curve_below = panel
        .points
        .first()
        .is_some_and(|first| first.counted.rows < minimum);
    let is_above = (is_curve_below && y - 20.0 > panel.top) || y + 16.0 > panel.bottom;
    html! {
        line class="minimum" x1=(LEFT) x2=(RIGHT) y1=(y) y2=(y) {}
        text class="small" x=(LEFT + 6.0) y=(round(if is_above { y - 6.0 } else { y + 14.0 })) { "minimum " (number(minimum)) }
    }
}

/// A curve stays where the last check found it until the next: between two checks nothing is
/// known.
fn draw_paths(panel: &Panel<'_>, time: &TimeScale) -> (String, String) {
    let (mut good, mut bad) = (String::new(), String::new());
    for (position, point) in panel.points.iter().enumerate() {
        let (x, y) = (time.x(point.time.0), panel.rows.y(point.counted.rows));
        let next = panel.points.get(position + 1);
        let end = next.map_or(RIGHT, |next| time.x(next.time.0));
        let path = if is_bad(point) { &mut bad } else { &mut good };
        let _ = write!(path, "M{x} {y}H{end}");
        if let Some(next) = next {
            let path = if is_bad(next) { &mut bad } else { &mut good };
            let _ = write!(path, "M{end} {y}V{}", panel.rows.y(next.counted.rows));
        }
    }
    (good, bad)
}

fn is_bad(point: &Point) -> bool {
    point.outcome == Some(CheckOutcome::Suspected)
}

fn draw_point(point: &Point, x: f64, y: f64) -> Markup {
    let outcome = point
        .outcome
        .map_or_else(|| "not judged".to_owned(), |outcome| format!("{outcome:?}"));
    let words = format!(
        "{}: {} rows, {outcome}, check {}",
        date(&point.time),
        say_rows(point.counted),
        point.check
    );
    let sure = point.outcome == Some(CheckOutcome::Verified)
        && point.counted.count != CountKind::Estimated;
    html! {
        @if is_bad(point) {
            rect class="bad-point" x=(round(x - 5.0)) y=(round(y - 5.0)) width="10" height="10" { title { (words) } }
        } @else {
            circle class=(if sure { "point" } else { "open-point" }) cx=(x) cy=(y) r="4.5" { title { (words) } }
        }
    }
}

/// What was there before the last loss, written where it was.
fn label_reference(panel: &Panel<'_>, series: &Series, time: &TimeScale) -> Markup {
    let Some(position) = panel
        .points
        .windows(2)
        .rposition(|pair| matches!(pair, [before, now] if !is_bad(before) && is_bad(now)))
    else {
        return html! {};
    };
    let (Some(before), Some(now)) = (panel.points.get(position), panel.points.get(position + 1))
    else {
        return html! {};
    };
    let fall = time.x(now.time.0);
    let marks = series
        .starts
        .iter()
        .map(|start| time.x(start.0))
        .filter(|x| (fall - 120.0..=fall).contains(x));
    let end = round(marks.fold(fall, f64::min) - 8.0);
    let is_near_the_edge = end < LEFT + 80.0;
    let y = round(panel.rows.y(before.counted.rows) - 8.0);
    let x = if is_near_the_edge { LEFT + 6.0 } else { end };
    html! {
        text class="value" x=(x) y=(y) text-anchor=(if is_near_the_edge { "start" } else { "end" }) { (say_rows(before.counted)) }
        @if let Some(back) = panel.points.get(position + 1..).and_then(|rest| rest.iter().position(|point| !is_bad(point)))
            && back > 0
        {
            text class="value bad-words" x=(round(fall + 8.0)) y=(round((panel.rows.y(now.counted.rows) - 8.0).max(panel.top + 12.0))) { (say_rows(now.counted)) }
        }
    }
}

/// The number of now, right of its curve.
fn label_last(panel: &Panel<'_>) -> Markup {
    let Some(last) = panel.points.last() else {
        return html! {};
    };
    let before = panel
        .points
        .iter()
        .rev()
        .find(|point| !is_bad(point))
        .filter(|_| is_bad(last));
    let share = before.and_then(|before| share_gone(before.counted.rows, last.counted.rows));
    let bottom = if share.is_some() {
        panel.bottom - 14.0
    } else {
        panel.bottom
    };
    let y = round((panel.rows.y(last.counted.rows) + 5.0).min(bottom));
    html! {
        text class=(if is_bad(last) { "last bad-words" } else { "last" }) x=(RIGHT + 14.0) y=(y) { (say_rows(last.counted)) }
        @if let Some(share) = share { text class="small bad-words" x=(RIGHT + 14.0) y=(y + 16.0) { "▼ " (share) " gone" } }
    }
}

fn draw_starts(series: &Series, time: &TimeScale, top: f64) -> Markup {
    let mut groups: Vec<(f64, usize)> = Vec::new();
    for x in series
        .starts
        .iter()
        .filter(|start| time.shows(start.0))
        .map(|start| time.x(start.0))
    {
        match groups.last_mut() {
            Some((place, number)) if x - *place < NEAR => *number += 1,
            _ => groups.push((x, 1)),
        }
    }
    let y = top + 8.0;
    html! {
        text class="tick" x=(LEFT - 10.0) y=(y + 9.0) text-anchor="end" { "starts" }
        @for (x, number) in groups {
            path class="start-sign" d=(format!("M{x} {y}l6 10h-12z")) {}
            @if number > 1 { text class="small" x=(round(x + 9.0)) y=(y + 10.0) { "×" (number) } }
        }
    }
}

fn draw_volumes(series: &Series, time: &TimeScale, top: f64) -> Markup {
    let height = LANE - 6.0;
    html! {
        text class="tick" x=(LEFT - 10.0) y=(top + 14.0) text-anchor="end" { "volume" }
        @for (position, span) in series.volumes.iter().enumerate() {
            @let begin = if position == 0 { LEFT } else { time.x(span.from.0) };
            @let next = series.volumes.get(position + 1);
            @let end = next.map_or(RIGHT, |next| time.x(next.from.0));
            @if end > begin {
                rect class=(if position % 2 == 0 { "volume" } else { "other-volume" }) x=(begin) y=(top) width=(round(end - begin)) height=(height) {
                    title { "volume " (span.volume) " since " (date(&span.from)) }
                }
                (label_volume(&span.volume, begin, end, next.is_none(), top + 14.0))
            }
        }
    }
}

/// In its bar, cut where it must be; the last one beside it when its bar is too short.
fn label_volume(volume: &SafeText, begin: f64, end: f64, is_last: bool, y: f64) -> Markup {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a few dozen letters"
    )]
    let letters = ((end - begin - 12.0) / LETTER).max(0.0) as usize;
    let fits = volume.width() <= letters || letters >= 14;
    html! {
        @if fits {
            text class="bar-label" x=(round(begin + 8.0)) y=(y) { (volume.cut(letters)) }
        } @else if is_last {
            text class="small" x=(RIGHT + 14.0) y=(y) { (volume.cut(22)) }
        }
    }
}
