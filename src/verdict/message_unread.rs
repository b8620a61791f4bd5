//! The texts of verdicts about a server that nobody could log in to.

use crate::api::{DEFAULT_PORT, Finding, LoginMethod, reasons};

use super::input::Input;
use super::sentence::{describe_cluster, describe_volume, say_finding};
use super::unread::{Refusal, explain_refusal};
use super::volumes::{DataVolumes, cluster_state};
use super::ways_back::{mount_back, on_same_volume};

/// What is reported about a reset that is suspected although nothing could be read.
pub(super) fn suspected(input: &Input<'_>, findings: &[Finding]) -> String {
    let main = Some(input.spec.connection.database.as_str());
    let found: Vec<String> = findings
        .iter()
        .map(|finding| say_finding(finding, findings, main))
        .collect();
    let refused = input
        .failure
        .map(|failure| {
            format!(
                " Nothing could be read: {}.",
                what_happened(&failure.message)
            )
        })
        .unwrap_or_default();
    format!(
        "the data looks reset: {}.{refused}{} Next: {}.",
        found.join("; "),
        comparison(input),
        next_steps(input, findings).join(". ")
    )
}

/// The first sentence of a failure: what to do about a refused login would lead away from a reset.
fn what_happened(message: &str) -> &str {
    message
        .split_once(". ")
        .map_or(message, |(happened, _)| happened)
}

/// What the salts say of a login that was refused, and what is not known.
pub(super) fn explain_login(input: &Input<'_>) -> Option<String> {
    let reason = input.failure?.reason.as_str();
    if reason == reasons::CONNECTION_FAILED && explain_refusal(input) == Refusal::SameCluster {
        return Some(format!(
            "The database cluster of the last good check listens at port {DEFAULT_PORT}: correct \
             spec.connection.port"
        ));
    }
    if reason != reasons::AUTHENTICATION_FAILED {
        return None;
    }
    Some(match explain_refusal(input) {
        Refusal::SecretWrong => "The database cluster and the password of the role in it are \
            those of the last good check, so it is the Secret that changed"
            .to_owned(),
        Refusal::SameCluster => "The database cluster is that of the last good check".to_owned(),
        Refusal::Unknown if input.baseline.is_none() => return None,
        Refusal::Unknown => {
            let why = match input.without_login.map(|found| found.method) {
                Some(LoginMethod::Md5) => ": by md5 the server gives another salt each time",
                Some(LoginMethod::Password) => {
                    ": the server asks for the password itself and gives no salt"
                }
                Some(LoginMethod::None) => ": the server gives no salt without passwords",
                Some(LoginMethod::Refused) => ": the server refuses before it gives a salt",
                _ => "",
            };
            format!(
                "Whether it is still the database cluster of the last good check is not known{why}"
            )
        }
    })
}

fn comparison(input: &Input<'_>) -> String {
    let Some(baseline) = input.baseline else {
        return String::new();
    };
    let volumes = DataVolumes::compare_unread(input, &baseline);
    let known = format!("{} of {}", baseline.source, baseline.evidence.observed_at.0);
    let cluster = describe_cluster(&cluster_state(baseline.evidence, None));
    if volumes.moved {
        return format!(
            " Expected, as in {known}: {}, {cluster}. Found: {}.",
            describe_volume(volumes.before),
            describe_volume(volumes.now)
        );
    }
    match volumes.now {
        Some(_) => format!(
            " Expected, as in {known}: {cluster}. The volume is the same: {}.",
            describe_volume(volumes.now)
        ),
        None => format!(
            " Expected, as in {known}: {cluster}. The data was on no PersistentVolumeClaim then, either."
        ),
    }
}

fn next_steps(input: &Input<'_>, findings: &[Finding]) -> Vec<String> {
    let (namespace, database) = (input.namespace, input.database);
    let mut steps = Vec::new();
    if let Some(baseline) = input.baseline {
        match DataVolumes::compare_unread(input, &baseline) {
            DataVolumes {
                before: Some(before),
                now,
                moved: true,
            } => steps.extend(mount_back(input, &baseline, before, now)),
            _ => steps.extend(on_same_volume(input, findings)),
        }
    }
    let has_role_changed = findings
        .iter()
        .any(|finding| matches!(finding, Finding::RoleChanged { .. }));
    if let (true, Some(secret)) = (has_role_changed, &input.spec.connection.credentials_secret) {
        steps.push(format!(
            "If somebody changed the password in the database on purpose, write it into the Secret \
             {} (key {})",
            secret.name, secret.password_key
        ));
    }
    steps.push(format!(
        "If this is how it should be, let the checks log in, and accept the next one: kubectl \
         holdfast grant-sql {database} -n {namespace}"
    ));
    steps
}
