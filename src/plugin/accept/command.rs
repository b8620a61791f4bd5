//! Reads the database and the check, shows what would be accepted, asks, and sets or removes the
//! annotations.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Api, CustomResourceExt as _};

use super::{
    DatabaseReference, build_acceptance, build_declaration, build_withdrawal, declare,
    describe_accepted, describe_check, describe_declaration, describe_declared, describe_withdrawn,
    refuse_check,
};
use crate::api::{DatabaseCheck, ProtectedDatabase};
use crate::plugin::ask::ask;
use crate::plugin::connect::Cluster;
use crate::plugin::error::{ClusterRequest, PluginError};
use crate::plugin::exit_status::ExitStatus;
use crate::plugin::output::write_out;
use crate::plugin::status::fetch_database;
use crate::plugin::write::patch;
use crate::resources::{DECLARATION_RANGE, parse_duration};
use crate::world::Reader;

/// Without it, the help shows the group before the name.
const USAGE: &str = "kubectl holdfast accept NAME CHECK [--yes]
       kubectl holdfast accept NAME --next [--duration DURATION] [--yes]
       kubectl holdfast accept NAME --revoke";

/// The arguments of `accept`.
#[derive(Debug, Args)]
#[command(override_usage = USAGE, group = clap::ArgGroup::new("what").required(true).args(["check", "next", "revoke"]))]
pub struct AcceptArguments {
    /// Name of the ProtectedDatabase.
    name: String,
    /// The DatabaseCheck to accept. What it found becomes the baseline that later checks are
    /// compared with.
    check: Option<String>,
    /// Accepts the next change in advance: before a major upgrade or a migration.
    #[arg(long)]
    next: bool,
    /// With --next: how long from now that is valid, up to 7d.
    #[arg(long, value_name = "DURATION", default_value = "2h", value_parser = read_duration)]
    duration: Duration,
    /// Don't ask.
    #[arg(long, conflicts_with = "revoke")]
    yes: bool,
    /// Removes the acceptance or declaration. A check that has become good by it stays good.
    #[arg(long)]
    revoke: bool,
}

fn read_duration(text: &str) -> Result<Duration, String> {
    parse_duration(text, DECLARATION_RANGE).map_err(|error| error.to_string())
}

/// Runs `accept`.
pub async fn run(
    cluster: &Cluster,
    arguments: &AcceptArguments,
) -> Result<ExitStatus, PluginError> {
    let reference = DatabaseReference {
        namespace: cluster.namespace.clone(),
        name: arguments.name.clone(),
        context_flag: cluster.context_flag(),
    };
    let database = fetch_database(cluster, &reference.namespace, &reference.name).await?;
    let now = Timestamp::now();
    if arguments.revoke {
        if let Some(withdrawal) = build_withdrawal(&database.metadata) {
            apply(cluster, &database.metadata, withdrawal).await?;
        }
        return say(&describe_withdrawn(&reference, &database.metadata));
    }
    if let Some(name) = &arguments.check {
        let check = fetch_check(cluster, &reference.namespace, name).await?;
        if let Some(why) = refuse_check(&reference.name, &check) {
            let (namespace, context) = (&reference.namespace, &reference.context_flag);
            eprintln!(
                "DatabaseCheck {name} can't be accepted: {why}. Nothing was changed. List the \
                 checks: kubectl get dbcheck -n {namespace}{context}"
            );
            return Ok(ExitStatus::NeedsAttention);
        }
        write_out(&describe_check(&reference, &database, &check, now))?;
        if !confirmed(&reference, arguments, &format!(" {name}"))? {
            return Ok(ExitStatus::NotConfirmed);
        }
        let acceptance = build_acceptance(&database.metadata, name);
        apply(cluster, &database.metadata, acceptance).await?;
        return say(&format!("\n{}", describe_accepted(&reference, name)));
    }
    let declared = match declare(&database, arguments.duration, now) {
        Ok(declared) => declared,
        Err(why) => {
            eprintln!(
                "Nothing was declared: {why}. See the state: {}; accept a check: {}",
                reference.status_command(),
                reference.command(" CHECK")
            );
            return Ok(ExitStatus::NeedsAttention);
        }
    };
    write_out(&describe_declaration(&reference, &declared, now))?;
    if !confirmed(
        &reference,
        arguments,
        &format!(" --next --duration {}s", arguments.duration.as_secs()),
    )? {
        return Ok(ExitStatus::NotConfirmed);
    }
    let declaration = build_declaration(&database.metadata, &declared);
    apply(cluster, &database.metadata, declaration).await?;
    say(&format!("\n{}", describe_declared(&reference, &declared)))
}

fn confirmed(
    reference: &DatabaseReference,
    arguments: &AcceptArguments,
    words: &str,
) -> Result<bool, PluginError> {
    let script = reference.command(&format!("{words} --yes"));
    let answer = arguments.yes
        || ask(
            &format!("To accept this for {}", reference.title()),
            &reference.name,
            &script,
        )?;
    if !answer {
        eprintln!("Not confirmed; nothing was changed.");
    }
    Ok(answer)
}

async fn apply(
    cluster: &Cluster,
    metadata: &ObjectMeta,
    body: json_patch::Patch,
) -> Result<(), PluginError> {
    let (namespace, name) = (
        metadata.namespace.as_deref().unwrap_or_default(),
        metadata.name.as_deref().unwrap_or_default(),
    );
    let api: Api<ProtectedDatabase> = Api::namespaced(cluster.client.clone(), namespace);
    let request = ClusterRequest::about(
        "patch",
        ProtectedDatabase::crd_name(),
        name,
        Some(namespace),
        cluster.context.as_deref(),
    );
    patch(cluster, &api, metadata, body, request).await
}

async fn fetch_check(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
) -> Result<DatabaseCheck, PluginError> {
    let request = ClusterRequest::about(
        "get",
        DatabaseCheck::crd_name(),
        name,
        Some(namespace),
        cluster.context.as_deref(),
    );
    let reader = Reader::new(cluster.client.clone(), namespace);
    match reader.find(name).await {
        Ok(Some(check)) => Ok(check),
        Ok(None) => Err(request.absent()),
        Err(error) => Err(request.failed(error)),
    }
}

fn say(text: &str) -> Result<ExitStatus, PluginError> {
    write_out(text)?;
    Ok(ExitStatus::Done)
}
