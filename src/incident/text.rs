//! The incident on a terminal. Pure.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::model::{Incident, TableDifference};
use super::phrases::{
    NO_BASELINE, NOTHING_FOUND, describe_check, headline, no_tables, say_count, say_side,
};
use crate::wording::{build_table, count, date, moment};

/// How many events are shown; the report has them all.
const EVENTS_SHOWN: usize = 25;
/// How wide a cell of a table may be.
const CELL: usize = 60;

/// The whole incident, ending with a line break.
#[must_use]
pub fn build_text(incident: &Incident) -> String {
    let now = incident.read_at.0;
    let assessment = &incident.assessment;
    let mut text = format!(
        "{}/{}: {} ({})",
        incident.namespace,
        incident.name,
        headline(assessment.state),
        assessment.reason
    );
    if let Some(since) = &assessment.since {
        let _ = write!(text, ", since {}", moment(since, now));
    }
    let _ = writeln!(text, "\n  {}", incident.about);
    for said in [&assessment.meaning, &assessment.certainty]
        .into_iter()
        .filter(|said| !said.as_str().is_empty())
    {
        let _ = writeln!(text, "  {said}");
    }
    section(&mut text, "Why");
    for statement in &assessment.statements {
        let _ = writeln!(
            text,
            "  - {}\n      according to {}",
            statement.says, statement.source
        );
    }
    describe_checks(&mut text, incident);
    describe_tables(&mut text, incident);
    describe_volumes(&mut text, incident);
    describe_starts(&mut text, incident);
    describe_backups(&mut text, incident, now);
    describe_events(&mut text, incident);
    if !incident.unread.is_empty() {
        section(&mut text, "What could not be read");
        for why in &incident.unread {
            let _ = writeln!(text, "  ? {why}");
        }
    }
    section(&mut text, "What to do");
    for step in &incident.next_steps {
        let _ = writeln!(text, "  - {}", step.says);
        if let Some(command) = &step.command {
            let _ = writeln!(text, "      {command}");
        }
    }
    text
}

fn section(text: &mut String, title: &str) {
    let _ = writeln!(text, "\n{title}");
}

fn indented(text: &mut String, table: &str) {
    for line in table.lines() {
        let _ = writeln!(text, "  {line}");
    }
}

fn describe_checks(text: &mut String, incident: &Incident) {
    section(text, "Expected and found");
    let _ = writeln!(
        text,
        "  expected: {}",
        describe_check(incident.expected.as_ref(), NO_BASELINE)
    );
    let _ = writeln!(
        text,
        "  found:    {}",
        describe_check(incident.found.as_ref(), NOTHING_FOUND)
    );
    if let Some(newest) = &incident.newest {
        let _ = writeln!(
            text,
            "  newest:   {}; {}",
            describe_check(Some(newest), ""),
            newest.reason
        );
    }
    if incident.compared.is_empty() {
        return;
    }
    let rows: Vec<Vec<String>> = incident
        .compared
        .iter()
        .map(|row| {
            let mark = if row.alarming { "!" } else { "" };
            vec![
                mark.to_owned(),
                row.what.to_string(),
                row.expected.cut(CELL).to_string(),
                row.found.cut(CELL).to_string(),
            ]
        })
        .collect();
    text.push('\n');
    indented(text, &build_table(&["", "", "EXPECTED", "FOUND"], &rows));
}

fn describe_tables(text: &mut String, incident: &Incident) {
    section(text, "Tables that differ");
    let tables = &incident.tables;
    if tables.listed.is_empty() {
        let _ = writeln!(text, "  {}", no_tables(tables));
        return;
    }
    let row = |table: &TableDifference| {
        let counted = table
            .found
            .or(table.expected)
            .map(say_count)
            .unwrap_or_default();
        vec![
            table.table.cut(CELL).to_string(),
            say_side(table.expected),
            say_side(table.found),
            counted.to_owned(),
            table.change.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = tables.listed.iter().map(row).collect();
    indented(
        text,
        &build_table(&["TABLE", "EXPECTED", "FOUND", "HOW", "CHANGE"], &rows),
    );
    if tables.left_out > 0 {
        let _ = writeln!(text, "  and {} more", tables.left_out);
    }
}

fn describe_volumes(text: &mut String, incident: &Incident) {
    section(text, "Which volume it is, and since when");
    if incident.volumes.is_empty() {
        text.push_str("  no volume is known\n");
    }
    for volume in &incident.volumes {
        let roles: Vec<String> = volume
            .roles
            .iter()
            .map(|role| format!("{role:?}").to_lowercase())
            .collect();
        let created = volume
            .created_at
            .as_ref()
            .map_or_else(|| "at an unknown time".to_owned(), date);
        let _ = writeln!(
            text,
            "  {} ({}), created {created}",
            volume.volume,
            roles.join(", ")
        );
        if !volume.handle.as_str().is_empty() {
            let _ = writeln!(text, "    handle  {}", volume.handle);
        }
        let _ = writeln!(text, "    volume  {}", volume.state);
        let _ = writeln!(text, "    claim   {}: {}", volume.claim, volume.claim_state);
    }
}

fn describe_starts(text: &mut String, incident: &Incident) {
    section(text, "Restarts, as the checks have seen them");
    if incident.starts.is_empty() {
        text.push_str("  none is known\n");
    }
    for start in &incident.starts {
        let mark = if start.volume_changed { "!" } else { " " };
        let about = if start.is_exact { "" } else { "first seen " };
        let _ = writeln!(
            text,
            "{mark} {about}{}  pod {}: {}",
            date(&start.time),
            start.pod,
            start.change
        );
        for volume in &start.volumes {
            let _ = writeln!(text, "      {volume}");
        }
    }
}

fn describe_backups(text: &mut String, incident: &Incident, now: Timestamp) {
    section(text, "Backups");
    if incident.backups.is_empty() {
        text.push_str("  none is known\n");
    }
    for backup in &incident.backups {
        let state = backup
            .state
            .map_or_else(|| "not begun".to_owned(), |state| format!("{state:?}"));
        let time = backup
            .time
            .as_ref()
            .map(|time| moment(time, now))
            .unwrap_or_default();
        let rows = backup
            .rows
            .map(|rows| format!(", {}", count(rows, "row")))
            .unwrap_or_default();
        let last = if backup.last_good {
            ", THE LAST GOOD ONE"
        } else {
            ""
        };
        let _ = writeln!(text, "  {}: {state}, {time}{rows}{last}", backup.name);
        for detail in [&backup.path, &backup.message]
            .into_iter()
            .filter(|detail| !detail.as_str().is_empty())
        {
            let _ = writeln!(text, "      {detail}");
        }
    }
}

fn describe_events(text: &mut String, incident: &Incident) {
    section(text, "Kubernetes events, newest last");
    let skipped = incident.events.listed.len().saturating_sub(EVENTS_SHOWN);
    if skipped + incident.events.left_out > 0 {
        let _ = writeln!(
            text,
            "  {} older ones are left out",
            skipped + incident.events.left_out
        );
    }
    for event in incident.events.listed.iter().skip(skipped) {
        let mark = if event.warning { "!" } else { " " };
        let times = if event.count > 1 {
            format!(" ({} times)", event.count)
        } else {
            String::new()
        };
        let _ = writeln!(
            text,
            "{mark} {}  {} {}: {}{times}",
            date(&event.time),
            event.object,
            event.reason,
            event.message.cut(300)
        );
    }
    let _ = writeln!(text, "  {}.", incident.events.note);
}
