//! Shows everything that carries marks and what becomes of it, asks once, and removes the marks: each
//! object is confirmed by its UID first, because the admission policies may still be in force. Then it
//! says what is left.

use clap::Args;
use jiff::Timestamp;

use super::found::{Fate, Found};
use super::read::{api, examine, fetch_marked, fetch_operator, scope};
use super::text::{Left, describe, describe_left};
use crate::api::ConfirmedVerb;
use crate::guard::build_confirmation;
use crate::plugin::ask::ask_for_one;
use crate::plugin::connect::Cluster;
use crate::plugin::error::{ClusterRequest, PluginError};
use crate::plugin::exit_status::ExitStatus;
use crate::plugin::output::write_out;
use crate::plugin::write::patch;

/// What is typed to confirm, and what is typed to remove the references to owners as well.
const WORDS: [&str; 2] = ["release", "detach"];

/// The arguments of `release`.
#[derive(Debug, Args)]
pub struct ReleaseArguments {
    /// Everything that carries marks: with -n that of one namespace, else that of the cluster.
    #[arg(long, required = true)]
    pub(super) all: bool,
    /// Of objects whose owner does not exist any more, also remove the reference to it: garbage
    /// collection would delete them at once. Without this they keep their marks.
    #[arg(long)]
    pub(super) detach_owners: bool,
    /// Don't ask. Needs --objects, so that a script releases only what it has looked at.
    #[arg(long, requires = "objects")]
    pub(super) yes: bool,
    /// How many objects there must be, as it has shown them.
    #[arg(long)]
    pub(super) objects: Option<usize>,
}

/// Runs `release`.
pub async fn run(
    cluster: &Cluster,
    arguments: &ReleaseArguments,
) -> Result<ExitStatus, PluginError> {
    if let Some(operator) = fetch_operator(cluster).await? {
        eprintln!(
            "error: the operator runs (pod {operator}) and would set the marks again; nothing was \
             changed. To release one database with it: kubectl holdfast unlock protdb/NAME, then delete \
             it. To release everything, stop the operator first"
        );
        return Ok(ExitStatus::NeedsAttention);
    }
    let (found, unread) = fetch_marked(cluster).await;
    if found.is_empty() && unread.is_empty() {
        write_out("Nothing carries marks of Holdfast.\n")?;
        return Ok(ExitStatus::Done);
    }
    let now = Timestamp::now();
    write_out(&describe(&found, &unread, arguments.detach_owners, now))?;
    if let Some(wanted) = arguments.objects.filter(|wanted| *wanted != found.len()) {
        eprintln!(
            "error: there are {} objects, not {wanted}: they are not those that you have seen; nothing \
             was changed. Look at them: kubectl holdfast release --all",
            found.len()
        );
        return Ok(ExitStatus::NotConfirmed);
    }
    let Some(detach) = confirm(cluster, arguments, &found)? else {
        eprintln!("Not confirmed; nothing was changed.");
        return Ok(ExitStatus::NotConfirmed);
    };
    let mut left: Vec<Left> = unread
        .into_iter()
        .map(|why| Left {
            why,
            ..Left::default()
        })
        .collect();
    let mut scale_back = Vec::new();
    for object in &found {
        match release(cluster, object, detach).await {
            Ok(fate) => {
                write_out(&done(object, &fate))?;
                left.extend(kept(object, fate));
                scale_back.extend(object.scale_back());
            }
            // One object that you may not change keeps no other from being released.
            Err(error) => left.push(Left {
                what: object.title(),
                why: error.to_string(),
                command: None,
            }),
        }
    }
    write_out(&describe_left(&left, &scale_back))?;
    Ok(if left.is_empty() {
        ExitStatus::Done
    } else {
        ExitStatus::NeedsAttention
    })
}

/// Whether it was confirmed, and then whether references to owners are removed.
fn confirm(
    cluster: &Cluster,
    arguments: &ReleaseArguments,
    found: &[Found],
) -> Result<Option<bool>, PluginError> {
    let detach = arguments.detach_owners;
    if arguments.yes {
        return Ok(Some(detach));
    }
    let script = format!(
        "kubectl holdfast release --all{}{}{} --yes --objects {}",
        scope(cluster).map_or_else(String::new, |namespace| format!(" -n {namespace}")),
        cluster.context_flag(),
        if detach { " --detach-owners" } else { "" },
        found.len()
    );
    let has_orphans = found.iter().any(|found| found.gone_owners().is_some());
    let (question, words) = if has_orphans && !detach {
        (
            "To release what is listed, type: release. To release those without an owner too, and remove \
             the references to it, type: detach",
            &WORDS[..],
        )
    } else {
        ("To release what is listed, type: release", &WORDS[..1])
    };
    let typed = ask_for_one(question, words, &script)?;
    Ok(typed.map(|word| detach || word == 1))
}

fn done(object: &Found, fate: &Fate) -> String {
    match fate {
        Fate::Released => format!("released {}\n", object.title()),
        Fate::Gone => format!("released {}, which was Terminating\n", object.title()),
        Fate::Detached => format!(
            "released {} and removed the references to its owners\n",
            object.title()
        ),
        Fate::Kept { .. } => String::new(),
    }
}

fn kept(object: &Found, fate: Fate) -> Option<Left> {
    let Fate::Kept { why, command } = fate else {
        return None;
    };
    Some(Left {
        what: object.title(),
        why,
        command,
    })
}

/// How often an object is tried that changes between read and write.
const TRIES: usize = 3;

/// Releases the very object that was shown. A controller may write its status between read and write:
/// then what decides about it is read again.
pub(super) async fn release(
    cluster: &Cluster,
    found: &Found,
    detach: bool,
) -> Result<Fate, PluginError> {
    let namespace = found.metadata.namespace.as_deref();
    let name = found.metadata.name.as_deref().unwrap_or_default();
    let mut released = try_release(cluster, found, detach).await;
    for _ in 1..TRIES {
        match &released {
            Err(error) if error.is_precondition() => {}
            _ => break,
        }
        let present = api(cluster, found.kind, namespace).get_opt(name).await;
        let Ok(Some(present)) = present else { break };
        if present.metadata.uid != found.metadata.uid {
            break;
        }
        let present = examine(cluster, found.kind, present).await;
        released = try_release(cluster, &present, detach).await;
    }
    released
}

/// Confirms the change of an object, and removes its marks with the confirmation. What decides about it is
/// read again right before.
async fn try_release(cluster: &Cluster, found: &Found, detach: bool) -> Result<Fate, PluginError> {
    let fate = found.fate(detach, Timestamp::now());
    if matches!(fate, Fate::Kept { .. }) {
        return Ok(fate);
    }
    let namespace = found.metadata.namespace.as_deref();
    let api = api(cluster, found.kind, namespace);
    let name = found.metadata.name.as_deref().unwrap_or_default();
    let request = |verb| {
        let context = cluster.context.as_deref();
        ClusterRequest::about(verb, &found.kind.resource(), name, namespace, context)
    };
    if found.is_guarded() {
        let confirmed =
            build_confirmation(&found.metadata, ConfirmedVerb::Change, Timestamp::now());
        patch(cluster, &api, &found.metadata, confirmed, request("patch")).await?;
    }
    let present = api.get_opt(name).await;
    let Some(present) = present.map_err(|error| request("get").failed(error))? else {
        return Ok(Fate::Gone);
    };
    let mut present = examine(cluster, found.kind, present).await;
    // The patch tests the UID: another object of the name is not touched.
    present.metadata.uid.clone_from(&found.metadata.uid);
    let fate = present.fate(detach, Timestamp::now());
    if matches!(fate, Fate::Kept { .. }) {
        return Ok(fate);
    }
    if let Some(body) = present.build_patch(&fate) {
        patch(cluster, &api, &present.metadata, body, request("patch")).await?;
    }
    Ok(fate)
}
