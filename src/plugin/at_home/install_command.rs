//! The command that installs this version again with the settings that are there: without them it would
//! take them away. Pure.

use super::operator::Operator;
use crate::api::{is_namespace_name, is_object_name};
use crate::wording::{is_deceiving, shell_word};

/// What stands for an image that is not known.
const IMAGE: &str = "IMAGE";

/// The command, in words that can be copied. Without an operator its settings are yours to fill in.
pub fn install_command(operator: Option<&Operator>, namespace: &str) -> String {
    let Some(operator) = operator else {
        return format!(
            "`{MANIFEST} --image {IMAGE} --namespace {namespace} | {APPLY}`, with the --selector, --agents, \
             --kept-volume-limit and --backups-at-once that you had; or with Helm as docs/install.md says"
        );
    };
    let settings = &operator.settings;
    let texts = [
        Some(&settings.image),
        settings.selector.as_ref(),
        settings.kept_volume_limit.as_ref(),
        settings.backups_at_once.as_ref(),
        settings.agents.as_ref(),
        operator.release.as_ref(),
    ];
    let can_be_shown = texts
        .into_iter()
        .flatten()
        .all(|text| !text.chars().any(is_deceiving));
    if !operator.not_known.is_empty() || settings.image.is_empty() || !can_be_shown {
        return format!(
            "`{MANIFEST} --help`, with the settings of Deployment {}, which can't be shown as a command",
            operator.title()
        );
    }
    if let Some(release) = operator
        .release
        .as_deref()
        .filter(|name| is_object_name(name))
    {
        return format!(
            "`helm upgrade {release} charts/holdfast -n {namespace} --reuse-values --set image={}`",
            shell_word(&settings.image)
        );
    }
    let mut command = format!(
        "{MANIFEST} --image {} --namespace {}",
        shell_word(&settings.image),
        if is_namespace_name(namespace) {
            namespace
        } else {
            "NAMESPACE"
        }
    );
    for (flag, value) in [
        ("selector", &settings.selector),
        ("kept-volume-limit", &settings.kept_volume_limit),
        ("backups-at-once", &settings.backups_at_once),
        ("agents", &settings.agents),
    ] {
        if let Some(value) = value {
            command = format!("{command} --{flag} {}", shell_word(value));
        }
    }
    format!("`{command} | {APPLY}`")
}

const MANIFEST: &str = "holdfast install-manifest";
const APPLY: &str = "kubectl apply --server-side -f -";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use std::process::Command;

    use serde_json::json;

    use super::super::operator::read_operator;
    use super::super::operator::tests::deployment;
    use super::*;

    /// What a shell makes of the words between `install-manifest` and the pipe.
    fn words(command: &str) -> Vec<String> {
        let inner = command.trim_matches('`');
        let (own, _) = inner.split_once(" | kubectl").unwrap();
        let arguments = own.strip_prefix(MANIFEST).unwrap();
        let script = format!("printf '%s\\n' {arguments}");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn the_command_has_every_setting_and_a_shell_reads_them_as_they_are() {
        let agents = r#"{"env":[{"name":"A","value":"it's $(reboot) $B `c`"}]}"#;
        let env = json!([
            {"name": "HOLDFAST_SELECTOR", "value": "!canary,shard in (a,b)"},
            {"name": "HOLDFAST_KEPT_VOLUME_LIMIT", "value": "7"},
            {"name": "HOLDFAST_BACKUPS_AT_ONCE", "value": "0"},
            {"name": "HOLDFAST_AGENTS", "value": agents.replace('$', "$$")},
        ]);
        let found = read_operator(&deployment("host:5000/holdfast:0.1.0", &env)).unwrap();
        let command = install_command(Some(&found), "tools");
        assert_eq!(
            words(&command),
            [
                "--image",
                "host:5000/holdfast:0.1.0",
                "--namespace",
                "tools",
                "--selector",
                "!canary,shard in (a,b)",
                "--kept-volume-limit",
                "7",
                "--backups-at-once",
                "0",
                "--agents",
                agents,
            ]
        );
    }

    #[test]
    fn an_image_is_never_a_command() {
        for image in ["holdfast; rm -rf /", "--help", "$(reboot)"] {
            let found = read_operator(&deployment(image, &json!([]))).unwrap();
            let command = install_command(Some(&found), "tools");
            assert_eq!(words(&command)[1], image);
        }
    }

    #[test]
    fn what_helm_installed_helm_installs_again() {
        let mut deployment = deployment("holdfast:0.1.0", &json!([]));
        let release = ("meta.helm.sh/release-name".to_owned(), "keep".to_owned());
        deployment.metadata.annotations = Some([release].into());
        let found = read_operator(&deployment).unwrap();
        let command = install_command(Some(&found), "tools");
        assert!(
            command.contains("helm upgrade keep charts/holdfast -n tools --reuse-values"),
            "{command}"
        );
    }

    #[test]
    fn settings_that_are_not_known_are_not_left_out_silently() {
        let elsewhere =
            json!([{"name": "HOLDFAST_AGENTS", "valueFrom": {"fieldRef": {"fieldPath": "a"}}}]);
        let hidden = read_operator(&deployment("holdfast:0.1.0", &elsewhere)).unwrap();
        let moving = read_operator(&deployment("a\u{1b}[2J", &json!([]))).unwrap();
        for found in [hidden, moving] {
            let command = install_command(Some(&found), "tools");
            assert!(
                command.contains("settings of Deployment holdfast-system/holdfast"),
                "{command}"
            );
            assert!(!command.contains('\u{1b}'));
        }
        assert!(install_command(None, "tools").contains("--selector"));
    }
}
