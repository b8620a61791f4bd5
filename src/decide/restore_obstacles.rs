//! Backups that are taken and that a restore will refuse, said while nobody needs them yet. Pure.

use crate::api::DesiredCondition;
use crate::plan::Plan;

/// Adds to the condition why a restore of the newest backup is refused. The backup is as fresh as it was.
pub fn say(plan: &Plan, mut condition: DesiredCondition) -> DesiredCondition {
    let status = &plan.status;
    let newest = status.last_confirmed_backup.as_ref();
    let Some(newest) = newest.or(status.last_backup.as_ref()) else {
        return condition;
    };
    if let Some(first) = newest.restore_obstacles.first() {
        let more = match newest.restore_obstacles.len() {
            1 => String::new(),
            count => format!(" ({} more)", count - 1),
        };
        condition.add(&format!(
            "A RESTORE OF {} IS REFUSED{more}: {first}. It can be fetched, and restored by hand: holdfast \
             backup fetch --help",
            newest.name
        ));
    }
    condition
}
