//! The story as one page of HTML that needs nothing else: no script, no picture, no font from
//! elsewhere. Pure.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::differences::{say_count, say_rows, say_side};
use super::markdown::say_kind;
use super::plot::draw_plot;
use super::text::{NO_BASELINE, NOTHING_FOUND, describe_look, headline};
use super::{Answer, Line, Series, Standing, Story};
use crate::wording::number;
use crate::wording::{date, moment};

/// The page's style: it follows what the reader's system prefers, light or dark.
const STYLE: &str = include_str!("page.css");
/// A browser loads and runs nothing for this page, whatever might slip into it.
const NOTHING_FROM_ELSEWHERE: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
/// How much of a message a row of the timeline shows.
const MOMENT_WORDS: usize = 600;

/// The whole page.
#[must_use]
pub fn build_page(story: &Story) -> String {
    let title = format!("{}/{}: incident report", story.namespace, story.name);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(NOTHING_FROM_ELSEWHERE);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p class="told" { "Incident report, told at " (date(&story.told_at)) }
                    h1 { (story.namespace) "/" (story.name) }
                    p { (story.about.capitalized()) "." }
                    (tell_verdict(story))
                }
                main {
                    (tell_rows(&story.series))
                    (tell_expected(story))
                    (tell_next_steps(story))
                    h2 { "Five questions" }
                    @for answer in &story.answers { (tell_answer(answer)) }
                    (tell_evidence(story))
                    (tell_timeline(story))
                    (tell_backups(story))
                    (tell_unknown(story))
                }
                footer { "Told by kubectl holdfast report. Every time is in UTC. Rows are those \
                    that a check has counted." }
            }
        }
    };
    // A line an element, so that the page can be read and compared as text too; between elements
    // `><` is never text.
    page.into_string().replace("><", ">\n<") + "\n"
}

fn tell_verdict(story: &Story) -> Markup {
    let verdict = &story.verdict;
    let class = match verdict.standing {
        Standing::Reset => "verdict reset",
        Standing::Good => "verdict good",
        Standing::NotKnown => "verdict",
    };
    html! {
        section class=(class) {
            strong { (Line::from(headline(verdict.standing)).capitalized()) " (" (verdict.reason) ")" }
            @if let Some(since) = &verdict.since { p { "Since " (moment(since, story.told_at.0)) "." } }
            p { (verdict.meaning) }
            p { "How sure: " (verdict.certainty) "." }
        }
    }
}

fn tell_rows(series: &Series) -> Markup {
    html! {
        h2 { "Rows over time" }
        (draw_plot(series))
        @if series.curves.iter().any(|curve| !curve.points.is_empty()) {
            ul class="legend" {
                li { svg viewBox="0 0 16 16" aria-hidden="true" { circle class="point" cx="8" cy="8" r="4.5" {} } "check: Verified" }
                li { svg viewBox="0 0 16 16" aria-hidden="true" { rect class="bad-point" x="3" y="3" width="10" height="10" {} } "check: Suspected" }
                li { svg viewBox="0 0 16 16" aria-hidden="true" { circle class="open-point" cx="8" cy="8" r="4.5" {} } "not sure, or estimated" }
                li { svg viewBox="0 0 16 16" aria-hidden="true" { path class="start-sign" d="M8 \
                    3l6 10h-12z" {} } "start of the container" }
                li { svg viewBox="0 0 16 16" aria-hidden="true" { line class="change" x1="8" x2="8" y1="0" y2="16" {} } "other volume from here on" }
                li { svg viewBox="0 0 16 16" aria-hidden="true" { line class="minimum" x1="0" x2="16" y1="8" y2="8" {} } "fewest rows that the rule allows" }
            }
            p class="note" { "Each sign is a check; between two checks nothing is known. Every \
                scale begins at 0." }
            (tell_points(series))
        }
    }
}

fn tell_points(series: &Series) -> Markup {
    let points = series
        .curves
        .first()
        .map(|curve| curve.points.as_slice())
        .unwrap_or_default();
    html! {
        details {
            summary { "The numbers of the picture" }
            div class="wide" { table {
                thead { tr { th { "time" } th { "check" } th { "outcome" } @for curve in &series.curves { th class="number" { (curve.name) } } } }
                tbody { @for point in points { tr {
                    td class="time" { (date(&point.time)) }
                    td { (point.check) }
                    td { @if let Some(outcome) = point.outcome { (format!("{outcome:?}")) } @else { "not judged" } }
                    @for curve in &series.curves {
                        @let same = curve.points.iter().find(|other| other.check == point.check);
                        td class="number" { @if let Some(same) = same { (say_rows(same.seen)) } @else { "not seen" } }
                    }
                } } }
            } }
        }
    }
}

fn tell_expected(story: &Story) -> Markup {
    html! {
        h2 { "Expected and found" }
        p { "Expected: " (describe_look(story.expected.as_ref(), NO_BASELINE)) "." }
        p { "Found: " (describe_look(story.found.as_ref(), NOTHING_FOUND)) "." }
        @if let Some(newest) = &story.newest {
            p { "The newest check, which could not tell: " (describe_look(Some(newest), "")) ", " (newest.reason) "." }
        }
        (tell_tables(story))
        @if !story.compared.is_empty() {
            h3 { "Cluster of data, server and volume" }
            div class="wide" { table {
                thead { tr { th { "" } th { "expected" } th { "found" } th { "" } } }
                tbody { @for row in &story.compared { tr class=[row.alarming.then_some("alarming")] {
                    th scope="row" { (row.what) } td { (row.expected) } td { (row.found) }
                    td { @if row.alarming { span class="sign" { "≠ differs" } } }
                } } }
            } }
        }
    }
}

fn tell_tables(story: &Story) -> Markup {
    let told = &story.tables;
    html! {
        @if !told.different.is_empty() {
            h3 { "Tables that differ" }
            div class="wide" { table {
                thead { tr { th { "table" } th class="number" { "expected" } th class="number" { "found" } th { "how" } th { "change" } } }
                tbody { @for table in &told.different { tr class=[table.lost.then_some("alarming")] {
                    th scope="row" { (table.table) }
                    td class="number" { (say_side(table.expected)) }
                    td class="number" { (say_side(table.found)) }
                    td { (table.found.or(table.expected).map(say_count).unwrap_or_default()) }
                    td { @if table.lost { span class="sign" { "▼ " } } (table.change) }
                } } }
            } }
        }
        @if told.compared {
            p class="note" {
                "Tables with as many rows as expected: " (told.same) "."
                @if told.left_out > 0 { " Tables that differ and are not listed: " (told.left_out) "." }
            }
        } @else {
            p { "Which tables differ is not known: there are no two looks to compare." }
        }
    }
}

fn tell_next_steps(story: &Story) -> Markup {
    html! {
        h2 { "What to do" }
        ol { @for step in &story.next_steps { li {
            (step.says.capitalized()) "."
            @if let Some(command) = &step.command { code class="command" { (command) } }
        } } }
    }
}

fn tell_answer(answer: &Answer) -> Markup {
    html! {
        h3 { (answer.question) }
        p class="answer" { (answer.answer) "." }
        ul {
            @for fact in &answer.facts { li { (fact) } }
            @for unknown in &answer.not_known { li class="unknown" { "Not known: " (unknown) } }
        }
        @for command in &answer.commands { code class="command" { (command) } }
    }
}

fn tell_evidence(story: &Story) -> Markup {
    html! {
        h2 { "What says so" }
        ul { @for sentence in &story.verdict.sentences { li { (sentence.says.capitalized()) span class="evidence" { "as told by " (sentence.evidence) } } } }
    }
}

fn tell_timeline(story: &Story) -> Markup {
    html! {
        h2 { "Timeline" }
        @if story.timeline.left_out > 0 { p class="note" { (story.timeline.left_out) " older \
            moments are left out." } }
        div class="wide" { table {
            thead { tr { th { "time" } th { "what" } th { "" } } }
            tbody { @for moment in &story.timeline.moments { tr class=[moment.alarming.then_some("alarming")] {
                td class="time" { (date(&moment.time)) }
                td { @if moment.alarming { span class="sign" { "! " } } (say_kind(moment.kind)) }
                td { (moment.says.cut(MOMENT_WORDS)) }
            } } }
        } }
        p class="note" { (story.events.note) "." }
    }
}

fn tell_backups(story: &Story) -> Markup {
    html! {
        h2 { "Backups" }
        @if story.backups.is_empty() { p { "None is known." } } @else {
            div class="wide" { table {
                thead { tr { th { "backup" } th { "time" } th { "state" } th class="number" { "rows" } th { "path" } th { "" } } }
                tbody { @for backup in &story.backups { tr {
                    th scope="row" { (backup.name) }
                    td class="time" { @if let Some(time) = &backup.time { (date(time)) } }
                    td { @if let Some(state) = backup.state { (format!("{state:?}")) } @else { "not begun" } }
                    td class="number" { @if let Some(rows) = backup.rows { (number(rows)) } }
                    td { (backup.path) }
                    td { @if backup.last_good { strong { "the last good one " } } (backup.message.cut(300)) }
                } } }
            } }
        }
    }
}

fn tell_unknown(story: &Story) -> Markup {
    html! {
        h2 { "What could not be read" }
        @if story.not_known.is_empty() { p { "Everything that was asked for could be read." } }
        ul { @for why in &story.not_known { li { (why) } } }
    }
}
