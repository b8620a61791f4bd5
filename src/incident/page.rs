//! The incident as one page of HTML that needs nothing else: no script, no picture, no font from
//! elsewhere. Pure.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::model::{DataState, Incident, Question, Series};
use super::phrases::{
    NO_BASELINE, NOTHING_FOUND, describe_check, headline, no_tables, say_count, say_kind, say_rows,
    say_side,
};
use super::plot::draw_plot;
use super::safe_text::SafeText;
use crate::wording::{date, moment, number};

/// The page's style: it follows what the reader's system prefers, light or dark.
const STYLE: &str = include_str!("page.css");
/// A browser loads and runs nothing for this page, whatever might slip into it.
const NOTHING_FROM_ELSEWHERE: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
/// How much of a message one row of the timeline shows.
const ENTRY_WORDS: usize = 600;

/// The whole page.
#[must_use]
pub fn build_page(incident: &Incident) -> String {
    let title = format!("{}/{}: incident report", incident.namespace, incident.name);
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
                    p class="read" { "Incident report, read at " (date(&incident.read_at)) }
                    h1 { (incident.namespace) "/" (incident.name) }
                    p { (incident.about.capitalized()) "." }
                    (render_assessment(incident))
                }
                main {
                    (render_rows(&incident.series))
                    (render_expected(incident))
                    (render_next_steps(incident))
                    h2 { "Five questions" }
                    @for answer in &incident.questions { (render_answer(answer)) }
                    (render_evidence(incident))
                    (render_timeline(incident))
                    (render_backups(incident))
                    (render_unknown(incident))
                }
                footer { "Written by kubectl holdfast report. Every time is in UTC. Rows are those \
                    that a check has counted." }
            }
        }
    };
    // One line per element, so that the page can be read and compared as text too; between elements
    // `><` is never text.
    page.into_string().replace("><", ">\n<") + "\n"
}

fn render_assessment(incident: &Incident) -> Markup {
    let assessment = &incident.assessment;
    let class = match assessment.state {
        DataState::Reset => "verdict reset",
        DataState::Good => "verdict good",
        DataState::Unknown => "verdict",
    };
    html! {
        section class=(class) {
            strong { (SafeText::from(headline(assessment.state)).capitalized()) " (" (assessment.reason) ")" }
            @if let Some(since) = &assessment.since { p { "Since " (moment(since, incident.read_at.0)) "." } }
            p { (assessment.meaning) }
            p { "How certain: " (assessment.certainty) "." }
        }
    }
}

fn render_rows(series: &Series) -> Markup {
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
            (render_points(series))
        }
    }
}

fn render_points(series: &Series) -> Markup {
    let points = series
        .curves
        .first()
        .map(|curve| curve.points.as_slice())
        .unwrap_or_default();
    html! {
        details {
            summary { "The numbers in the plot" }
            div class="wide" { table {
                thead { tr { th { "time" } th { "check" } th { "outcome" } @for curve in &series.curves { th class="number" { (curve.name) } } } }
                tbody { @for point in points { tr {
                    td class="time" { (date(&point.time)) }
                    td { (point.check) }
                    td { @if let Some(outcome) = point.outcome { (format!("{outcome:?}")) } @else { "not judged" } }
                    @for curve in &series.curves {
                        @let same = curve.points.iter().find(|other| other.check == point.check);
                        td class="number" { @if let Some(same) = same { (say_rows(same.counted)) } @else { "not seen" } }
                    }
                } } }
            } }
        }
    }
}

fn render_expected(incident: &Incident) -> Markup {
    html! {
        h2 { "Expected and found" }
        p { "Expected: " (describe_check(incident.expected.as_ref(), NO_BASELINE)) "." }
        p { "Found: " (describe_check(incident.found.as_ref(), NOTHING_FOUND)) "." }
        @if let Some(newest) = &incident.newest {
            p { "The newest check, which is Unverifiable: " (describe_check(Some(newest), "")) ", " (newest.reason) "." }
        }
        (render_tables(incident))
        @if !incident.compared.is_empty() {
            h3 { "Database cluster, server and volume" }
            div class="wide" { table {
                thead { tr { th { "" } th { "expected" } th { "found" } th { "" } } }
                tbody { @for row in &incident.compared { tr class=[row.alarming.then_some("alarming")] {
                    th scope="row" { (row.what) } td { (row.expected) } td { (row.found) }
                    td { @if row.alarming { span class="sign" { "≠ differs" } } }
                } } }
            } }
        }
    }
}

fn render_tables(incident: &Incident) -> Markup {
    let tables = &incident.tables;
    html! {
        h3 { "Tables that differ" }
        @if tables.listed.is_empty() { p class="note" { (no_tables(tables)) "." } } @else {
            div class="wide" { table {
                thead { tr { th { "table" } th class="number" { "expected" } th class="number" { "found" } th { "how" } th { "change" } } }
                tbody { @for table in &tables.listed { tr class=[table.lost.then_some("alarming")] {
                    th scope="row" { (table.table) }
                    td class="number" { (say_side(table.expected)) }
                    td class="number" { (say_side(table.found)) }
                    td { (table.found.or(table.expected).map(say_count).unwrap_or_default()) }
                    td { @if table.lost { span class="sign" { "▼ " } } (table.change) }
                } } }
            } }
        }
        @if tables.left_out > 0 { p class="note" { "Tables that are not listed: " (tables.left_out) "." } }
    }
}

fn render_next_steps(incident: &Incident) -> Markup {
    html! {
        h2 { "What to do" }
        ol { @for step in &incident.next_steps { li {
            (step.says.capitalized()) "."
            @if let Some(command) = &step.command { code class="command" { (command) } }
        } } }
    }
}

fn render_answer(answer: &Question) -> Markup {
    html! {
        h3 { (answer.question) }
        p class="answer" { (answer.answer) "." }
        ul {
            @for fact in &answer.facts { li { (fact) } }
            @for unknown in &answer.unknown { li class="unknown" { "Not known: " (unknown) } }
        }
        @for command in &answer.commands { code class="command" { (command) } }
    }
}

fn render_evidence(incident: &Incident) -> Markup {
    html! {
        h2 { "Evidence" }
        ul { @for statement in &incident.assessment.statements { li { (statement.says.capitalized()) span class="evidence" { "according to " (statement.source) } } } }
    }
}

fn render_timeline(incident: &Incident) -> Markup {
    html! {
        h2 { "Timeline" }
        @if incident.timeline.left_out > 0 { p class="note" { (incident.timeline.left_out) " older \
            entries are left out." } }
        div class="wide" { table {
            thead { tr { th { "time" } th { "what" } th { "" } } }
            tbody { @for entry in &incident.timeline.entries { tr class=[entry.alarming.then_some("alarming")] {
                td class="time" { (date(&entry.time)) }
                td { @if entry.alarming { span class="sign" { "! " } } (say_kind(entry.kind)) }
                td { (entry.says.cut(ENTRY_WORDS)) }
            } } }
        } }
        p class="note" { (incident.events.note) "." }
    }
}

fn render_backups(incident: &Incident) -> Markup {
    html! {
        h2 { "Backups" }
        @if incident.backups.is_empty() { p { "None is known." } } @else {
            div class="wide" { table {
                thead { tr { th { "backup" } th { "time" } th { "state" } th class="number" { "rows" } th { "path" } th { "" } } }
                tbody { @for backup in &incident.backups { tr {
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

fn render_unknown(incident: &Incident) -> Markup {
    html! {
        h2 { "What could not be read" }
        @if incident.unread.is_empty() { p { "Everything that was asked for could be read." } }
        ul { @for why in &incident.unread { li { (why) } } }
    }
}
