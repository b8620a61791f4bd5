//! The story on a terminal. Pure.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::differences::{say_count, say_side};
use super::{Look, Standing, Story, TableDifference};
use crate::wording::build_table;
use crate::wording::count;
use crate::wording::{date, moment};

/// How many moments are shown; the report has them all.
const EVENTS_SHOWN: usize = 25;
/// How wide a cell of a table may be.
const CELL: usize = 60;

/// The whole story, ending with a line break.
#[must_use]
pub fn describe_story(story: &Story) -> String {
    let now = story.told_at.0;
    let verdict = &story.verdict;
    let mut text = format!(
        "{}/{}: {} ({})",
        story.namespace,
        story.name,
        headline(verdict.standing),
        verdict.reason
    );
    if let Some(since) = &verdict.since {
        let _ = write!(text, ", since {}", moment(since, now));
    }
    let _ = writeln!(text, "\n  {}", story.about);
    for said in [&verdict.meaning, &verdict.certainty]
        .into_iter()
        .filter(|said| !said.as_str().is_empty())
    {
        let _ = writeln!(text, "  {said}");
    }
    section(&mut text, "Why");
    for sentence in &verdict.sentences {
        let _ = writeln!(
            text,
            "  - {}\n      as told by {}",
            sentence.says, sentence.evidence
        );
    }
    describe_looks(&mut text, story);
    describe_tables(&mut text, story);
    describe_volumes(&mut text, story);
    describe_starts(&mut text, story);
    describe_backups(&mut text, story, now);
    describe_events(&mut text, story);
    if !story.not_known.is_empty() {
        section(&mut text, "What could not be read");
        for why in &story.not_known {
            let _ = writeln!(text, "  ? {why}");
        }
    }
    section(&mut text, "What to do");
    for step in &story.next_steps {
        let _ = writeln!(text, "  - {}", step.says);
        if let Some(command) = &step.command {
            let _ = writeln!(text, "      {command}");
        }
    }
    text
}

/// The verdict in a few words.
pub(super) fn headline(standing: Standing) -> &'static str {
    match standing {
        Standing::Reset => "THE DATA LOOKS RESET",
        Standing::Good => "the data is what was last known good",
        Standing::NotKnown => "NOT KNOWN whether the data is good",
    }
}

/// What is said where there is no look of a kind.
pub(super) fn describe_look(look: Option<&Look>, none: &str) -> String {
    let Some(look) = look else {
        return none.to_owned();
    };
    let rows = look
        .rows
        .map(|rows| format!(": {}", count(rows, "row")))
        .unwrap_or_default();
    let tables = look
        .tables
        .map(|tables| format!(" in {}", count(tables, "table")))
        .unwrap_or_default();
    format!("{} of {}{rows}{tables}", look.source, date(&look.time))
}

/// What is said when no check has found the data good.
pub(super) const NO_BASELINE: &str =
    "nothing: no check has found the data good yet, or none could be read";
/// What is said when no check has said anything definite.
pub(super) const NOTHING_FOUND: &str = "nothing definite: no check that is there could tell";

fn section(text: &mut String, title: &str) {
    let _ = writeln!(text, "\n{title}");
}

fn indented(text: &mut String, table: &str) {
    for line in table.lines() {
        let _ = writeln!(text, "  {line}");
    }
}

fn describe_looks(text: &mut String, story: &Story) {
    section(text, "Expected and found");
    let _ = writeln!(
        text,
        "  expected: {}",
        describe_look(story.expected.as_ref(), NO_BASELINE)
    );
    let _ = writeln!(
        text,
        "  found:    {}",
        describe_look(story.found.as_ref(), NOTHING_FOUND)
    );
    if let Some(newest) = &story.newest {
        let _ = writeln!(
            text,
            "  newest:   {}; {}",
            describe_look(Some(newest), ""),
            newest.reason
        );
    }
    if story.compared.is_empty() {
        return;
    }
    let rows: Vec<Vec<String>> = story
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

fn describe_tables(text: &mut String, story: &Story) {
    section(text, "Tables that differ");
    let told = &story.tables;
    if !told.compared {
        text.push_str("  not known: there are no two looks to compare\n");
        return;
    }
    if told.different.is_empty() {
        let _ = writeln!(
            text,
            "  none; {} with as many rows as expected",
            count(i64::try_from(told.same).unwrap_or(i64::MAX), "table")
        );
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
    let rows: Vec<Vec<String>> = told.different.iter().map(row).collect();
    indented(
        text,
        &build_table(&["TABLE", "EXPECTED", "FOUND", "HOW", "CHANGE"], &rows),
    );
    if told.left_out > 0 {
        let _ = writeln!(text, "  and {} more", told.left_out);
    }
    let _ = writeln!(
        text,
        "  {} with as many rows as expected",
        count(i64::try_from(told.same).unwrap_or(i64::MAX), "table")
    );
}

fn describe_volumes(text: &mut String, story: &Story) {
    section(text, "Which volume it is, and since when");
    if story.volumes.is_empty() {
        text.push_str("  no volume is known\n");
    }
    for volume in &story.volumes {
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

fn describe_starts(text: &mut String, story: &Story) {
    section(text, "Restarts, as the checks have seen them");
    if story.starts.is_empty() {
        text.push_str("  none is known\n");
    }
    for start in &story.starts {
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

fn describe_backups(text: &mut String, story: &Story, now: Timestamp) {
    section(text, "Backups");
    if story.backups.is_empty() {
        text.push_str("  none is known\n");
    }
    for backup in &story.backups {
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

fn describe_events(text: &mut String, story: &Story) {
    section(text, "Kubernetes events, newest last");
    let skipped = story.events.listed.len().saturating_sub(EVENTS_SHOWN);
    if skipped + story.events.left_out > 0 {
        let _ = writeln!(
            text,
            "  {} older ones are left out",
            skipped + story.events.left_out
        );
    }
    for event in story.events.listed.iter().skip(skipped) {
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
    let _ = writeln!(text, "  {}.", story.events.note);
}
