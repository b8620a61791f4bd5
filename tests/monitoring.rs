//! What monitoring is given, with the programs that read it: the alerts' rules with promtool, the
//! webhook with Alertmanager.
//!
//! Both programs come from Debian's packages, unpacked into the testbed's cache.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/shell.rs"]
mod shell;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use holdfast::engine::{Metrics, Notices, Pace, Webhook, deliver};
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::ReservedPort;

/// The `PrometheusRule` that people apply.
fn read_rule() -> Value {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus-rules.yaml");
    serde_saphyr::from_str(&fs::read_to_string(manifest).unwrap()).unwrap()
}

/// Writes the alerts as a file of rules, which JSON is too, and the case beside it; returns what
/// promtool says.
fn promtool(words: &[&str], case: Option<Value>) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("rules.json"),
        read_rule()["spec"].to_string(),
    )
    .unwrap();
    if let Some(case) = case {
        fs::write(folder.path().join("case.json"), case.to_string()).unwrap();
    }
    let program = testbed::program_of("prometheus", "usr/bin/promtool").unwrap();
    let output = Command::new(program)
        .args(words)
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr]
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .concat();
    assert!(output.status.success(), "promtool {words:?}: {said}");
    said
}

#[test]
fn the_rules_are_rules() {
    let said = promtool(
        &["check", "rules", "--lint=all", "--lint-fatal", "rules.json"],
        None,
    );
    assert!(said.contains("16 rules found"), "{said}");
}

fn condition(name: &str, condition: &str, values: &str) -> Value {
    let series = format!(
        "holdfast_database_condition{{namespace=\"atra\",name=\"{name}\",condition=\"{condition}\"}}"
    );
    json!({"series": series, "values": values})
}

/// Which databases an alert fires for at a minute.
fn fires(minute: u32, alert: &str, severity: &str, names: &[&str]) -> Value {
    let labels = |name: &&str| json!({"exp_labels": {"namespace": "atra", "name": name, "condition": condition_of(alert), "severity": severity}});
    let expected: Vec<Value> = names.iter().map(labels).collect();
    json!({"eval_time": format!("{minute}m"), "alertname": alert, "exp_alerts": expected})
}

fn condition_of(alert: &str) -> &'static str {
    match alert {
        "HoldfastNotGuarded" => "Guarded",
        "HoldfastDataNotVerified" => "DataVerified",
        "HoldfastBackupNotFresh" => "BackupFresh",
        "HoldfastFilesMissing" => "FilesMatch",
        "HoldfastRestoreNotProven" => "RestoreProven",
        _ => "Stalled",
    }
}

#[test]
fn each_alert_fires_when_it_should_and_not_before() {
    let rule = read_rule();
    let mut cases = vec![
        fires(4, "HoldfastNotGuarded", "warning", &[]),
        fires(6, "HoldfastNotGuarded", "warning", &["bad", "unknown"]),
        fires(29, "HoldfastDataNotVerified", "warning", &[]),
        fires(
            31,
            "HoldfastDataNotVerified",
            "warning",
            &["bad", "unknown"],
        ),
        fires(14, "HoldfastBackupNotFresh", "warning", &[]),
        fires(16, "HoldfastBackupNotFresh", "warning", &["bad"]),
        fires(14, "HoldfastRestoreNotProven", "warning", &[]),
        fires(16, "HoldfastRestoreNotProven", "warning", &["bad"]),
        fires(4, "HoldfastFilesMissing", "warning", &[]),
        fires(6, "HoldfastFilesMissing", "warning", &["bad"]),
        fires(4, "HoldfastStalled", "warning", &[]),
        // While the data looks reset, HoldfastDataReset says it.
        fires(6, "HoldfastStalled", "warning", &[]),
        fires(30, "HoldfastStalled", "warning", &["bad"]),
        // It is well again after 40 minutes.
        fires(41, "HoldfastNotGuarded", "warning", &["unknown"]),
        fires(41, "HoldfastStalled", "warning", &[]),
    ];
    for case in &mut cases {
        let name = case["alertname"].as_str().unwrap().to_owned();
        for expected in case["exp_alerts"].as_array_mut().unwrap() {
            expected["exp_annotations"] = filled_in(&rule, &name, &expected["exp_labels"]);
        }
    }
    let reset = json!({"namespace": "atra", "name": "bad", "reason": "RowsDropped", "severity": "critical"});
    let annotations = filled_in(&rule, "HoldfastDataReset", &reset);
    cases.push(json!({"eval_time": "1m", "alertname": "HoldfastDataReset", "exp_alerts": []}));
    cases.push(
        json!({"eval_time": "2m", "alertname": "HoldfastDataReset", "exp_alerts": [{"exp_labels": reset, "exp_annotations": annotations}]}),
    );
    cases.push(json!({"eval_time": "30m", "alertname": "HoldfastDataReset", "exp_alerts": []}));
    cases.push(json!({"eval_time": "40m", "alertname": "HoldfastDown", "exp_alerts": []}));
    let down = filled_in(&rule, "HoldfastDown", &json!({}));
    cases.push(
        json!({"eval_time": "75m", "alertname": "HoldfastDown", "exp_alerts": [
            {"exp_labels": {"severity": "critical"}, "exp_annotations": down},
        ]}),
    );
    // The last good check counts for ten minutes, and the alert waits for as long again.
    let overdue = json!({"namespace": "atra", "name": "bad", "severity": "warning"});
    let annotations = filled_in(&rule, "HoldfastCheckOverdue", &overdue);
    cases.push(json!({"eval_time": "20m", "alertname": "HoldfastCheckOverdue", "exp_alerts": []}));
    cases.push(
        json!({"eval_time": "22m", "alertname": "HoldfastCheckOverdue", "exp_alerts": [{"exp_labels": overdue, "exp_annotations": annotations}]}),
    );
    for (alert, severity, quiet, firing) in BACKUP_ALERTS {
        let labels = json!({"namespace": "atra", "name": "bad", "severity": severity});
        let annotations = filled_in(&rule, alert, &labels);
        cases.push(json!({"eval_time": format!("{quiet}m"), "alertname": alert, "exp_alerts": []}));
        cases.push(json!({
            "eval_time": format!("{firing}m"), "alertname": alert,
            "exp_alerts": [{"exp_labels": labels, "exp_annotations": annotations}],
        }));
    }
    let of_backups = |metric: &str, name: &str, values: &str| {
        let series = format!("holdfast_{metric}{{namespace=\"atra\",name=\"{name}\"}}");
        json!({"series": series, "values": values})
    };
    let until = |name: &str, values: &str| {
        let series = format!(
            "holdfast_verified_until_timestamp_seconds{{namespace=\"atra\",name=\"{name}\"}}"
        );
        json!({"series": series, "values": values})
    };
    let mut series = vec![
        until("bad", "600x80"),
        until("well", "600+60x80"),
        json!({"series": "holdfast_data_reset{namespace=\"atra\",name=\"bad\",reason=\"RowsDropped\"}", "values": "_ _ 1x20 stale"}),
        json!({"series": "holdfast_passes_total", "values": "1+1x50 stale"}),
    ];
    for metric in [
        "last_backup_failed",
        "last_backup_suspect",
        "next_backup_fails",
        "backup_sets_damaged",
    ] {
        series.push(of_backups(metric, "bad", "0x9 1x70"));
        series.push(of_backups(metric, "well", "0x80"));
    }
    series.push(of_backups(
        "last_look_timestamp_seconds",
        "bad",
        "0x9 -172800x70",
    ));
    series.push(of_backups("last_look_timestamp_seconds", "well", "0x80"));
    // From the beginning none counts, and one of them gets a good one after 23 hours.
    series.push(of_backups("no_good_backup", "bad", "1x1500"));
    series.push(of_backups("no_good_backup", "late", "1x1380 0x120"));
    // Half of the rows are gone after 10 minutes; the others grow.
    series.push(of_backups(
        "last_confirmed_backup_rows",
        "bad",
        "1000x9 499x70",
    ));
    series.push(of_backups(
        "last_confirmed_backup_rows",
        "well",
        "1000+1x80",
    ));
    for (name, bad, good) in [
        ("bad", "0x39 1x40", "1x39 0x40"),
        ("unknown", "-1x80", "-1x80"),
        ("well", "1x80", "0x80"),
    ] {
        series.extend(
            [
                "Guarded",
                "DataVerified",
                "BackupFresh",
                "RestoreProven",
                "FilesMatch",
            ]
            .map(|word| condition(name, word, bad)),
        );
        series.push(condition(name, "Stalled", good));
    }
    let case = json!({
        "rule_files": ["rules.json"], "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": series, "alert_rule_test": cases}],
    });
    let said = promtool(&["test", "rules", "case.json"], Some(case));
    assert!(said.contains("SUCCESS"), "{said}");
}

/// Alerts about backups: severity, a minute at which they are quiet and one at which they fire. Their
/// metrics change at minute 10.
const BACKUP_ALERTS: [(&str, &str, u32, u32); 7] = [
    ("HoldfastBackupFailing", "warning", 24, 26),
    ("HoldfastBackupSuspect", "critical", 9, 11),
    ("HoldfastNoGoodBackup", "critical", 1_439, 1_441),
    ("HoldfastNextBackupFails", "warning", 24, 26),
    ("HoldfastBackupSetIncomplete", "critical", 9, 11),
    ("HoldfastLookOverdue", "warning", 24, 26),
    ("HoldfastBackupShrinking", "warning", 24, 26),
];

/// The annotations of an alert for these labels.
fn filled_in(rule: &Value, alert: &str, labels: &Value) -> Value {
    let rules = rule["spec"]["groups"][0]["rules"].as_array().unwrap();
    let mut annotations =
        rules.iter().find(|rule| rule["alert"] == alert).unwrap()["annotations"].to_string();
    for (label, value) in labels.as_object().unwrap() {
        annotations = annotations.replace(
            &format!("{{{{ $labels.{label} }}}}"),
            value.as_str().unwrap(),
        );
    }
    assert!(
        !annotations.contains("{{"),
        "a label that the expression does not have: {annotations}"
    );
    serde_json::from_str(&annotations).unwrap()
}

/// The password `p@ss` as Alertmanager wants it.
const LOGIN: &str = "$2b$04$ma7NiNuFmjhh0lkUf0z2f.hJi7i44tkfAMbtCKzXj6fWB.tGNNjzO";

/// A running Alertmanager that tells nobody.
struct Alertmanager {
    process: Child,
    port: ReservedPort,
    folder: TempDir,
}

impl Alertmanager {
    fn start() -> Self {
        Self::launch("")
    }

    /// One that speaks only TLS, with an authority of its own, and wants a login.
    fn start_locked() -> Self {
        Self::launch(&format!(
            "tls_server_config: {{cert_file: server.crt, key_file: server.key}}\nbasic_auth_users: \
             {{holdfast: {LOGIN}}}\n"
        ))
    }

    fn launch(web: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = ReservedPort::take().unwrap();
        fs::write(folder.path().join("web.yml"), web).unwrap();
        certificates::make_certificates(folder.path(), "IP:127.0.0.1");
        fs::write(
            folder.path().join("configuration.yml"),
            "route: {receiver: nobody, group_wait: 1s}\nreceivers: [{name: nobody}]\n",
        )
        .unwrap();
        let program =
            testbed::program_of("prometheus-alertmanager", "usr/bin/prometheus-alertmanager")
                .unwrap();
        let share = program.ancestors().nth(2).unwrap().join("share");
        // Debian's build reads its templates from /usr/share: the unpacked ones are laid over it,
        // where only this process sees them.
        let script = format!(
            "mount -t overlay overlay -o lowerdir={}:/usr/share /usr/share && exec \"$@\"",
            share.display()
        );
        let process = Command::new("unshare")
            .args(["--mount", "--map-root-user", "sh", "-c", &script, "sh"])
            .arg(program)
            .arg(format!("--web.listen-address=127.0.0.1:{}", port.number()))
            .args([
                "--config.file=configuration.yml",
                "--web.config.file=web.yml",
                "--storage.path=storage",
                "--cluster.listen-address=",
            ])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        Self {
            process,
            port,
            folder,
        }
    }

    /// The alerts that it takes for firing.
    fn alerts(&self) -> Option<Vec<Value>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port.number())).ok()?;
        stream
            .write_all(b"GET /api/v2/alerts HTTP/1.0\r\n\r\n")
            .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    async fn wait(&self, what: &str, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let end = Instant::now() + Duration::from_mins(1);
        loop {
            let alerts = self.alerts();
            if let Some(alerts) = alerts.as_ref().filter(|alerts| is_so(alerts)) {
                return alerts.clone();
            }
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(
                Instant::now() < end,
                "waited for {what}: {alerts:?}\n{}",
                log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn alertmanager_takes_the_alerts_and_their_end() {
    let alertmanager = Alertmanager::start();
    let url_file = alertmanager.folder.path().join("url");
    fs::write(
        &url_file,
        format!(
            "http://127.0.0.1:{}/api/v2/alerts",
            alertmanager.port.number()
        ),
    )
    .unwrap();
    let (notices, metrics) = (Notices::for_webhook(), Metrics::default());
    let pace = Pace {
        first_pause: Duration::from_millis(50),
        longest_pause: Duration::from_millis(200),
        ..Pace::default()
    };
    let task = tokio::spawn(deliver(
        notices.clone(),
        Webhook { url_file, pace },
        metrics,
    ));
    let now = Timestamp::now();
    let observe = |status: &str| {
        let reset = json!({"type": "DataReset", "status": status, "reason": "RowsDropped", "message": "85 -> 1 rows", "lastTransitionTime": now});
        let unguarded = json!({"type": "Guarded", "status": "False", "reason": "PolicyMissing", "message": "", "lastTransitionTime": now});
        notices.observe(
            "atra",
            "knowledge",
            &[reset, unguarded].map(|value| serde_json::from_value(value).unwrap()),
            now,
        );
    };
    observe("True");
    let firing = alertmanager
        .wait("two alerts", |alerts| alerts.len() == 2)
        .await;
    let reset = firing
        .iter()
        .find(|alert| alert["labels"]["alertname"] == "HoldfastDataReset")
        .expect("the alert");
    let labels = json!({
        "alertname": "HoldfastDataReset", "namespace": "atra", "name": "knowledge", "reason": "RowsDropped", "severity": "critical",
    });
    assert_eq!(reset["labels"], labels);
    assert_eq!(reset["annotations"]["description"], "85 -> 1 rows");
    assert_eq!(reset["status"]["state"], "active");

    observe("False");
    let left = alertmanager
        .wait("the end of one", |alerts| alerts.len() == 1)
        .await;
    assert_eq!(left[0]["labels"]["alertname"], "HoldfastNotGuarded");
    task.abort();
}

/// How often something was counted.
fn count(metrics: &Metrics, name: &str) -> u64 {
    let text = metrics.encode().unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("holdfast_webhook_{name}_total ")))
        .unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alertmanager_behind_tls_and_a_login_is_told_only_with_the_right_ones() {
    let alertmanager = Alertmanager::start_locked();
    let secret = tempfile::tempdir().unwrap();
    let tell = async |login: &str, authority: Option<&str>| {
        fs::write(
            secret.path().join("url"),
            format!(
                "https://{login}@127.0.0.1:{}/api/v2/alerts",
                alertmanager.port.number()
            ),
        )
        .unwrap();
        fs::remove_file(secret.path().join("ca.crt")).ok();
        if let Some(authority) = authority {
            fs::copy(
                alertmanager.folder.path().join(authority),
                secret.path().join("ca.crt"),
            )
            .unwrap();
        }
        let (notices, metrics) = (Notices::for_webhook(), Metrics::default());
        let unguarded = json!({
            "type": "Guarded", "status": "False", "reason": "PolicyMissing", "message": "", "lastTransitionTime": "2026-02-01T09:00:00Z",
        });
        notices.observe(
            "atra",
            "knowledge",
            &[serde_json::from_value(unguarded).unwrap()],
            Timestamp::now(),
        );
        let pace = Pace {
            first_pause: Duration::from_millis(20),
            longest_pause: Duration::from_millis(100),
            ..Pace::default()
        };
        let task = tokio::spawn(deliver(
            notices,
            Webhook {
                url_file: secret.path().join("url"),
                pace,
            },
            metrics.clone(),
        ));
        let end = Instant::now() + Duration::from_mins(1);
        while count(&metrics, "sent") == 0 && count(&metrics, "failures") < 3 {
            assert!(Instant::now() < end, "neither told nor refused");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        task.abort();
        count(&metrics, "sent") > 0
    };
    // It may still be starting, which is a failure like others.
    let end = Instant::now() + Duration::from_mins(1);
    while !tell("holdfast:p%40ss", Some("ca.crt")).await {
        let log = fs::read_to_string(alertmanager.folder.path().join("log")).unwrap_or_default();
        assert!(Instant::now() < end, "it is never told: {log}");
    }
    assert!(
        !tell("holdfast:wrong", Some("ca.crt")).await,
        "another password"
    );
    assert!(
        !tell("holdfast:p%40ss", None).await,
        "an authority that nobody knows"
    );
    assert!(
        !tell("holdfast:p%40ss", Some("server.key")).await,
        "no certificate"
    );
}
