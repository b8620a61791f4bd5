//! The incident as Markdown, for an issue or a wiki. Everything from outside is escaped. Pure.

use std::fmt::{Display, Write as _};

use super::model::{Curve, Incident, Point, Question};
use super::phrases::{
    NO_BASELINE, NOTHING_FOUND, describe_check, headline, no_tables, say_count, say_kind, say_rows,
    say_side,
};
use super::safe_text::SafeText;
use crate::api::CheckOutcome;
use crate::wording::{date, moment};

/// How many points a table of rows over time shows.
const POINTS: usize = 40;

/// The whole report.
#[must_use]
pub fn build_markdown(incident: &Incident) -> String {
    let assessment = &incident.assessment;
    let mut text = format!(
        "# Incident report: {}/{}\n\n",
        escape(&incident.namespace),
        escape(&incident.name)
    );
    let _ = write!(
        text,
        "**{}** ({})",
        SafeText::from(headline(assessment.state)).capitalized(),
        escape(&assessment.reason)
    );
    if let Some(since) = &assessment.since {
        let _ = write!(text, ", since {}", moment(since, incident.read_at.0));
    }
    let _ = writeln!(
        text,
        ".\n\n{}. Read at {}.",
        escape(&incident.about.capitalized()),
        date(&incident.read_at)
    );
    describe_summary(&mut text, incident);
    describe_expected(&mut text, incident);
    describe_rows(&mut text, incident);
    text.push_str("\n## Five questions\n");
    for answer in &incident.questions {
        describe_answer(&mut text, answer);
    }
    describe_timeline(&mut text, incident);
    describe_backups(&mut text, incident);
    text.push_str("\n## What to do\n\n");
    for (position, step) in incident.next_steps.iter().enumerate() {
        let _ = writeln!(
            text,
            "{}. {}.",
            position + 1,
            escape(&step.says.capitalized())
        );
        if let Some(command) = &step.command {
            let _ = writeln!(text, "\n   {}\n", code(command));
        }
    }
    text.push_str("\n## What could not be read\n\n");
    if incident.unread.is_empty() {
        text.push_str("Everything that was asked for could be read.\n");
    }
    list(&mut text, &incident.unread);
    text
}

/// Text that Markdown takes for text: neither markup, nor HTML, nor a link, nor somebody's name.
fn escape(text: &impl Display) -> String {
    let text = text.to_string();
    let mut escaped = String::with_capacity(text.len());
    for (position, character) in text.char_indices() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '@' => escaped.push_str("&#64;"),
            ':' if text[position..].starts_with("://") => escaped.push_str("&#58;"),
            '.' if text[..position].ends_with("www") => escaped.push_str("&#46;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' | '!' => {
                escaped.extend(['\\', character]);
            }
            '#' | '+' | '-' | '=' if position == 0 => escaped.extend(['\\', character]),
            '.' | ')'
                if position > 0
                    && text[..position].bytes().all(|byte| byte.is_ascii_digit())
                    && is_end_of_word(&text[position + 1..]) =>
            {
                escaped.extend(['\\', character]);
            }
            other => escaped.push(other),
        }
    }
    escaped
}

fn is_end_of_word(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(' ')
}

/// A command in one line, in a fence that is longer than any run of backticks in it.
fn code(text: &impl Display) -> String {
    let text = text.to_string();
    let longest = text
        .split(|character| character != '`')
        .map(str::len)
        .max()
        .unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let blank = if longest > 0 { " " } else { "" };
    format!("{fence}{blank}{text}{blank}{fence}")
}

fn list<T: Display>(text: &mut String, items: &[T]) {
    for item in items {
        let _ = writeln!(text, "- {}", escape(item));
    }
}

fn table(text: &mut String, heading: &[&str], rows: &[Vec<String>]) {
    let _ = writeln!(
        text,
        "| {} |\n|{}",
        heading.join(" | "),
        "---|".repeat(heading.len())
    );
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
}

fn describe_summary(text: &mut String, incident: &Incident) {
    let assessment = &incident.assessment;
    text.push_str("\n## Summary\n\n");
    for said in [&assessment.meaning, &assessment.certainty]
        .into_iter()
        .filter(|said| !said.as_str().is_empty())
    {
        let _ = writeln!(text, "{}\n", escape(&said.capitalized()));
    }
    for statement in &assessment.statements {
        let _ = writeln!(
            text,
            "- {}  \n  *according to {}*",
            escape(&statement.says.capitalized()),
            escape(&statement.source)
        );
    }
}

fn describe_expected(text: &mut String, incident: &Incident) {
    text.push_str("\n## Expected and found\n\n");
    let _ = writeln!(
        text,
        "- expected: {}",
        escape(&describe_check(incident.expected.as_ref(), NO_BASELINE))
    );
    let _ = writeln!(
        text,
        "- found: {}",
        escape(&describe_check(incident.found.as_ref(), NOTHING_FOUND))
    );
    if let Some(newest) = &incident.newest {
        let _ = writeln!(
            text,
            "- newest: {}; {}",
            escape(&describe_check(Some(newest), "")),
            escape(&newest.reason)
        );
    }
    if !incident.compared.is_empty() {
        let mark = |alarming: bool| if alarming { "**differs**" } else { "" };
        let rows: Vec<Vec<String>> = incident
            .compared
            .iter()
            .map(|row| {
                vec![
                    escape(&row.what),
                    escape(&row.expected),
                    escape(&row.found),
                    mark(row.alarming).to_owned(),
                ]
            })
            .collect();
        text.push('\n');
        table(text, &["", "expected", "found", ""], &rows);
    }
    text.push('\n');
    let tables = &incident.tables;
    if tables.listed.is_empty() {
        let _ = writeln!(text, "Tables that differ: {}.", no_tables(tables));
        return;
    }
    let rows: Vec<Vec<String>> = tables
        .listed
        .iter()
        .map(|row| {
            let counted = row
                .found
                .or(row.expected)
                .map(say_count)
                .unwrap_or_default();
            let lost = if row.lost { "**lost** " } else { "" };
            vec![
                escape(&row.table),
                say_side(row.expected),
                say_side(row.found),
                counted.to_owned(),
                format!("{lost}{}", escape(&row.change)),
            ]
        })
        .collect();
    table(
        text,
        &["table", "expected", "found", "how", "change"],
        &rows,
    );
    if tables.left_out > 0 {
        let _ = writeln!(text, "\nTables that are not listed: {}.", tables.left_out);
    }
}

fn describe_rows(text: &mut String, incident: &Incident) {
    text.push_str("\n## Rows over time\n\n");
    let curves: Vec<&Curve> = incident
        .series
        .curves
        .iter()
        .filter(|curve| !curve.points.is_empty())
        .collect();
    if curves.is_empty() {
        text.push_str("No check that still exists has counted rows.\n");
        return;
    }
    let rows: Vec<Vec<String>> = curves
        .iter()
        .map(|curve| {
            let said = |point: Option<&Point>| {
                point
                    .map(|point| say_rows(point.counted))
                    .unwrap_or_default()
            };
            let most = curve.points.iter().max_by_key(|point| point.counted.rows);
            vec![
                escape(&curve.name),
                format!("`{}`", draw_sparkline(curve)),
                said(curve.points.first()),
                said(most),
                said(curve.points.last()),
            ]
        })
        .collect();
    table(
        text,
        &[
            "",
            "one mark per check, oldest first",
            "first",
            "most",
            "last",
        ],
        &rows,
    );
    let Some(all) = curves.first() else { return };
    let skipped = all.points.len().saturating_sub(POINTS);
    let rows: Vec<Vec<String>> = all
        .points
        .iter()
        .skip(skipped)
        .map(|point| {
            let outcome = point
                .outcome
                .map_or_else(|| "not judged".to_owned(), |outcome| format!("{outcome:?}"));
            let outcome = if point.outcome == Some(CheckOutcome::Suspected) {
                format!("**{outcome}**")
            } else {
                outcome
            };
            vec![
                date(&point.time),
                escape(&point.check),
                outcome,
                say_rows(point.counted),
            ]
        })
        .collect();
    text.push('\n');
    table(
        text,
        &["time", "check", "outcome", "rows in all tables"],
        &rows,
    );
}

fn describe_answer(text: &mut String, answer: &Question) {
    let _ = writeln!(
        text,
        "\n### {}\n\n{}.\n",
        escape(&answer.question),
        escape(&answer.answer)
    );
    list(text, &answer.facts);
    for unknown in &answer.unknown {
        let _ = writeln!(text, "- *not known:* {}", escape(unknown));
    }
    for command in &answer.commands {
        let _ = writeln!(text, "- {}", code(command));
    }
}

fn describe_timeline(text: &mut String, incident: &Incident) {
    text.push_str("\n## Timeline\n\n");
    if incident.timeline.left_out > 0 {
        let _ = writeln!(
            text,
            "{} older entries are left out.\n",
            incident.timeline.left_out
        );
    }
    let rows: Vec<Vec<String>> = incident
        .timeline
        .entries
        .iter()
        .map(|entry| {
            let mark = if entry.alarming { "**!**" } else { "" };
            vec![
                date(&entry.time),
                say_kind(entry.kind).to_owned(),
                mark.to_owned(),
                escape(&entry.says.cut(600)),
            ]
        })
        .collect();
    table(text, &["time", "what", "", ""], &rows);
    let _ = writeln!(text, "\n{}.", escape(&incident.events.note));
}

fn describe_backups(text: &mut String, incident: &Incident) {
    text.push_str("\n## Backups\n\n");
    if incident.backups.is_empty() {
        text.push_str("None is known.\n");
        return;
    }
    let rows: Vec<Vec<String>> = incident
        .backups
        .iter()
        .map(|backup| {
            let state = backup
                .state
                .map_or_else(|| "not begun".to_owned(), |state| format!("{state:?}"));
            let last = if backup.last_good {
                "**the last good one**"
            } else {
                ""
            };
            let time = backup.time.as_ref().map(date).unwrap_or_default();
            let rows = backup.rows.map(crate::wording::number).unwrap_or_default();
            vec![
                escape(&backup.name),
                time,
                state,
                rows,
                escape(&backup.path),
                format!("{last} {}", escape(&backup.message.cut(300))),
            ]
        })
        .collect();
    table(
        text,
        &["backup", "time", "state", "rows", "path", ""],
        &rows,
    );
}

/// From nothing to the most.
const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One character per check, oldest first.
pub(super) fn draw_sparkline(curve: &Curve) -> String {
    let most = curve
        .points
        .iter()
        .map(|point| point.counted.rows)
        .max()
        .unwrap_or(0)
        .max(1);
    let draw = |rows: i64| {
        let position = i128::from(rows.max(0)) * 7 / i128::from(most);
        usize::try_from(position)
            .ok()
            .and_then(|position| STEPS.get(position))
            .copied()
            .unwrap_or('█')
    };
    curve
        .points
        .iter()
        .map(|point| draw(point.counted.rows))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_taken_for_markup() {
        let said =
            escape(&"<script>|`x`|*b*_i_[a](https://x) ![i](y) @all www.x.org ~~s~~ $m$ &lt;");
        assert_eq!(
            said,
            r"&lt;script&gt;\|\`x\`\|\*b\*\_i\_\[a\](https&#58;//x) \!\[i\](y) &#64;all www&#46;x.org \~\~s\~\~ \$m\$ &amp;lt;"
        );
        assert_eq!(
            [
                escape(&"# a"),
                escape(&"- a"),
                escape(&"1. a"),
                escape(&"1.5 - a.")
            ],
            [r"\# a", r"\- a", r"1\. a", "1.5 - a."]
        );
        assert_eq!(code(&"echo `id`"), "`` echo `id` ``");
        assert_eq!(code(&"plain"), "`plain`");
    }
}
