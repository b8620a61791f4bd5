//! A backup that Kubernetes has not begun: no Job says why, so the condition does, in the words of
//! Kubernetes. Pure.

use std::time::Duration;

use super::not_begun;
use crate::api::{BackupSummary, DesiredCondition, names};
use crate::plan::Plan;
use crate::resources::ValidBackup;
use crate::world::{Fact, LateBackup, Observed, late_at};

/// How soon it is read again whether a late backup has begun. A watch says so, too.
const READ_AGAIN: Duration = Duration::from_secs(15);

/// Looks when the next backup should have begun: nothing calls the operator when it has not.
pub fn plan_look(observed: &Observed, backup: &ValidBackup, plan: &mut Plan) {
    if observed.late_backup.is_some() {
        plan.read_again_after(READ_AGAIN);
    } else if let Some(at) = late_at(&backup.schedule, &observed.now) {
        let wait = at.saturating_sub(observed.now.0.as_second());
        plan.read_again_after(Duration::from_secs(u64::try_from(wait).unwrap_or(0)));
    }
}

/// Adds to the condition why the last backup has not begun, while that lasts. One that was taken since
/// is as good.
pub fn say(
    observed: &Observed,
    good: Option<&BackupSummary>,
    mut condition: DesiredCondition,
) -> DesiredCondition {
    let is_made_up = |late: &&LateBackup| good.is_some_and(|good| good.time.0 >= late.due.0);
    let late = observed.late_backup.as_ref();
    let Some(late) = late.filter(|late| !is_made_up(late)) else {
        return condition;
    };
    not_begun::add(&mut condition, &describe(observed, late));
    condition
}

fn describe(observed: &Observed, late: &LateBackup) -> String {
    let cron_job = names::backup_cron_job(observed.name());
    let namespace = observed.namespace_name();
    let why = match &late.why {
        Fact::Known(Some(why)) => why.clone(),
        Fact::Known(None) if late.is_suspended => format!("CronJob {cron_job} is suspended"),
        Fact::Known(None) => "Kubernetes does not say why".to_owned(),
        Fact::Unknown(why) => format!("why is not known: {why}"),
    };
    format!(
        "the backup of {} has not begun: {why}. See kubectl -n {namespace} describe cronjob {cron_job}",
        late.due.0
    )
}
