//! Each field that can be wrong is refused under its name, and holds only what depends on it.
#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};

use super::*;

fn spec(change: impl FnOnce(&mut Value)) -> ProtectedDatabaseSpec {
    let mut spec = json!({
        "workload": {"name": "knowledge-postgres"},
        "connection": {"database": "knowledge_os", "credentialsSecret": {"name": "pg-auth"}},
        "verification": {
            "schedule": "*/30 * * * *", "timeout": "2m", "countingBudget": "20ms", "gate": {"timeout": "10m"},
            "tables": [{"name": "public.experts", "minRows": 80, "maxDropPercent": 20}],
            "files": [{"claim": "uploads", "query": "select 1", "timeout": "3m"}],
        },
        "backup": {
            "schedule": "0 3 * * *", "timeZone": "Europe/Berlin", "deadline": "90m",
            "storage": {"s3": {"bucket": "backups", "prefix": "prod/eu", "endpoint": "https://s3.storage:9000", "credentialsSecret": {"name": "s3"}}},
        },
        "drill": {"schedule": "0 5 * * 0"},
    });
    change(&mut spec);
    serde_json::from_value(spec).unwrap()
}

#[test]
fn a_spec_is_read_once_and_whole() {
    let valid = ValidSpec::parse(&spec(|_| {})).unwrap();
    let verification = valid.verification;
    assert_eq!(verification.timeout, Duration::from_mins(2));
    assert_eq!(verification.counting_budget, Duration::from_millis(20));
    assert_eq!(valid.gate_timeout, Duration::from_mins(10));
    assert_eq!(verification.max_drop_percent, Some(50));
    assert_eq!(verification.file_timeouts, [Duration::from_mins(3)]);
    let CheckSchedule::Cron(schedule) = valid.check_schedule else {
        panic!("it is a cron line");
    };
    assert_eq!(schedule.line(), "*/30 * * * *");
    assert_eq!(verification.tables[0].schema, "public");
    assert_eq!(verification.tables[0].table, "experts");
    let backup = valid.backup.unwrap();
    assert_eq!(backup.deadline, Duration::from_mins(90));
    assert_eq!(backup.schedule.time_zone(), "Europe/Berlin");
    assert_eq!(valid.drill.unwrap().schedule.line(), "0 5 * * 0");
    let off = spec(|spec| spec["verification"]["baseline"] = json!({"maxDropPercent": "Off"}));
    let off = ValidSpec::parse(&off).unwrap().verification;
    assert_eq!(off.max_drop_percent, None);
}

/// Where the wrong value is, what it is, the field that is named, and what it holds: checks,
/// backups.
const WRONG: &[(&str, &str, &str, [bool; 2])] = &[
    (
        "/verification/timeout",
        "\"soon\"",
        "spec.verification.timeout",
        [true, false],
    ),
    (
        "/verification/timeout",
        "\"0s\"",
        "spec.verification.timeout",
        [true, false],
    ),
    (
        "/verification/countingBudget",
        "\"2h\"",
        "spec.verification.countingBudget",
        [true, false],
    ),
    (
        "/verification/gate/timeout",
        "\"25h\"",
        "spec.verification.gate.timeout",
        [true, false],
    ),
    (
        "/verification/schedule",
        "\"every day\"",
        "spec.verification.schedule",
        [false, false],
    ),
    (
        "/verification/schedule",
        "\"0 0 31 2 *\"",
        "spec.verification.schedule",
        [false, false],
    ),
    (
        "/verification/baseline",
        "{\"maxDropPercent\": 101}",
        "spec.verification.baseline.maxDropPercent",
        [true, false],
    ),
    (
        "/verification/baseline",
        "{\"maxDropPercent\": \"off\"}",
        "spec.verification.baseline.maxDropPercent",
        [true, false],
    ),
    (
        "/verification/tables/0/name",
        "\"experts\"",
        "spec.verification.tables[0].name",
        [true, false],
    ),
    (
        "/verification/tables/0/name",
        "\"a.b.c\"",
        "spec.verification.tables[0].name",
        [true, false],
    ),
    (
        "/verification/tables/0/minRows",
        "-1",
        "spec.verification.tables[0].minRows",
        [true, false],
    ),
    (
        "/verification/tables/0/maxDropPercent",
        "-1",
        "spec.verification.tables[0].maxDropPercent",
        [true, false],
    ),
    (
        "/verification/tables/0/volatile",
        "true",
        "spec.verification.tables[0].maxDropPercent",
        [true, false],
    ),
    (
        "/verification/files/0/timeout",
        "\"2h\"",
        "spec.verification.files[0].timeout",
        [true, false],
    ),
    (
        "/verification/files/0/root",
        "\"a/../b\"",
        "spec.verification.files[0].root",
        [true, false],
    ),
    (
        "/verification/files/0/prefix",
        "\"..\"",
        "spec.verification.files[0].prefix",
        [true, false],
    ),
    (
        "/verification/files/0/runAsUser",
        "0",
        "spec.verification.files[0].runAsUser",
        [true, false],
    ),
    (
        "/verification/files/0/runAsGroup",
        "0",
        "spec.verification.files[0].runAsGroup",
        [true, false],
    ),
    (
        "/connection/port",
        "0",
        "spec.connection.port",
        [true, true],
    ),
    (
        "/connection/tls",
        "{\"mode\": \"VerifyFull\"}",
        "spec.connection.tls.caSecret",
        [true, true],
    ),
    (
        "/connection/clientCertificateSecret",
        "{\"name\": \"pg-client\"}",
        "spec.connection.tls.mode",
        [true, true],
    ),
    (
        "/connection/credentialsSecret",
        "null",
        "spec.connection.credentialsSecret",
        [true, true],
    ),
    (
        "/backup/schedule",
        "\"0 12 * * 7\"",
        "spec.backup.schedule",
        [false, true],
    ),
    (
        "/backup/timeZone",
        "\"europe/berlin\"",
        "spec.backup.timeZone",
        [false, true],
    ),
    (
        "/backup/deadline",
        "\"8d\"",
        "spec.backup.deadline",
        [false, true],
    ),
    (
        "/backup/storage/s3/bucket",
        "\"Backups\"",
        "spec.backup.storage.s3.bucket",
        [false, true],
    ),
    (
        "/backup/storage/s3/prefix",
        "\"/prod\"",
        "spec.backup.storage.s3.prefix",
        [false, true],
    ),
    (
        "/backup/storage/s3/endpoint",
        "\"s3.storage:9000\"",
        "spec.backup.storage.s3.endpoint",
        [false, true],
    ),
    (
        "/drill/schedule",
        "\"\"",
        "spec.drill.schedule",
        [false, false],
    ),
];

#[test]
fn each_field_is_refused_by_its_name_and_holds_what_depends_on_it() {
    for (path, value, field, [holds_checks, holds_backups]) in WRONG {
        let wrong = spec(|spec| {
            let (parent, name) = path.rsplit_once('/').unwrap();
            let value: Value = serde_json::from_str(value).unwrap();
            spec.pointer_mut(parent).unwrap()[name] = value;
        });
        let errors = ValidSpec::parse(&wrong).unwrap_err();
        let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, [*field], "{path} = {value}");
        assert!(
            describe_errors(&errors).starts_with(&format!("{field}: ")),
            "{path} = {value}"
        );
        let parts = SpecParts::parse(&wrong);
        assert_eq!(
            [parts.verification.is_err(), parts.backup.is_err()],
            [*holds_checks, *holds_backups],
            "{path} = {value}"
        );
        assert_eq!(
            parts.check_schedule.is_err(),
            *field == "spec.verification.schedule",
            "{path} = {value}"
        );
        assert_eq!(
            parts.gate_timeout.is_err(),
            field.contains(".gate."),
            "{path} = {value}: the gate goes on without the rest"
        );
        let is_rule = field.contains(".tables[") || field.contains(".baseline.");
        assert_eq!(parts.has_unusable_rules(), is_rule, "{path} = {value}");
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let wrong = spec(|spec| {
        spec["verification"]["timeout"] = json!("soon");
        spec["backup"]["deadline"] = json!("never");
        spec["connection"]["port"] = json!(0);
    });
    let fields: Vec<String> = ValidSpec::parse(&wrong)
        .unwrap_err()
        .into_iter()
        .map(|error| error.field)
        .collect();
    assert_eq!(
        fields,
        [
            "spec.connection.port",
            "spec.verification.timeout",
            "spec.backup.deadline"
        ]
    );
}
