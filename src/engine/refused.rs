//! What becomes of a step that the API server refuses for what others want: it is reported, and tried
//! again after pauses that grow. How often in a row is remembered for the pauses alone: nothing is
//! decided by it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::error::PassError;
use crate::decide::{report_refused, say_refused};
use crate::execute::{Executor, WriteError};
use crate::plan::{Plan, Step, check_plan};
use crate::resources::Pauses;
use crate::world::Observed;

/// How often in a row something of a database was refused that no object reports, or had no effect.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<BTreeMap<(String, String), usize>>);

impl Refusals {
    /// Notes one more. Says how long to wait before the next try.
    pub fn pause(&self, namespace: &str, name: &str, pauses: Pauses) -> Duration {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = all
            .entry((namespace.to_owned(), name.to_owned()))
            .or_default();
        *refused = refused.saturating_add(1);
        pauses.after(*refused)
    }

    /// Nothing was refused, or the database is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&(namespace.to_owned(), name.to_owned()));
    }
}

/// What of a pass was refused.
#[derive(Default)]
pub struct Refused {
    /// How many steps were refused that have no report of their own, so that their pause is remembered.
    pub unreported: usize,
    /// How many were reported, which is to be read back.
    pub reported: usize,
}

impl Refused {
    /// Takes note of a failure, if it is a refusal of such a step: writes the report, or says it in the
    /// plan's conditions.
    ///
    /// # Errors
    /// The failure itself if it is none of these, or that of writing the report.
    pub async fn take(
        &mut self,
        executor: &Executor,
        observed: &Observed,
        (step, failure): (&Step, WriteError),
        plan: &mut Plan,
    ) -> Result<(), PassError> {
        let is_of_one_object = step.marks_an_object_of_others()
            || matches!(
                step,
                Step::DeleteBackup(_) | Step::DeleteFailedBackup(_) | Step::DeleteDrill(_)
            );
        let words = if is_of_one_object {
            // It depends on the object as it was read: that this is another one by now is no refusal.
            failure.refusal().filter(|_| !failure.is_precondition())
        } else {
            failure.refusal().filter(|_| is_for_agents(step))
        };
        let Some(words) = words else {
            return Err(failure.into());
        };
        tracing::warn!(step = step.describe(), error = %failure, "refused");
        if is_about_storage(step) {
            say_refused(observed, step, words, plan);
            return Err(failure.into());
        }
        let report = Plan {
            steps: report_refused(observed, step, words),
            ..Plan::default()
        };
        check_plan(observed, &report)?;
        say_refused(observed, step, words, plan);
        if report.steps.is_empty() {
            self.unreported += 1;
        } else {
            self.reported += 1;
        }
        for step in &report.steps {
            executor.execute(step).await?;
        }
        Ok(())
    }

    /// Takes note of a step that was not tried, because it is of no use without one that was refused.
    pub fn hold(&mut self, step: &Step) {
        tracing::info!(step = step.describe(), "held");
        self.unreported += 1;
    }
}

/// Whether it makes what agents need, or agents themselves.
const fn is_for_agents(step: &Step) -> bool {
    matches!(
        step,
        Step::EnsureAgentIdentity
            | Step::CreateCheck(_)
            | Step::CreateJob(_)
            | Step::CreateDrill(_)
            | Step::ApplyCronJob(_)
    )
}

/// Whether data is not kept without it: it is tried again soon, and the pass counts as failed.
const fn is_about_storage(step: &Step) -> bool {
    matches!(
        step,
        Step::RetainVolume(_) | Step::RetainTwin(_) | Step::MarkVolume(_) | Step::MarkClaim(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::JobPace;

    #[test]
    fn pauses_grow_per_database_and_end_with_success() {
        let refusals = Refusals::default();
        let pause = |name| {
            let pauses = JobPace::default().retry;
            refusals.pause("atra", name, pauses).as_secs()
        };
        assert_eq!([pause("a"), pause("a"), pause("a")], [10, 20, 40]);
        assert_eq!(pause("b"), 10);
        refusals.forget("atra", "a");
        assert_eq!(pause("a"), 10);
        let longest = (0..20).map(|_| pause("a")).max();
        assert_eq!(longest, Some(300));
    }
}
