//! Other volume objects whose deletion would delete the files of a guarded volume: each is set to
//! Retain and named, and so is a pod that writes to those files through it. It is not marked, because it is
//! not the database's own. Pure.

use std::time::Duration;

use super::gap::{Gap, unknown};
use super::pods::stop_command;
use super::twin_words::{TwinWords, list_writers};
use crate::api::{names, reasons};
use crate::plan::{Plan, Step, VolumeStep};
use crate::world::{Fact, Observed, TwinFact};

/// How many are named; the rest is a number.
const NAMED: usize = 3;

/// How long until the pods that use one are looked for again.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Plans Retain for each, and says which are not kept yet. Returns the sentence about those that are.
pub fn keep_twins(observed: &Observed, plan: &mut Plan, gaps: &mut Vec<Gap>) -> Option<String> {
    let Some(twins) = observed.twins.known() else {
        gaps.extend(unknown(observed.twins.unknown()));
        return None;
    };
    let all = twins.found.iter().filter_map(|twin| {
        let guarded = observed.guarded_volume(&twin.of)?;
        let storage = &guarded.storage;
        Some(TwinWords { twin, storage })
    });
    let all: Vec<TwinWords<'_>> = all.collect();
    gaps.extend(all.iter().find_map(|twin| used_beside(observed, twin)));
    // The database's own are kept as its own.
    let of_others = all.iter().filter(|words| !words.twin.is_own);
    let of_others: Vec<&TwinWords<'_>> = of_others.collect();
    for (place, words) in of_others.iter().enumerate() {
        let volume = &words.twin.volume;
        // One can be a twin of several.
        let is_planned = of_others[..place]
            .iter()
            .any(|other| other.twin.volume.name() == volume.name());
        if volume.is_retained() || is_planned {
            continue;
        }
        if let Some(pause) = words.twin.pause {
            plan.read_again_after(pause.wait);
        } else {
            plan.steps.push(Step::RetainTwin(VolumeStep {
                metadata: Box::new(volume.metadata.clone()),
                reclaim_policy: volume.reclaim_policy.clone(),
                namespace_uid: None,
            }));
        }
    }
    // A pod may begin to use it, and no watch of this database's namespace need say so.
    let is_bound = |words: &&TwinWords<'_>| words.twin.volume.phase == "Bound";
    if of_others.iter().any(is_bound) {
        plan.read_again_after(LOOK_AGAIN);
    }
    let endangering = of_others.iter().filter(|words| !words.is_kept());
    let mut endangering: Vec<&&TwinWords<'_>> = endangering.collect();
    endangering.sort_by_key(|words| !words.is_going());
    gaps.extend(endangering.first().map(|words| Gap {
        reason: reasons::SAME_STORAGE,
        message: endangers(observed, words),
    }));
    // A directory above the data, on Retain, is no news.
    let kept = of_others
        .iter()
        .filter(|words| words.is_kept() && words.is_same());
    let kept: Vec<&TwinWords<'_>> = kept.copied().collect();
    say_kept(&kept, twins.more)
}

/// Says which pods write to the files of a guarded volume through another one, Retain or not.
fn used_beside(observed: &Observed, words: &TwinWords<'_>) -> Option<Gap> {
    if !words.is_same() {
        return None;
    }
    let (twin, of) = (words.twin, &words.twin.of);
    let claims = observed.claims.known().into_iter().flatten();
    let mut claims = claims.filter(|claim| claim.volume_name.as_ref() == Some(of));
    let own_claim = claims.next().map(|claim| claim.name.as_str());
    if twin.is_own && !is_used(observed, own_claim?) {
        return None;
    }
    let directories = match (observed.workload_found(), own_claim) {
        (Some(workload), Some(claim)) => workload.directories_of(claim),
        // Nothing says it: all of it.
        _ => vec![""],
    };
    let writers = match words.writers(&directories, own_claim) {
        Fact::Known(writers) if writers.is_empty() => return None,
        Fact::Known(writers) => writers,
        Fact::Unknown(why) => return unknown(Some(&why)),
    };
    let (same, name) = (words.same_storage(), twin.volume.name());
    let claim = twin.volume.claim.clone().unwrap_or_default();
    let namespace = observed.namespace_name();
    let is_here = claim.namespace.as_deref() == Some(namespace);
    let used = if is_here {
        format!(
            "{} may write to it through PersistentVolumeClaim {}: two servers on the same files destroy \
             them. Stop what does not belong there: {}",
            list_writers(&writers),
            claim.name.unwrap_or_default(),
            stop_command(namespace, writers[0])
        )
    } else {
        format!(
            "pods of another namespace may write to it through a claim there: they can read and change \
             the files, and two servers on the same files destroy them. Who may read PersistentVolumes \
             sees whose it is: kubectl get pv {name} {of}"
        )
    };
    Some(Gap {
        reason: reasons::SAME_STORAGE,
        message: format!("{same}, and {used}"),
    })
}

/// Whether a pod has a claim of the database; true where that is not known.
fn is_used(observed: &Observed, claim: &str) -> bool {
    let pods = [&observed.pods, &observed.other_pods];
    pods.iter().any(|pods| match pods {
        Fact::Known(pods) => {
            let mut on_node = pods.iter().filter(|pod| pod.is_on_node());
            on_node.any(|pod| pod.claims.iter().any(|own| own == claim))
        }
        Fact::Unknown(_) => true,
    })
}

fn endangers(observed: &Observed, words: &TwinWords<'_>) -> String {
    let TwinFact {
        of, volume, pause, ..
    } = words.twin;
    let (same, name) = (words.same_storage(), volume.name());
    let policy = &volume.reclaim_policy;
    let doing = match pause {
        _ if volume.is_retained() => "It is on Retain now".to_owned(),
        None => "It is being set to Retain".to_owned(),
        // Without the seconds that are left: they would be another text in each pass.
        Some(pause) => format!(
            "It was set to Retain {} times in a row, and is set again after a pause of up to a minute: \
             something, such as a GitOps tool, sets {policy} again and again. Set Retain where that has \
             it from",
            pause.times
        ),
    };
    if !words.is_going() {
        return format!(
            "{same}, and its reclaim policy is {policy}: {}. {doing}. See both: kubectl get pv {name} {of}",
            words.would_delete()
        );
    }
    let namespace = observed.namespace_name();
    let command = if observed.database.spec.backup.is_some() {
        format!(
            "Take a backup now: kubectl -n {namespace} create job --from=cronjob/{} {}-backup-now",
            names::backup_cron_job(observed.name()),
            observed.name()
        )
    } else {
        format!("See both: kubectl get pv {name} {of}")
    };
    format!("{}. {doing}. {command}", words.say_going())
}

fn say_kept(kept: &[&TwinWords<'_>], more: usize) -> Option<String> {
    let first = kept.first()?;
    let mut names: Vec<&str> = kept.iter().map(|words| words.twin.volume.name()).collect();
    names.sort_unstable();
    names.dedup();
    let count = names.len() + more;
    let of = &first.twin.of;
    if count == 1 {
        let name = first.twin.volume.name();
        return Some(format!(
            "{}, and is kept on Retain: with Delete, deleting PersistentVolume {name} would delete the \
             files of {of}. See both: kubectl get pv {name} {of}",
            first.same_storage()
        ));
    }
    let first_names = &names[..names.len().min(NAMED)];
    let rest = match count.saturating_sub(NAMED) {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    };
    let are = if kept.iter().any(|words| words.is_undecided()) {
        "are, or may be,"
    } else {
        "are"
    };
    Some(format!(
        "PersistentVolumes {}{rest} {are} for the same storage as PersistentVolume {of}, and are \
         kept on Retain: with Delete, deleting one would delete the files of {of}. See them: kubectl \
         get pv {} {of}",
        first_names.join(", "),
        first_names.join(" ")
    ))
}
