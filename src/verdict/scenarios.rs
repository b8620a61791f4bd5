//! Golden scenarios: what happened, and the verdict as a user reads it. Each check of the chain
//! is proven by a scenario that needs it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value, json};

use super::chain::{CHAIN, NOTES};
use super::incidents::{Scenario, cut, histories, incidents, losses, nearly_empty, rule};
use super::incidents_unread::{other_directories, refusals, same_directory, unread_incidents};
use super::more_losses::{hidden, older};
use super::not_known::{not_known, upgraded};
use super::ordinary_life::{dropped, renamed, used_up};
use super::put_away::{looks_ordinary, put_away};
use super::sample::{
    Sample, add_database, add_table, drop_database, drop_table, set_count, set_lower_bound,
    set_rows,
};
use crate::api::{CheckOutcome, CountKind, Finding, ProtectedDatabaseSpec, TableRule, reasons};

fn volatile(name: &str) -> TableRule {
    TableRule {
        volatile: true,
        ..rule(name)
    }
}

fn baseline_off(spec: &mut ProtectedDatabaseSpec) {
    spec.verification.baseline.max_drop_percent = IntOrString::String("Off".to_owned());
}

fn benign() -> Vec<Scenario> {
    let new = Sample::new;
    vec![
        ("restart", new(), None),
        ("first check", new().first(), None),
        (
            "a claim at the image's VOLUME",
            new().in_image_volume("/var/lib/postgresql/data"),
            None,
        ),
        (
            "the data in the image's VOLUME, and the container the same",
            new()
                .mounted_at("/var/lib/postgresql")
                .in_image_volume("/var/lib/postgresql/data"),
            None,
        ),
        (
            "the data in the image's VOLUME, seen by no agent before",
            new()
                .mounted_at("/var/lib/postgresql")
                .in_image_volume("/var/lib/postgresql/data")
                .before(|before| before.image = None),
            None,
        ),
        (
            "Postgres 18 with its claim at the image's VOLUME",
            new()
                .mounted_at("/var/lib/postgresql")
                .in_image_volume("/var/lib/postgresql")
                .now(|now| {
                    now.identity.data_directory = "/var/lib/postgresql/18/docker".to_owned();
                })
                .before(|before| {
                    before.identity.data_directory = "/var/lib/postgresql/18/docker".to_owned();
                }),
            None,
        ),
        (
            "the role is a superuser",
            new().now(|now| now.superuser = true),
            None,
        ),
        (
            "first check without rules",
            new()
                .first()
                .wanted(|spec| spec.verification.tables.clear()),
            None,
        ),
        (
            "growth",
            new().now(|now| {
                set_rows(now, "public.experts", 120);
                set_rows(now, "public.knowledge_nodes", 40_000);
                add_table(now, "knowledge_os", "public.more", 10);
            }),
            None,
        ),
        (
            "shrinkage within tolerance",
            new().now(|now| {
                set_rows(now, "public.knowledge_nodes", 21_070);
                set_rows(now, "public.audit", 2_500);
            }),
            None,
        ),
    ]
}

/// What tables may do without anybody having lost anything.
fn benign_tables() -> Vec<Scenario> {
    let new = Sample::new;
    vec![
        (
            "legitimately empty table",
            new().now(|now| set_rows(now, "public.jobs", 0)),
            None,
        ),
        (
            "small table dropped",
            new().now(|now| drop_table(now, "public.jobs")),
            None,
        ),
        (
            "a replica that had everything was promoted",
            new().now(|now| {
                now.identity.timeline = 2;
                now.identity.wal_position = "0/2000000".to_owned();
            }),
            None,
        ),
        (
            "a table that comes and goes is empty",
            new()
                .wanted(|spec| {
                    spec.verification.tables.push(TableRule {
                        max_drop_percent: Some(100),
                        ..rule("public.audit")
                    });
                })
                .now(|now| set_rows(now, "public.audit", 0)),
            None,
        ),
    ]
}

/// Tables that come and go, have become part of others, or are too large to be counted.
fn benign_shapes() -> Vec<Scenario> {
    let new = Sample::new;
    vec![
        (
            "a volatile table is empty",
            new()
                .wanted(|spec| spec.verification.tables.push(volatile("public.audit")))
                .now(|now| set_rows(now, "public.audit", 0)),
            None,
        ),
        (
            "a volatile table is dropped, and one that never was is not missed",
            new()
                .wanted(|spec| {
                    spec.verification
                        .tables
                        .extend([volatile("public.audit"), volatile("public.cache")]);
                })
                .now(|now| drop_table(now, "public.audit")),
            None,
        ),
        (
            "a volatile table is only estimated",
            new()
                .wanted(|spec| spec.verification.tables.push(volatile("public.audit")))
                .now(|now| set_count(now, "public.audit", 3, CountKind::Estimated)),
            None,
        ),
        (
            "a table has become a partition of another",
            new().now(|now| {
                drop_table(now, "public.audit");
                add_table(now, "knowledge_os", "public.all_audits", 5_000);
                now.missing_tables = Some(Vec::new());
            }),
            None,
        ),
        (
            "the oldest partition is dropped and a new one made",
            new()
                .before(|before| add_table(before, "knowledge_os", "public.events", 120_000))
                .now(|now| add_table(now, "knowledge_os", "public.events", 110_000)),
            None,
        ),
        (
            "a large table keeps more rows than were counted of it",
            new()
                .before(|before| set_lower_bound(before, "public.audit", 90_000_000, 10_000))
                .now(|now| set_lower_bound(now, "public.audit", 60_000_000, 10_000)),
            None,
        ),
        (
            "a large table has shrunk to what can be counted",
            new()
                .before(|before| set_lower_bound(before, "public.audit", 90_000_000, 10_000))
                .now(|now| set_rows(now, "public.audit", 6_000)),
            None,
        ),
    ]
}

/// What the server, its volumes and its databases may do.
fn benign_servers() -> Vec<Scenario> {
    let new = Sample::new;
    vec![
        (
            "VACUUM FULL writes every table again",
            new().now(|now| {
                now.tables
                    .iter_mut()
                    .for_each(|table| table.relfilenode = Some(99_000));
            }),
            None,
        ),
        (
            "volume moved, same cluster",
            new().on_volume("restored-data", "pvc-c"),
            None,
        ),
        (
            "claim recreated for the same volume",
            new().on_volume("data-knowledge-postgres-0", "pvc-a"),
            None,
        ),
        (
            "other databases come and go",
            new().now(|now| {
                drop_database(now, "postgres");
                add_database(now, "scratch");
            }),
            None,
        ),
        (
            "baseline off, unlisted table emptied and another dropped",
            new().wanted(baseline_off).now(|now| {
                set_rows(now, "public.audit", 0);
                drop_table(now, "public.jobs");
            }),
            None,
        ),
        (
            "baseline off, big unlisted table dropped",
            new()
                .wanted(baseline_off)
                .now(|now| drop_table(now, "public.audit")),
            None,
        ),
        (
            "unlisted table only estimated",
            new().now(|now| set_count(now, "public.audit", 3, CountKind::Estimated)),
            None,
        ),
        (
            "unlisted table was only estimated",
            new().before(|before| set_count(before, "public.audit", 900_000, CountKind::Estimated)),
            None,
        ),
        (
            "unlisted tables fall off the end of a long list",
            new().before(cut).now(cut).now(|now| {
                now.tables
                    .retain(|table| table.name != "public.part_3" && table.name != "public.audit");
            }),
            None,
        ),
        (
            "a database that the spec no longer asks for",
            new().before(|before| {
                add_database(before, "old");
                add_table(before, "old", "public.events", 9_000);
            }),
            None,
        ),
        (
            "many rules",
            new()
                .wanted(|spec| {
                    spec.verification
                        .tables
                        .extend((0..9).map(|position| rule(&format!("public.r{position}"))));
                })
                .before(|before| {
                    (0..9).for_each(|position| {
                        add_table(before, "knowledge_os", &format!("public.r{position}"), 7);
                    });
                })
                .now(|now| {
                    (0..9).for_each(|position| {
                        add_table(now, "knowledge_os", &format!("public.r{position}"), 7);
                    });
                }),
            None,
        ),
    ]
}

fn unverifiable() -> Vec<Scenario> {
    let new = Sample::new;
    vec![
        (
            "wrong password",
            new().without_evidence().failed(
                reasons::AUTHENTICATION_FAILED,
                "password authentication failed for user \"agent\"",
            ),
            Some("nothing_found"),
        ),
        (
            "a word that is not documented",
            new().without_evidence().failed("Nonsense", "something"),
            Some("nothing_found"),
        ),
        ("no report at all", new().without_evidence(), None),
        (
            "a replica that lags far behind",
            new().now(|now| {
                now.identity.in_recovery = true;
                nearly_empty(now);
            }),
            Some("in_recovery"),
        ),
        (
            "a replica without a database that its primary may have created since",
            new().now(|now| {
                now.identity.in_recovery = true;
                drop_database(now, "knowledge_os");
            }),
            Some("in_recovery"),
        ),
        (
            "the first check finds a replica",
            new()
                .first()
                .other_cluster()
                .now(|now| now.identity.in_recovery = true),
            Some("in_recovery"),
        ),
        (
            "time ran out before the tables were seen",
            new()
                .failed(reasons::TIMEOUT, "the check took longer than 60 s")
                .now(|now| now.tables.clear()),
            Some("incomplete"),
        ),
        (
            "row security on a table",
            new().failed(
                reasons::ROW_SECURITY,
                "row security on public.experts hides rows",
            ),
            Some("incomplete"),
        ),
        (
            "first check, the database is not there yet",
            new().first().now(|now| drop_database(now, "knowledge_os")),
            Some("database_not_found"),
        ),
        (
            "a further database that was never there",
            new()
                .wanted(|spec| {
                    spec.connection.additional_databases =
                        vec!["analytics".to_owned(), "bi".to_owned()];
                })
                .now(|now| add_database(now, "analytics")),
            Some("database_not_found"),
        ),
        (
            "a table that was never there",
            new().wanted(|spec| spec.verification.tables.insert(1, rule("public.expert"))),
            Some("table_not_found"),
        ),
        (
            "first check, a table is not there",
            new().first().now(|now| drop_table(now, "public.experts")),
            Some("table_not_found"),
        ),
        (
            "a rule for a database that is not checked",
            new().wanted(|spec| {
                spec.verification.tables.push(TableRule {
                    database: Some("bi".to_owned()),
                    ..rule("public.t")
                });
            }),
            Some("table_not_found"),
        ),
        (
            "a table with a minimum only estimated, below it",
            new().now(|now| set_count(now, "public.experts", 3, CountKind::Estimated)),
            Some("not_counted"),
        ),
        (
            "a table with a minimum only estimated, above it",
            new().now(|now| set_count(now, "public.experts", 300, CountKind::Estimated)),
            Some("not_counted"),
        ),
        (
            "the minimum was raised after counting stopped at the old one",
            new()
                .wanted(|spec| spec.verification.tables[1].min_rows = Some(20_000))
                .now(|now| set_count(now, "public.knowledge_nodes", 10_000, CountKind::LowerBound)),
            Some("not_counted"),
        ),
    ]
}

fn types_of(findings: &[Finding]) -> String {
    let types: Vec<String> = findings.iter().map(Finding::type_word).collect();
    types.join(" ")
}

fn as_expected(scenarios: Vec<Scenario>, outcome: CheckOutcome) -> BTreeMap<&'static str, Value> {
    let mut verdicts = BTreeMap::new();
    let mut written: Vec<(String, &str)> = Vec::new();
    let mut wrong = Vec::new();
    for (name, sample, _) in scenarios {
        let verdict = sample.judge();
        if verdict.outcome != outcome {
            wrong.push(format!(
                "{name}: {:?}: {}",
                verdict.outcome, verdict.message
            ));
        }
        assert!(
            reasons::find(verdict.reason).is_some(),
            "{name}: {} is not documented",
            verdict.reason
        );
        let (found, rest) = split_message(&verdict.message);
        let mut described = json!({
            "findings": types_of(&verdict.findings),
            "reason": verdict.reason,
            "found": found,
        });
        if let Some((_, earlier)) = written.iter().find(|(earlier, _)| earlier == rest) {
            described["rest"] = format!("as of {earlier}").into();
        } else if !rest.is_empty() {
            described["rest"] = rest.into();
            written.push((rest.to_owned(), name));
        }
        let before = verdicts.insert(name, described);
        assert!(before.is_none(), "{name}: two scenarios of one name");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    verdicts
}

/// What was found, and what it is compared with and what to do: the latter is the same for many.
fn split_message(message: &str) -> (&str, &str) {
    let rest = [
        " Volume and database cluster ",
        " Nothing could be read: ",
        " Expected, as in ",
        " No good check came ",
    ]
    .iter()
    .filter_map(|begin| message.find(begin))
    .min();
    message.split_at(rest.unwrap_or(message.len()))
}

#[test]
fn incidents_are_suspected_by_the_right_reason() {
    insta::assert_yaml_snapshot!(
        "suspected",
        as_expected(
            [
                incidents(),
                losses(),
                histories(),
                unread_incidents(),
                other_directories(),
                upgraded(),
            ]
            .concat(),
            CheckOutcome::Suspected
        )
    );
}

#[test]
fn benign_changes_are_verified() {
    insta::assert_yaml_snapshot!(
        "verified",
        as_expected(
            [
                benign(),
                benign_tables(),
                benign_shapes(),
                benign_servers(),
                same_directory(),
            ]
            .concat(),
            CheckOutcome::Verified
        )
    );
}

#[test]
fn ordinary_life_is_verified() {
    let scenarios = [used_up(), renamed(), dropped()].concat();
    assert!(scenarios.len() > 25);
    insta::assert_yaml_snapshot!(
        "ordinary_life",
        as_expected(scenarios, CheckOutcome::Verified)
    );
}

#[test]
fn losses_that_a_share_of_one_table_hides_are_suspected() {
    insta::assert_yaml_snapshot!(
        "more_losses",
        as_expected(
            [older(), hidden(), put_away(), looks_ordinary()].concat(),
            CheckOutcome::Suspected
        )
    );
}

#[test]
fn what_is_not_known_is_not_green() {
    insta::assert_yaml_snapshot!(
        "not_known",
        as_expected(not_known(), CheckOutcome::Unverifiable)
    );
}

#[test]
fn what_can_not_be_judged_is_unverifiable() {
    insta::assert_yaml_snapshot!(
        "unverifiable",
        as_expected(
            [unverifiable(), refusals()].concat(),
            CheckOutcome::Unverifiable
        )
    );
}

#[test]
fn each_check_is_needed_by_a_scenario() {
    let scenarios: Vec<Scenario> = [
        incidents(),
        losses(),
        histories(),
        benign(),
        benign_tables(),
        benign_shapes(),
        benign_servers(),
        unverifiable(),
        unread_incidents(),
        other_directories(),
        same_directory(),
        refusals(),
        not_known(),
        older(),
        hidden(),
        put_away(),
        looks_ordinary(),
    ]
    .into_iter()
    .flatten()
    .collect();
    for (check, _) in CHAIN {
        assert!(
            scenarios.iter().any(|(_, _, needs)| *needs == Some(check)),
            "no scenario needs {check}"
        );
    }
    let mut same = Vec::new();
    for (name, sample, needs) in scenarios {
        let Some(check) = needs else { continue };
        let (whole, without) = (sample.judge(), sample.judge_without(check));
        if (whole.outcome, whole.reason) == (without.outcome, without.reason) {
            same.push(format!("{name}: {} also without {check}", whole.reason));
        }
    }
    assert!(same.is_empty(), "{}", same.join("\n"));
}

#[test]
fn each_note_is_needed_by_a_scenario_and_changes_no_verdict() {
    let scenarios = || {
        [
            incidents(),
            losses(),
            histories(),
            benign(),
            benign_shapes(),
            benign_servers(),
            upgraded(),
            renamed(),
            dropped(),
        ]
        .into_iter()
        .flatten()
    };
    for (note, _) in NOTES {
        let mut is_needed = false;
        for (name, sample, _) in scenarios() {
            let (whole, without) = (sample.judge(), sample.judge_without(note));
            assert_eq!(
                (whole.outcome, whole.reason),
                (without.outcome, without.reason),
                "{name}: {note} is a note and no check"
            );
            is_needed |= whole.findings != without.findings;
        }
        assert!(is_needed, "no scenario needs {note}");
    }
}

#[test]
fn findings_are_data() {
    let verdict = Sample::new()
        .other_cluster()
        .on_volume("other-data", "pvc-b")
        .now(nearly_empty)
        .judge();
    insta::assert_yaml_snapshot!("findings", verdict.findings);
}

#[test]
fn a_suspected_reset_names_what_was_there_what_is_there_and_the_commands() {
    let verdict = Sample::new()
        .other_cluster()
        .on_volume("other-data", "pvc-b")
        .now(nearly_empty)
        .judge();
    for part in [
        "public.experts: 85 -> 1 rows",
        "public.knowledge_nodes: 26,337 -> 27 rows",
        "volume pvc-a (claim data-knowledge-postgres-0, handle /volumes/pvc-a, created \
         2026-01-19T12:34:50Z)",
        "volume pvc-b (claim other-data, handle /volumes/pvc-b, created 2026-01-21T08:00:00Z)",
        "cluster initialized 2026-01-19T12:34:56Z",
        "cluster initialized 2026-01-21T12:34:56Z",
        "kubectl get pv pvc-a pvc-b",
        "kubectl annotate protdb -n atra knowledge holdfast.dev/accept-check=knowledge-2 \
         --overwrite",
    ] {
        assert!(
            verdict.message.contains(part),
            "{part} is missing in: {}",
            verdict.message
        );
    }
}
