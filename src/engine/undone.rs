//! Writes that something takes back after each one, such as another controller or a GitOps tool: each of its
//! changes leads to a pass, and the pass to the same write, without end. So the writes have pauses that grow.
//! What was written how often is remembered for the pauses and the words alone: nothing is decided by it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::plan::Step;
use crate::world::{Backoff, RepairPause};

/// The longest that a write waits without which data may not be kept.
const KEEPING_WAITS: Duration = Duration::from_secs(5);

/// What was written how many times in a row.
#[derive(Debug, Default)]
pub struct Undone(Mutex<Backoff>);

impl Undone {
    /// Why a step of a database is not carried out yet, if it was taken back again and again.
    pub fn pause(&self, (namespace, name): (&str, &str), step: &Step) -> Option<RepairPause> {
        let longest = if keeps_data(step) {
            KEEPING_WAITS
        } else {
            Duration::MAX
        };
        let backoff = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        backoff.pause_up_to(&key(namespace, name, step), Instant::now(), longest)
    }

    /// Notes what a pass has written. Returns what of it was written so many times in a row that the next
    /// has to wait, and how many times.
    pub fn note<'a>(
        &self,
        (namespace, name): (&str, &str),
        steps: impl Iterator<Item = &'a Step>,
    ) -> Vec<(&'a Step, u32)> {
        let mut backoff = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let fights = steps.filter(|step| is_for_good(step)).filter_map(|step| {
            let (times, _) = backoff.note(&key(namespace, name, step), now)?;
            Some((step, times))
        });
        fights.collect()
    }
}

/// A step by what it makes of which object, whatever that was before.
fn key(namespace: &str, name: &str, step: &Step) -> String {
    let what = match step {
        // Each check has another one to note: only the same again was taken back.
        Step::NoteLoss { loss, .. } => loss.as_str(),
        _ => "",
    };
    format!("{namespace}/{name}: {}: {what}", step.describe())
}

/// Whether a write is not needed again, unless somebody takes it back. A twin has a pause of its own.
const fn is_for_good(step: &Step) -> bool {
    match step {
        Step::RetainTwin(_) => false,
        Step::MarkDatabase(_)
        | Step::MarkLedger(_)
        | Step::DeleteRoleBinding(_)
        | Step::EnsureAgentIdentity
        | Step::ApplyCronJob(_)
        | Step::DeleteCronJob(_) => true,
        _ => step.marks_an_object_of_others(),
    }
}

/// Whether data may not be kept without a step: it waits for a moment only, and what follows it waits for
/// it, because that was planned after it.
pub const fn keeps_data(step: &Step) -> bool {
    matches!(
        step,
        Step::MarkDatabase(_)
            | Step::MarkLedger(_)
            | Step::RetainVolume(_)
            | Step::MarkVolume(_)
            | Step::MarkClaim(_)
    )
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    use super::*;

    fn metadata(name: &str, version: usize) -> Box<ObjectMeta> {
        Box::new(ObjectMeta {
            name: Some(name.to_owned()),
            resource_version: Some(version.to_string()),
            ..ObjectMeta::default()
        })
    }

    #[test]
    fn what_is_written_five_times_in_a_row_has_a_pause() {
        let undone = Undone::default();
        let place = ("atra", "knowledge");
        let mark = |version| Step::MarkNamespace(metadata("atra", version));
        for version in 1..5 {
            let step = mark(version);
            assert!(undone.note(place, [&step].into_iter()).is_empty());
            assert_eq!(undone.pause(place, &step), None);
        }
        let (fifth, sixth) = (mark(5), mark(6));
        let fights = undone.note(place, [&fifth].into_iter());
        assert_eq!(fights, [(&fifth, 5)]);
        let pause = undone.pause(place, &sixth).map(|pause| pause.times);
        assert_eq!(pause, Some(5), "whatever version it has by now");
        assert_eq!(undone.pause(("atra", "other"), &sixth), None);
        let other = Step::MarkNamespace(metadata("shop", 1));
        assert_eq!(undone.pause(place, &other), None);
    }

    #[test]
    fn what_keeps_data_waits_for_a_moment_only() {
        let undone = Undone::default();
        let place = ("atra", "knowledge");
        let mark = Step::MarkClaim(metadata("data", 1));
        let namespace = Step::MarkNamespace(metadata("atra", 1));
        for _ in 0..12 {
            let _ = undone.note(place, [&mark, &namespace].into_iter());
        }
        let wait = |step| undone.pause(place, step).map(|pause| pause.wait);
        assert!(wait(&mark).is_some_and(|wait| wait <= KEEPING_WAITS));
        assert!(wait(&namespace).is_some_and(|wait| wait > KEEPING_WAITS));
    }

    #[test]
    fn what_is_another_note_each_time_was_not_taken_back() {
        let undone = Undone::default();
        let place = ("atra", "knowledge");
        let note = |loss: &str| Step::NoteLoss {
            metadata: metadata("data", 1),
            loss: loss.to_owned(),
        };
        for rows in 0..12 {
            let step = note(&format!("{rows} rows"));
            assert!(undone.note(place, [&step].into_iter()).is_empty());
            assert_eq!(undone.pause(place, &step), None);
        }
        let again = note("12 rows");
        for _ in 0..5 {
            let _ = undone.note(place, [&again].into_iter());
        }
        assert!(undone.pause(place, &again).is_some());
    }

    #[test]
    fn what_is_written_again_and_again_by_its_nature_never_waits() {
        let undone = Undone::default();
        let place = ("atra", "knowledge");
        let assertion = Step::AssertDatabase(metadata("knowledge", 1));
        for _ in 0..12 {
            assert!(undone.note(place, [&assertion].into_iter()).is_empty());
        }
        assert_eq!(undone.pause(place, &assertion), None);
    }
}
