//! Reads the object, shows what would be lost, asks, and sets or removes the confirmation.

use clap::Args;
use jiff::Timestamp;
use kube::Api;
use kube::api::DynamicObject;

use super::loss_summary::minutes;
use super::{Databases, Kind, Named, Target, describe_confirmed, describe_loss, parse_named};
use crate::api::names::GROUP;
use crate::api::{Confirmation, ConfirmedVerb};
use crate::guard::{Standing, build_confirmation, build_revocation, marked_owner, standing};
use crate::incident::build_overview;
use crate::plugin::ask::ask;
use crate::plugin::connect::Cluster;
use crate::plugin::error::{ClusterRequest, PluginError};
use crate::plugin::exit_status::ExitStatus;
use crate::plugin::output::write_out;
use crate::plugin::status::{fetch_database, fetch_overviews};
use crate::plugin::write::patch;

/// The arguments of `unlock`.
#[derive(Debug, Args)]
pub struct UnlockArguments {
    /// The object: pvc, pv, statefulset, deployment, namespace, protdb, crd or dbledger, then its
    /// name.
    #[arg(value_name = "KIND/NAME", value_parser = parse_named)]
    object: Named,
    /// Confirm a change of the object, such as a mark that is removed or a guard that is switched
    /// off, instead of its deletion.
    #[arg(long)]
    change: bool,
    /// Don't ask. Needs --uid, so that a script confirms only the object that it has looked at.
    #[arg(long, requires = "uid")]
    yes: bool,
    /// The UID that the object must have: kubectl get KIND NAME -o jsonpath={.metadata.uid}
    #[arg(long)]
    uid: Option<String>,
    /// Remove every confirmation from the object.
    #[arg(long, conflicts_with_all = ["yes", "uid", "change"])]
    revoke: bool,
}

impl UnlockArguments {
    const fn verb(&self) -> ConfirmedVerb {
        if self.change {
            ConfirmedVerb::Change
        } else {
            ConfirmedVerb::Delete
        }
    }
}

/// Runs `unlock`.
pub async fn run(
    cluster: &Cluster,
    arguments: &UnlockArguments,
) -> Result<ExitStatus, PluginError> {
    let Named { kind, name } = &arguments.object;
    let place = kind.namespaced.then_some(cluster.namespace.as_str());
    let api: Api<DynamicObject> = match place {
        Some(namespace) => {
            Api::namespaced_with(cluster.client.clone(), namespace, &kind.api_resource())
        }
        None => Api::all_with(cluster.client.clone(), &kind.api_resource()),
    };
    let question = |verb| {
        ClusterRequest::about(
            verb,
            &kind.resource(),
            name,
            place,
            cluster.context.as_deref(),
        )
    };
    let metadata = api
        .get_metadata(name)
        .await
        .map_err(|error| question("get").failed(error))?
        .metadata;
    let target = Target {
        kind,
        metadata,
        verb: arguments.verb(),
        context_flag: cluster.context_flag(),
    };
    let apply = async |body: json_patch::Patch| {
        patch(cluster, &api, &target.metadata, body, question("patch")).await
    };
    if arguments.revoke {
        return match build_revocation(&target.metadata, &ConfirmedVerb::ALL) {
            Some(revocation) => {
                apply(revocation).await?;
                write_out(&format!(
                    "{}: the confirmation was removed.\n",
                    target.title()
                ))?;
                Ok(ExitStatus::Done)
            }
            None => say(&format!(
                "{} is not confirmed; nothing was changed.\n",
                target.title()
            )),
        };
    }
    if !target.is_guarded() {
        return say(&format!(
            "Holdfast does not guard {}: nothing refuses its {}, and nothing was changed.\n",
            target.title(),
            target.verb.noun()
        ));
    }
    if let Some(uid) = arguments.uid.as_deref().filter(|uid| *uid != target.uid()) {
        eprintln!(
            "error: {} has the UID {}, not {uid}: it is not the object that you have seen; nothing \
             was changed. Look at it: kubectl holdfast unlock {}/{name}",
            target.title(),
            target.uid(),
            kind.word
        );
        return Ok(ExitStatus::NotConfirmed);
    }
    let now = Timestamp::now();
    if let Standing::Until(end) = standing(&target.metadata, target.verb, now) {
        write_out("Confirmed before. ")?;
        return say(&describe_confirmed(&target, end, now));
    }
    let databases = fetch_databases(cluster, &target).await;
    write_out(&describe_loss(&target, &databases, now))?;
    let question = format!(
        "To confirm the {} of this {} for {}",
        target.verb.noun(),
        target.kind.kind,
        minutes()
    );
    if !arguments.yes && !ask(&question, target.name(), &target.script_command())? {
        eprintln!("Not confirmed; nothing was changed.");
        return Ok(ExitStatus::NotConfirmed);
    }
    // From now on: whoever is asked may take their time.
    let confirmation = Confirmation {
        uid: target.uid().to_owned(),
        since: Timestamp::now(),
    };
    apply(build_confirmation(
        &target.metadata,
        target.verb,
        confirmation.since,
    ))
    .await?;
    write_out("\n")?;
    say(&describe_confirmed(
        &target,
        confirmation.end(),
        confirmation.since,
    ))
}

fn say(text: &str) -> Result<ExitStatus, PluginError> {
    write_out(text)?;
    Ok(ExitStatus::Done)
}

/// The databases that would be lost, or no longer guarded, without the object. If they can't be
/// read, that is reported, and the user may still confirm.
async fn fetch_databases(cluster: &Cluster, target: &Target) -> Databases {
    let fetched = match target.kind.kind {
        "Namespace" => fetch_overviews(cluster, Some(target.name())).await,
        "CustomResourceDefinition" if is_of_databases(target.kind, target.name()) => {
            fetch_overviews(cluster, None).await
        }
        "StatefulSet" | "Deployment" => fetch_of_workload(cluster, target).await,
        "ProtectedDatabase" => fetch_one(cluster, &cluster.namespace, target.name()).await,
        _ => match marked_owner(&target.metadata).and_then(|owner| owner.split_once('/')) {
            Some((namespace, name)) => fetch_one(cluster, namespace, name).await,
            None => Ok(Vec::new()),
        },
    };
    fetched.map_or_else(
        |error| Databases::Unknown(error.to_string()),
        Databases::Known,
    )
}

/// The databases that name a workload: nothing on it says whose it is.
async fn fetch_of_workload(
    cluster: &Cluster,
    target: &Target,
) -> Result<Vec<crate::incident::DatabaseOverview>, PluginError> {
    let all = fetch_overviews(cluster, target.metadata.namespace.as_deref()).await?;
    let named = |overview: &crate::incident::DatabaseOverview| {
        let mut words = overview.workload.split(' ');
        words.next_back() == Some(target.name())
    };
    Ok(all.into_iter().filter(named).collect())
}

async fn fetch_one(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
) -> Result<Vec<crate::incident::DatabaseOverview>, PluginError> {
    fetch_database(cluster, namespace, name)
        .await
        .map(|database| vec![build_overview(database)])
}

fn is_of_databases(kind: &Kind, name: &str) -> bool {
    kind.kind == "CustomResourceDefinition" && name == format!("protecteddatabases.{GROUP}")
}
