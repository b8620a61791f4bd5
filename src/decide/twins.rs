//! Other volume objects whose deletion would delete the files of a guarded volume: each is set to
//! Retain and named, and so is a pod that writes to those files through it. It is not marked, because it is
//! not the database's own. Pure.

use std::time::Duration;

use super::gap::{Gap, unknown};
use super::pods::{list_pods, stop_command};
use crate::api::{names, reasons};
use crate::plan::{Plan, Step, VolumeStep};
use crate::world::{Fact, Observed, PodFact, TwinFact, VolumeFound};

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
    let own: Vec<&TwinFact> = twins
        .found
        .iter()
        .filter(|twin| observed.guarded_volume(&twin.of).is_some())
        .collect();
    for (place, twin) in own.iter().enumerate() {
        let volume = &twin.volume;
        // One can be a twin of several.
        let is_planned = own[..place]
            .iter()
            .any(|other| other.volume.name() == volume.name());
        if volume.is_retained() || is_planned {
            continue;
        }
        if let Some(pause) = twin.pause {
            plan.read_again_after(pause.wait);
        } else {
            plan.steps.push(Step::RetainTwin(VolumeStep {
                metadata: Box::new(volume.metadata.clone()),
                reclaim_policy: volume.reclaim_policy.clone(),
                namespace_uid: None,
            }));
        }
    }
    gaps.extend(own.iter().find_map(|twin| used_beside(observed, twin)));
    // A pod may begin to use it, and no watch of this database's namespace need say so.
    if own.iter().any(|twin| twin.volume.phase == "Bound") {
        plan.read_again_after(LOOK_AGAIN);
    }
    let endangering = own.iter().filter(|twin| !is_kept(&twin.volume));
    let mut endangering: Vec<&&TwinFact> = endangering.collect();
    endangering.sort_by_key(|twin| !is_going(&twin.volume));
    gaps.extend(endangering.first().map(|twin| Gap {
        reason: reasons::SAME_STORAGE,
        message: endangers(observed, twin),
    }));
    // A directory above the data, on Retain, is no news.
    let kept = own
        .iter()
        .filter(|twin| is_kept(&twin.volume) && is_same(observed, twin));
    let kept: Vec<&&TwinFact> = kept.collect();
    say_kept(observed, &kept, twins.more)
}

/// Says which pods write to the files of a guarded volume through another one, Retain or not.
fn used_beside(observed: &Observed, twin: &TwinFact) -> Option<Gap> {
    if !is_same(observed, twin) {
        return None;
    }
    let directories = directories_of(observed, &twin.of);
    let writers = match twin.writers(&directories) {
        Fact::Known(writers) if writers.is_empty() => return None,
        Fact::Known(writers) => writers,
        Fact::Unknown(why) => return unknown(Some(&why)),
    };
    let (same, name, of) = (same_storage(observed, twin), twin.volume.name(), &twin.of);
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

fn list_writers(writers: &[&PodFact]) -> String {
    let pods = if writers.len() == 1 { "pod" } else { "pods" };
    format!("{pods} {}", list_pods(writers))
}

/// The directories of a guarded volume that the database has; all of it where nothing says that.
fn directories_of<'a>(observed: &'a Observed, volume: &str) -> Vec<&'a str> {
    let mut claims = observed.claims.known().into_iter().flatten();
    let claim = claims.find(|claim| claim.volume_name.as_deref() == Some(volume));
    match (observed.workload_found(), claim) {
        (Some(workload), Some(claim)) => workload.directories_of(&claim.name),
        _ => vec![""],
    }
}

/// Whether its deletion takes no files along.
fn is_kept(volume: &VolumeFound) -> bool {
    volume.is_retained() && volume.metadata.deletion_timestamp.is_none()
}

/// Whether it is being deleted: the object, or the storage after its claim.
fn is_going(volume: &VolumeFound) -> bool {
    let is_left = matches!(volume.phase.as_str(), "Released" | "Failed");
    volume.metadata.deletion_timestamp.is_some() || (is_left && !volume.is_retained())
}

/// Whether it is, or may be, for the very storage, and not for one that contains it.
fn is_same(observed: &Observed, twin: &TwinFact) -> bool {
    let guarded = observed.guarded_volume(&twin.of);
    guarded.is_some_and(|guarded| twin.volume.storage.is_same(&guarded.storage) != Some(false))
}

/// Whether nothing says if it is for the same storage.
fn is_undecided(observed: &Observed, twin: &TwinFact) -> bool {
    let guarded = observed.guarded_volume(&twin.of);
    guarded.is_some_and(|guarded| twin.volume.storage.may_be_same(&guarded.storage))
}

/// `PersistentVolume B is for the same storage as PersistentVolume A`.
fn same_storage(observed: &Observed, twin: &TwinFact) -> String {
    let (name, of) = (twin.volume.name(), &twin.of);
    let how = if is_undecided(observed, twin) {
        "may be for the same storage (what names it does not say) as"
    } else if is_same(observed, twin) {
        "is for the same storage as"
    } else {
        "is for storage that contains that of"
    };
    format!("PersistentVolume {name} {how} PersistentVolume {of}")
}

fn endangers(observed: &Observed, twin: &TwinFact) -> String {
    let (volume, name, of) = (&twin.volume, twin.volume.name(), &twin.of);
    let same = same_storage(observed, twin);
    let policy = &volume.reclaim_policy;
    let doing = match twin.pause {
        _ if volume.is_retained() => "It is on Retain now".to_owned(),
        None => "It is being set to Retain".to_owned(),
        Some(pause) => format!(
            "It was set to Retain {} times in a row, and is not set again before {} s: something, such \
             as a GitOps tool, sets {policy} again and again. Set Retain where that has it from",
            pause.times,
            pause.wait.as_secs().max(1)
        ),
    };
    if !is_going(volume) {
        return format!(
            "{same}, and its reclaim policy is {policy}: deleting PersistentVolume {name}, or its \
             claim, would delete the files of {of}. {doing}. See both: kubectl get pv {name} {of}"
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
    format!(
        "{same}, and its deletion has begun: the files of {of} may be deleted with it. {doing}. \
         {command}"
    )
}

fn say_kept(observed: &Observed, kept: &[&&TwinFact], more: usize) -> Option<String> {
    let first = kept.first()?;
    let mut names: Vec<&str> = kept.iter().map(|twin| twin.volume.name()).collect();
    names.sort_unstable();
    names.dedup();
    let count = names.len() + more;
    let of = &first.of;
    if count == 1 {
        let name = first.volume.name();
        return Some(format!(
            "{}, and is kept on Retain: with Delete, deleting PersistentVolume {name} would delete the \
             files of {of}. See both: kubectl get pv {name} {of}",
            same_storage(observed, first)
        ));
    }
    let first_names = &names[..names.len().min(NAMED)];
    let rest = match count.saturating_sub(NAMED) {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    };
    let are = if kept.iter().any(|twin| is_undecided(observed, twin)) {
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
