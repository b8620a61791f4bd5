//! What is to be seen when a test fails: the objects, their events, the operator's last lines.

use std::fmt::Write as _;

use testbed::Testbed;

use super::OPERATOR_NAMESPACE;

/// Everything that may explain a failure in a namespace.
pub fn describe(testbed: &Testbed, namespace: &str) -> String {
    let looks = [
        format!("-n {namespace} get protdb,dbcheck,dbbackup,cronjob,job,pod,pvc -o wide"),
        format!("-n {namespace} describe protdb"),
        format!(
            "-n {namespace} get dbcheck -o \
             jsonpath={{range.items[*]}}{{.metadata.name}}{{':'}}{{.status.verdict.message}}{{'\\n'}}{{end}}"
        ),
        format!(
            "-n {namespace} get dbbackup -o \
             jsonpath={{range.items[*]}}{{.metadata.name}}{{':'}}{{.status.message}}{{'\\n'}}{{end}}"
        ),
        format!("-n {namespace} get events --sort-by=.lastTimestamp"),
        "get pv".to_owned(),
        format!("-n {OPERATOR_NAMESPACE} get pod -o wide"),
    ];
    let mut text = String::new();
    for words in looks {
        let seen = testbed
            .kubectl(&words.split(' ').collect::<Vec<_>>())
            .unwrap_or_else(|error| format!("{error:#}"));
        let _ = write!(text, "\n$ kubectl {words}\n{seen}");
    }
    let log = testbed.kubectl(&[
        "-n",
        OPERATOR_NAMESPACE,
        "logs",
        "deployment/holdfast",
        "--tail=400",
    ]);
    let log = log.unwrap_or_else(|error| format!("{error:#}"));
    let _ = writeln!(
        text,
        "\n$ kubectl -n {OPERATOR_NAMESPACE} logs deployment/holdfast | grep {namespace}"
    );
    for line in log
        .lines()
        .filter(|line| line.contains(namespace) || !line.contains("namespace"))
    {
        text.push_str(line);
        text.push('\n');
    }
    text
}
