//! What the chart's values say of the operator's own pod: where it runs, how its image is pulled, and the
//! labels that a policy of the cluster wants. In a template each is a stand-in until Helm fills it in.

use serde_json::{Value, json};

/// How a stand-in begins, followed by the value that it stands for.
const STAND_IN: &str = "holdfast-chart-operator-";
/// Fields of the pod that the chart sets as a whole, each by the value of its name.
const FIELDS: &[&str] = &[
    "imagePullSecrets",
    "tolerations",
    "affinity",
    "priorityClassName",
];
/// Labels that the Deployment finds its pods by.
const SELECTING: &str = r#""app.kubernetes.io/name" "app.kubernetes.io/component""#;

/// The Deployment with a stand-in for each value.
pub(super) fn with_pod_values(mut object: Value) -> Value {
    let stand_in = |name: &str| format!("{STAND_IN}{name}");
    if let Some(pod) = object.pointer_mut("/spec/template/spec") {
        for field in FIELDS {
            pod[stand_in(field)] = json!("x");
        }
        pod["nodeSelector"][stand_in("nodeSelector")] = json!("x");
        let template = &mut object["spec"]["template"];
        template["metadata"]["labels"][stand_in("podLabels")] = json!("x");
        template["metadata"][stand_in("podAnnotations")] = json!("x");
    }
    object
}

/// What Helm fills in for the line of a stand-in. Values of a release from before have none of these.
pub(super) fn fill_pod_value(line: &str) -> Option<String> {
    let indent = line.len() - line.trim_start().len();
    let (name, _) = line.trim_start().strip_prefix(STAND_IN)?.split_once(':')?;
    let (value, deeper) = (format!("(.Values.operator).{name}"), indent + 2);
    let space = " ".repeat(indent);
    Some(match name {
        // Of the labels of every object, the operator's own come first.
        "podLabels" => format!(
            "{{{{- with omit (merge (dict) (default (dict) {value}) .Values.labels) {SELECTING} }}}}\n\
             {{{{- toYaml . | nindent {indent} }}}}\n{{{{- end }}}}\n"
        ),
        "nodeSelector" => format!(
            "{{{{- with omit (default (dict) {value}) \"kubernetes.io/os\" }}}}\n\
             {{{{- toYaml . | nindent {indent} }}}}\n{{{{- end }}}}\n"
        ),
        "priorityClassName" => {
            format!("{{{{- with {value} }}}}\n{space}{name}: {{{{ . | quote }}}}\n{{{{- end }}}}\n")
        }
        _ => {
            let field = if name == "podAnnotations" {
                "annotations"
            } else {
                name
            };
            format!(
                "{{{{- with {value} }}}}\n{space}{field}:\n\
                 {{{{- toYaml . | nindent {deeper} }}}}\n{{{{- end }}}}\n"
            )
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_filled_in_where_it_belongs() {
        let object = json!({"spec": {"template": {
            "metadata": {"labels": {"a": "b"}}, "spec": {"nodeSelector": {"kubernetes.io/os": "linux"}},
        }}});
        let with = with_pod_values(object).to_string();
        let values = [
            "imagePullSecrets",
            "nodeSelector",
            "tolerations",
            "affinity",
            "priorityClassName",
            "podLabels",
            "podAnnotations",
        ];
        for value in values {
            let name = format!("{STAND_IN}{value}");
            assert!(with.contains(&name), "{value}");
            let filled = fill_pod_value(&format!("      {name}: x")).unwrap_or_default();
            assert!(
                filled.contains(&format!("(.Values.operator).{value}")),
                "{filled}"
            );
            assert!(!filled.contains(STAND_IN), "{filled}");
        }
        assert_eq!(fill_pod_value("      name: holdfast"), None);
        // A service has no pod.
        let service = json!({"kind": "ServiceAccount"});
        assert_eq!(with_pod_values(service.clone()), service);
    }
}
