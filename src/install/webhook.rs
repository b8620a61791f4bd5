//! What a webhook adds to the operator's Deployment: the Secret with its URL as a file, and the
//! variable that names the file.
//!
//! It comes as a patch for those who install with kubectl, and as lines of the chart's template.
//! Pure.

use serde_json::{Value, json};

use super::access::OPERATOR;
use super::{InstallError, yaml};

/// Where the Secret is mounted.
const DIRECTORY: &str = "/etc/holdfast/webhook";
/// A placeholder in the template for lines that are there only with a webhook.
const LINES: &str = "holdfast-chart-webhook";
/// The Secret of the patch.
const SECRET: &str = "holdfast-webhook";

/// The patch, for `kubectl patch deployment holdfast --patch-file`. Its lists are merged by name,
/// so that a later apply of the installation leaves them.
pub fn build_webhook_patch() -> Value {
    let container =
        json!({"name": OPERATOR, "env": [build_variable()], "volumeMounts": [build_mount()]});
    json!({"spec": {"template": {"spec": {"containers": [container], "volumes": [build_volume(SECRET, "url")]}}}})
}

fn build_variable() -> Value {
    json!({"name": "HOLDFAST_WEBHOOK_URL_FILE", "value": format!("{DIRECTORY}/url")})
}

fn build_mount() -> Value {
    json!({"name": "webhook", "mountPath": DIRECTORY, "readOnly": true})
}

/// Optional, so that a Secret that is missing keeps the operator from nothing else; the operator
/// says in its log what is missing.
fn build_volume(secret: &str, key: &str) -> Value {
    let items = json!([{"key": key, "path": "url"}, {"key": "ca.crt", "path": "ca.crt"}]);
    json!({"name": "webhook", "secret": {"secretName": secret, "optional": true, "items": items}})
}

/// Puts a placeholder for the lines into a Deployment of the chart.
pub fn with_placeholder(mut object: Value) -> Value {
    if let Some(pod) = object.pointer_mut("/spec/template/spec") {
        pod["volumes"] = json!(LINES);
        let container = &mut pod["containers"][0];
        container["volumeMounts"] = json!(LINES);
        if let Some(variables) = container["env"].as_array_mut() {
            variables.push(json!(LINES));
        }
    }
    object
}

/// The lines that replace this one, if it is such a placeholder.
pub fn fill_placeholder(line: &str) -> Result<Option<String>, InstallError> {
    let text = line.trim_start();
    let Some(field) = text.strip_suffix(LINES).map(str::trim_end) else {
        return Ok(None);
    };
    let (heading, content) = match field {
        "-" => (None, build_variable()),
        "volumeMounts:" => (Some(field), build_mount()),
        _ => (
            Some(field),
            build_volume(
                "{{ .Values.webhook.secretName }}",
                "{{ .Values.webhook.key }}",
            ),
        ),
    };
    let list = yaml::document(&json!([content]))?;
    let space = " ".repeat(line.len() - text.len());
    let mut lines = vec!["{{- if .Values.webhook.secretName }}".to_owned()];
    lines.extend(
        heading
            .into_iter()
            .chain(list.lines())
            .map(|line| format!("{space}{line}")),
    );
    lines.push("{{- end }}\n".to_owned());
    Ok(Some(lines.join("\n")))
}
