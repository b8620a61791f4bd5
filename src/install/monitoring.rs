//! What Prometheus is given: alerts on the operator's metrics, as a `PrometheusRule`, and where the
//! metrics are, as a `PodMonitor`. Pure.

use serde_json::{Value, json};

use super::access::OPERATOR;
use super::operator::selector;

/// The group of the kinds of the Prometheus operator.
const API_VERSION: &str = "monitoring.coreos.com/v1";

/// One alert. `{{ $labels.x }}` is filled in by Prometheus.
struct Alert {
    name: &'static str,
    expression: &'static str,
    /// How long it must be so, so that what passes by itself raises no alert.
    lasting: &'static str,
    severity: &'static str,
    summary: &'static str,
    description: &'static str,
    runbook: &'static str,
}

const ALERTS: [Alert; 16] = [
    Alert {
        name: "HoldfastDataReset",
        expression: "holdfast_data_reset == 1",
        lasting: "0m",
        severity: "critical",
        summary: "{{ $labels.namespace }}/{{ $labels.name }}: the data looks reset \
            ({{ $labels.reason }})",
        description: "The data of ProtectedDatabase {{ $labels.namespace }}/{{ $labels.name }} is \
                      not what was last known good. Holdfast does not change it. What was \
                      expected, what was found and what to do: kubectl holdfast status \
                      {{ $labels.name }} -n {{ $labels.namespace }}",
        runbook: "docs/notice.md#holdfastdatareset",
    },
    Alert {
        name: "HoldfastNotGuarded",
        expression: "holdfast_database_condition{condition=\"Guarded\"} < 1",
        lasting: "5m",
        severity: "warning",
        summary: "{{ $labels.namespace }}/{{ $labels.name }}: the data is not fully guarded",
        description: "For 5 minutes the claims and volumes of ProtectedDatabase \
                      {{ $labels.namespace }}/{{ $labels.name }} have not been fully guarded. Why, \
                      and what to do: kubectl holdfast status {{ $labels.name }} -n \
                      {{ $labels.namespace }}",
        runbook: "docs/notice.md#holdfastnotguarded",
    },
    Alert {
        name: "HoldfastDataNotVerified",
        expression: "holdfast_database_condition{condition=\"DataVerified\"} < 1",
        lasting: "30m",
        severity: "warning",
        summary: "{{ $labels.namespace }}/{{ $labels.name }}: the data has not been verified",
        description: "For 30 minutes no check has verified the data of ProtectedDatabase \
                      {{ $labels.namespace }}/{{ $labels.name }}. Why, and what to do: kubectl \
                      holdfast status {{ $labels.name }} -n {{ $labels.namespace }}",
        runbook: "docs/notice.md#holdfastdatanotverified",
    },
    Alert {
        name: "HoldfastCheckOverdue",
        expression: "time() > holdfast_verified_until_timestamp_seconds",
        lasting: "10m",
        severity: "warning",
        summary: "{{ $labels.namespace }}/{{ $labels.name }}: nobody has checked the data for too \
            long",
        description: "No check has found the data of ProtectedDatabase \
                      {{ $labels.namespace }}/{{ $labels.name }} good for two intervals of its \
                      schedule, so a loss would go unnoticed. Why, and what to do: kubectl \
                      holdfast status {{ $labels.name }} -n {{ $labels.namespace }}",
        runbook: "docs/notice.md#holdfastcheckoverdue",
    },
    Alert {
        name: "HoldfastBackupNotFresh",
        expression: "holdfast_database_condition{condition=\"BackupFresh\"} == 0",
        lasting: "15m",
        severity: "warning",
        summary: "{{ $labels.namespace }}/{{ $labels.name }}: there is no fresh backup",
        description: "For 15 minutes ProtectedDatabase {{ $labels.namespace }}/{{ $labels.name }} \
                      has had no good backup, or only one that is older than its schedule allows. \
                      Why, and what to do: kubectl holdfast status {{ $labels.name }} -n \
                      {{ $labels.namespace }}",
        runbook: "docs/notice.md#holdfastbackupnotfresh",
    },
    Alert {
        name: "HoldfastBackupFailing",
        expression: "holdfast_last_backup_failed == 1",
        lasting: "15m",
        severity: "warning",
        summary: "{{ $labels.namespace }}/{{ $labels.name }}: the newest backup failed",
        description: "The newest backup of ProtectedDatabase \
                      {{ $labels.namespace }}/{{ $labels.name }} failed. Older ones may still be good. \
                      Why, and what to do: kubectl holdfast backups {{ $labels.name }} -n \
                      {{ $labels.namespace }}",
        runbook: "docs/notice.md#holdfastbackupfailing",
    },
    Alert {
        name: "HoldfastBackupSuspect",
        expression: "holdfast_last_backup_suspect == 1",
        lasting: "0m",
        severity: "critical",
        summary: "{{ $labels.namespace }}/{{ $labels.name }}: the newest backup was taken of data that looks \
            reset",
        description: "The newest backup of ProtectedDatabase \
                      {{ $labels.namespace }}/{{ $labels.name }} is kept and does not count: its own rows \
                      look reset, no check has verified the data, or a directory could not be read. Older \
                      ones are kept. Which it is, and what to do: kubectl holdfast backups \
                      {{ $labels.name }} -n {{ $labels.namespace }}",
        runbook: "docs/notice.md#holdfastbackupsuspect",
    },
    Alert {
        name: "HoldfastNoGoodBackup",
        expression: "holdfast_no_good_backup == 1",
        lasting: "24h",
        severity: "critical",
        summary: "{{ $labels.namespace }}/{{ $labels.name }}: there is no good backup at all",
        description: "For a day ProtectedDatabase {{ $labels.namespace }}/{{ $labels.name }} has had no \
                      backup that counts, neither a new nor an old one: nothing could be restored. Why, and \
                      what to do: kubectl holdfast status {{ $labels.name }} -n {{ $labels.namespace }}",
        runbook: "docs/notice.md#holdfastnogoodbackup",
    },
    Alert {
        name: "HoldfastNextBackupFails",
        expression: "holdfast_next_backup_fails == 1",
        lasting: "15m",
        severity: "warning",
        summary: "{{ $labels.namespace }}/{{ $labels.name }}: the next backup will fail",
        description: "The role of ProtectedDatabase {{ $labels.namespace }}/{{ $labels.name }} can't \
                      read everything that a backup reads, the program for it is missing, or the bucket \
                      takes nothing. Which, and what to do: kubectl holdfast status {{ $labels.name }} \
                      -n {{ $labels.namespace }}",
        runbook: "docs/notice.md#holdfastnextbackupfails",
    },
    Alert {
        name: "HoldfastBackupSetIncomplete",
        expression: "holdfast_backup_sets_damaged > 0",
        lasting: "0m",
        severity: "critical",
        summary: "{{ $labels.namespace }}/{{ $labels.name }}: something was removed from a backup set",
        description: "A backup set of ProtectedDatabase \
                      {{ $labels.namespace }}/{{ $labels.name }} is gone from the bucket, or not as it \
                      was stored. Retention did not do that. Which, and what to do: kubectl holdfast \
                      status {{ $labels.name }} -n {{ $labels.namespace }}",
        runbook: "docs/notice.md#holdfastbackupsetincomplete",
    },
    Alert {
        name: "HoldfastLookOverdue",
        expression: "time() - holdfast_last_look_timestamp_seconds > 172800",
        lasting: "15m",
        severity: "warning",
        summary: "{{ $labels.namespace }}/{{ $labels.name }}: nobody has looked at the backup sets for 2 \
            days",
        description: "For two days no look at the sets of ProtectedDatabase \
                      {{ $labels.namespace }}/{{ $labels.name }} in the bucket could read everything, so a \
                      damaged set would go unnoticed, and retention removes nothing. Why: kubectl holdfast \
                      backups {{ $labels.name }} -n {{ $labels.namespace }} --plan",
        runbook: "docs/notice.md#holdfastlookoverdue",
    },
    Alert {
        name: "HoldfastBackupShrinking",
        expression: "holdfast_last_confirmed_backup_rows < 0.5 * \
                     max_over_time(holdfast_last_confirmed_backup_rows[7d])",
        lasting: "15m",
        severity: "warning",
        summary: "{{ $labels.namespace }}/{{ $labels.name }}: the backups have far fewer rows than a \
            week ago",
        description: "The newest confirmed backup of ProtectedDatabase \
                      {{ $labels.namespace }}/{{ $labels.name }} has less than half of the rows that a \
                      backup of the last 7 days had. If that is not intended, see: \
                      kubectl holdfast backups {{ $labels.name }} -n {{ $labels.namespace }}",
        runbook: "docs/notice.md#holdfastbackupshrinking",
    },
    Alert {
        name: "HoldfastRestoreNotProven",
        expression: "holdfast_database_condition{condition=\"RestoreProven\"} == 0",
        lasting: "15m",
        severity: "warning",
        summary: "{{ $labels.namespace }}/{{ $labels.name }}: no drill has proven lately that a backup \
            can be restored",
        description: "The newest drill of ProtectedDatabase {{ $labels.namespace }}/{{ $labels.name }} has \
                      failed, or none has run for longer than its schedule allows: whether a backup can be \
                      restored is not known. Why, and what to do: kubectl holdfast status \
                      {{ $labels.name }} -n {{ $labels.namespace }}",
        runbook: "docs/notice.md#holdfastrestorenotproven",
    },
    Alert {
        name: "HoldfastFilesMissing",
        expression: "holdfast_database_condition{condition=\"FilesMatch\"} == 0",
        lasting: "5m",
        severity: "warning",
        summary: "{{ $labels.namespace }}/{{ $labels.name }}: rows and files do not match any more",
        description: "Rows of ProtectedDatabase {{ $labels.namespace }}/{{ $labels.name }} name \
                      files that do not exist, or there are files that no row names. Which, and \
                      what to do: kubectl holdfast status {{ $labels.name }} -n \
                      {{ $labels.namespace }}",
        runbook: "docs/notice.md#holdfastfilesmissing",
    },
    Alert {
        name: "HoldfastStalled",
        // A reset is Stalled too, and has an alert of its own.
        expression: "holdfast_database_condition{condition=\"Stalled\"} == 1 unless on (namespace, \
                     name) holdfast_data_reset",
        lasting: "5m",
        severity: "warning",
        summary: "{{ $labels.namespace }}/{{ $labels.name }}: Holdfast can't continue until you \
            change something",
        description: "What stops Holdfast at ProtectedDatabase \
                      {{ $labels.namespace }}/{{ $labels.name }}, and what to do: kubectl holdfast \
                      status {{ $labels.name }} -n {{ $labels.namespace }}",
        runbook: "docs/notice.md#holdfaststalled",
    },
    Alert {
        name: "HoldfastDown",
        expression: "absent(holdfast_passes_total)",
        lasting: "10m",
        severity: "critical",
        summary: "The operator of Holdfast does not run, or Prometheus does not reach it",
        description: "For 10 minutes there have been no metrics of Holdfast. Deletions are still \
                      refused and backups are still taken, but lost data goes unnoticed. See: \
                      kubectl get deployment,pods -A -l app.kubernetes.io/name=holdfast",
        runbook: "docs/notice.md#holdfastdown",
    },
];

/// The alerts, for an operator in `namespace`.
pub fn build_prometheus_rule(namespace: &str) -> Value {
    let rules: Vec<Value> = ALERTS.iter().map(build_alert).collect();
    json!({
        "apiVersion": API_VERSION,
        "kind": "PrometheusRule",
        "metadata": {"name": OPERATOR, "namespace": namespace},
        "spec": {"groups": [{"name": OPERATOR, "rules": rules}]},
    })
}

/// Where the metrics are. The label `namespace` is that of the database, not of the operator's pod:
/// so it is honoured.
pub fn build_pod_monitor(namespace: &str) -> Value {
    json!({
        "apiVersion": API_VERSION,
        "kind": "PodMonitor",
        "metadata": {"name": OPERATOR, "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": selector()},
            "podMetricsEndpoints": [{"port": "http", "path": "/metrics", "honorLabels": true}],
        },
    })
}

fn build_alert(alert: &Alert) -> Value {
    json!({
        "alert": alert.name,
        "expr": alert.expression,
        "for": alert.lasting,
        "labels": {"severity": alert.severity},
        "annotations": {"summary": alert.summary, "description": alert.description, "runbook": alert.runbook},
    })
}

#[cfg(test)]
#[path = "monitoring_tests.rs"]
mod tests;
