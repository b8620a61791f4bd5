//! `docs/conditions.md`: every condition and reason with its remedy, from the table in
//! `api::reasons`.

use std::fmt::Write as _;

use crate::api::reasons;

const INTRODUCTION: &str = "<!-- Generated from src/api/reasons/ by `make generate`; do not edit. \
    -->
# Conditions and reasons

`kubectl describe protdb NAME` shows the conditions; each has a status, a reason from this page and a message about your objects.
\"Never happened\" and \"unknown\" are not green: a condition is `True` only when it was seen to hold.

| condition | true means |
|---|---|
| `Ready` | guarded, verified, backed up, and the data does not look reset; computed from the others |
| `Reconciling` | the operator is still at work |
| `Stalled` | the operator can't go on until a person changes something |
| `Guarded` | deletion is refused and the volumes are on Retain, as read back |
| `DataVerified` | the data of the container that runs now is what was last known good |
| `DataReset` | **bad when true**: the data looks reset; it stays true until the data is back or a person accepts the change |
| `FilesMatch` | the files that rows name are there; only with `spec.verification.files` |
| `BackupFresh` | the newest good backup is not older than its schedule asks |
| `RestoreProven` | a backup was proven by a restore |

The same words are in `status.verdict.reason` of a DatabaseCheck and `status.reason` of a DatabaseBackup.

";

/// The page.
pub fn build_conditions_page() -> String {
    let mut page = String::from(INTRODUCTION);
    for document in reasons::all() {
        // Writing to a String can't fail.
        let _ = write!(
            page,
            "## {}\n\n*{}*\n\n{}\n\n**What to do:** {}\n\n",
            document.reason, document.conditions, document.meaning, document.remedy
        );
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}
