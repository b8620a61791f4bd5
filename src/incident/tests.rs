//! Golden tests of the account in every format: an incident, a healthy database, one that can hardly
//! be read, one with hostile names.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

use std::collections::BTreeSet;

use super::facts::Facts;
use super::model::DataState;
use super::safe_text::SafeText;
use super::sample::{HOSTILE, healthy, hostile, incident, recovered, unreadable};
use super::{build_incident, build_markdown, build_page, build_text};
use crate::api::{ConditionType, reasons};
use crate::world::Fact;

fn all_formats(facts: &Facts) -> [(&'static str, String); 4] {
    let incident = build_incident(facts);
    [
        ("text", build_text(&incident)),
        ("md", build_markdown(&incident)),
        ("html", build_page(&incident)),
        (
            "json",
            serde_json::to_string_pretty(&incident).unwrap() + "\n",
        ),
    ]
}

#[test]
fn every_format_reads() {
    let samples = vec![
        ("incident", incident()),
        ("healthy", healthy()),
        ("unreadable", unreadable()),
        ("hostile", hostile()),
        ("recovered", recovered()),
    ];
    let whole = all_formats(&incident());
    for (name, sample) in samples {
        for ((format, text), (_, known)) in all_formats(&sample).into_iter().zip(&whole) {
            // The pages stay whole: the tests in a browser open them.
            let is_whole = name == "incident" || matches!(format, "text" | "html");
            let text = if is_whole { text } else { beyond(known, &text) };
            insta::assert_snapshot!(format!("{name}_{format}"), text);
        }
    }
}

/// The lines that the incident's own text does not have: what repeats is compared once.
fn beyond(known: &str, text: &str) -> String {
    let known: BTreeSet<&str> = known.lines().collect();
    let new: Vec<&str> = text.lines().filter(|line| !known.contains(line)).collect();
    new.join("\n")
}

/// A volume that is another is a finding without a login: nothing is known of the tables then.
#[test]
fn a_check_that_could_read_nothing_has_found_no_table_without_a_loss() {
    let mut unread = incident();
    if let Fact::Known(checks) = &mut unread.checks {
        for status in checks.iter_mut().filter_map(|check| check.status.as_mut()) {
            status.evidence = None;
            let findings = &mut status.verdict.as_mut().unwrap().findings;
            findings.retain(|finding| finding.tables().is_empty());
        }
    }
    let tables = build_incident(&unread).tables;
    assert!(!tables.is_known && tables.listed.is_empty());
}

#[test]
fn a_check_of_an_older_version_is_quoted_and_nothing_is_derived() {
    let mut older = incident();
    if let Fact::Known(checks) = &mut older.checks {
        for status in checks.iter_mut().filter_map(|check| check.status.as_mut()) {
            status.verdict.as_mut().unwrap().findings.clear();
        }
    }
    let incident = build_incident(&older);
    assert_eq!(incident.assessment.state, DataState::Reset);
    assert!(!incident.tables.is_known && incident.tables.listed.is_empty());
    assert!(incident.compared.iter().all(|row| !row.alarming));
    let said = |part: &str| {
        let statements = &incident.assessment.statements;
        statements
            .iter()
            .any(|statement| statement.says.as_str().contains(part))
    };
    assert!(
        said("26,337 -> 27 rows"),
        "{:?}",
        incident.assessment.statements
    );
}

#[test]
fn a_second_server_is_said_in_the_words_of_the_operator() {
    let said = |reason: &str| {
        let mut facts = healthy();
        if let Fact::Known(Some(database)) = &mut facts.database {
            let conditions = &mut database.status.as_mut().unwrap().conditions;
            let guarded = conditions.iter_mut().find(|found| found.type_ == "Guarded");
            let guarded = guarded.unwrap();
            guarded.status = "False".to_owned();
            guarded.reason = reason.to_owned();
            guarded.message = "Service db leads to pod new-0, too".to_owned();
        }
        let statements = build_incident(&facts).assessment.statements;
        statements
            .iter()
            .any(|statement| statement.says.as_str().contains("leads to pod new-0"))
    };
    assert!(said(reasons::OTHER_SERVER_SELECTED));
    assert!(!said(reasons::GUARDING), "that passes by itself");
}

/// Files and drills too: all that the one table of conditions has about the database.
#[test]
fn every_condition_about_the_database_is_said_in_the_order_of_the_table() {
    let mut facts = healthy();
    if let Fact::Known(Some(database)) = &mut facts.database {
        let conditions = &mut database.status.as_mut().unwrap().conditions;
        let model = conditions[0].clone();
        *conditions = ConditionType::ALL
            .iter()
            .rev()
            .map(|type_| {
                let mut condition = model.clone();
                condition.type_ = type_.as_str().to_owned();
                condition
            })
            .collect();
    }
    let statements = build_incident(&facts).assessment.statements;
    let mut said = statements.iter().map(|statement| statement.says.as_str());
    let said = said.find(|says| says.contains("DataReset is")).unwrap();
    let named: Vec<&str> = said
        .split("; ")
        .filter_map(|part| part.split(' ').next())
        .collect();
    let wanted = [
        "DataReset",
        "Guarded",
        "DataVerified",
        "DataChanged",
        "FilesMatch",
        "BackupFresh",
        "RestoreProven",
    ];
    assert_eq!(named, wanted);
}

#[test]
fn only_a_reset_needs_a_person() {
    let is_reset = |facts| build_incident(&facts).assessment.state == DataState::Reset;
    assert_eq!(
        [
            is_reset(incident()),
            is_reset(healthy()),
            is_reset(unreadable())
        ],
        [true, false, true]
    );
    let mut blind = unreadable();
    blind.database = Fact::Unknown("forbidden".to_owned());
    assert_eq!(
        build_incident(&blind).assessment.state,
        DataState::Unknown,
        "not knowing is neither good nor a reset"
    );
    let mut gone = incident();
    gone.database = Fact::Known(None);
    assert!(
        build_incident(&gone)
            .about
            .as_str()
            .contains("the ProtectedDatabase no longer exists")
    );
    assert_eq!(
        build_incident(&gone).assessment.state,
        DataState::Reset,
        "the check is still there to be read"
    );
}

#[test]
fn an_incident_that_is_over_is_still_described() {
    let incident = build_incident(&recovered());
    assert_eq!(incident.assessment.state, DataState::Good);
    let switches = incident
        .starts
        .iter()
        .filter(|start| start.volume_changed)
        .count();
    assert_eq!(
        (switches, incident.series.volumes.len()),
        (2, 3),
        "there and back"
    );
    assert!(
        incident.questions[0]
            .answer
            .as_str()
            .starts_with("Yes: 3 starts were seen"),
        "{}",
        incident.questions[0].answer
    );
}

#[test]
fn what_somebody_has_accepted_is_said_with_what_it_was_compared_with() {
    let mut accepted = incident();
    if let Fact::Known(Some(database)) = &mut accepted.database {
        let annotation = (
            crate::api::names::ACCEPT_CHECK_ANNOTATION.to_owned(),
            "knowledge-s6".to_owned(),
        );
        database.metadata.annotations = Some([annotation].into());
        let status = database.status.as_mut().unwrap();
        status.conditions.iter_mut().for_each(|condition| {
            condition.status = if condition.type_ == "DataReset" {
                "False"
            } else {
                "True"
            }
            .to_owned();
        });
        status.baseline.as_mut().unwrap().check = "knowledge-s6".to_owned();
    }
    let incident = build_incident(&accepted);
    assert_eq!(incident.assessment.state, DataState::Good);
    assert!(
        incident.assessment.statements[0]
            .says
            .as_str()
            .contains("somebody has accepted what DatabaseCheck knowledge-s6 found")
    );
    assert_eq!(
        incident.expected.unwrap().check.as_str(),
        "knowledge-1",
        "the one that the accepted check was compared with"
    );
}

#[test]
fn what_could_not_be_read_is_said_in_every_format() {
    for (format, text) in all_formats(&unreadable()) {
        for what in [
            "nodes/n1",
            "persistentvolumes/pvc-a",
            "list databasechecks.holdfast.dev",
            "list pods",
            "list events",
        ] {
            assert!(text.contains(what), "{format}: {what}");
        }
    }
    let incident = build_incident(&unreadable());
    assert!(
        incident
            .questions
            .iter()
            .all(|answer| !answer.unknown.is_empty()),
        "each answer says what it could not know"
    );
    assert_eq!(
        incident.volumes[0].is_there, None,
        "a volume that can't be read is not called gone"
    );
}

#[test]
fn hostile_names_do_no_harm_in_any_format() {
    for (format, text) in all_formats(&hostile()) {
        let deceiving = text.chars().find(|character| {
            *character != '\n' && (character.is_control() || *character == '\u{202e}')
        });
        assert_eq!(deceiving, None, "{format}");
        assert!(!text.contains(HOSTILE), "{format}");
        assert!(
            !text.lines().any(|line| line.starts_with("# h1")),
            "{format}: a name begins no line"
        );
    }
    let [_, (_, markdown), (_, page), _] = all_formats(&hostile());
    for harmful in [
        "<script",
        "<img",
        "</style></svg>",
        "**x**",
        "`id`",
        "[a](javascript",
    ] {
        assert!(
            !outside_of_code(&markdown).contains(harmful),
            "markdown: {harmful}"
        );
    }
    assert_eq!(
        page.matches("<script").count() + page.matches("<img").count(),
        0
    );
    assert_eq!(page.matches("</style>").count(), 1);
    let rows = markdown
        .lines()
        .filter(|line| line.starts_with("| public.experts"))
        .map(unescaped_bars);
    assert!(
        rows.clone().count() > 0 && rows.clone().all(|bars| bars == 6),
        "a name makes no column: {:?}",
        rows.collect::<Vec<_>>()
    );
}

#[test]
fn no_command_that_is_shown_runs_a_name() {
    let incident = build_incident(&hostile());
    let questions = incident
        .questions
        .iter()
        .flat_map(|answer| &answer.commands);
    let commands: Vec<&SafeText> = incident
        .next_steps
        .iter()
        .filter_map(|step| step.command.as_ref())
        .chain(questions)
        .collect();
    assert!(
        commands
            .iter()
            .any(|command| command.as_str().contains("get pv 'pvc-a; rm -rf ~")),
        "{commands:?}"
    );
    for command in commands {
        let quoted: Vec<&str> = command.as_str().split('\'').step_by(2).collect();
        assert!(!quoted.concat().contains("rm -rf"), "{command}");
    }
}

#[test]
fn the_page_asks_nothing_of_anybody() {
    let page = build_page(&build_incident(&incident()));
    for outside in [
        "http://", "https://", "src=", "href=", "url(", "@import", "<script", "<link", "<iframe",
    ] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn sizes_are_bounded() {
    let mut facts = incident();
    if let (Fact::Known(checks), Fact::Known(events)) = (&mut facts.checks, &mut facts.events) {
        let (check, event) = (checks[6].clone(), events[0].clone());
        for number in 0..2_000 {
            let mut more = check.clone();
            more.metadata.name = Some(format!("knowledge-{number}"));
            let table = more
                .status
                .as_ref()
                .unwrap()
                .evidence
                .as_ref()
                .unwrap()
                .tables[0]
                .clone();
            let tables = &mut more
                .status
                .as_mut()
                .unwrap()
                .evidence
                .as_mut()
                .unwrap()
                .tables;
            tables.extend((0..20).map(|position| crate::api::TableEvidence {
                name: format!("public.t{position}"),
                ..table.clone()
            }));
            checks.push(more);
            let mut more = event.clone();
            more.message = Some("x".repeat(10_000));
            events.push(more);
        }
    }
    let incident = build_incident(&facts);
    assert_eq!(
        (
            incident.events.listed.len(),
            incident.timeline.entries.len()
        ),
        (80, 200)
    );
    assert!(incident.series.curves[0].points.len() <= 200);
    let page = build_page(&incident);
    assert!(page.len() < 2_000_000, "{}", page.len());
}

/// What is left of Markdown without its code spans.
fn outside_of_code(markdown: &str) -> String {
    let mut left = String::new();
    for line in markdown.lines() {
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("`` ") {
            left.push_str(before);
            rest = after.split_once(" ``").map_or("", |(_, after)| after);
        }
        left.push_str(rest);
        left.push('\n');
    }
    left
}

fn unescaped_bars(line: &str) -> usize {
    let bars = line
        .match_indices('|')
        .filter(|(position, _)| !line[..*position].ends_with('\\'));
    bars.count()
}
