//! `docs/conditions.md`: every condition and reason with its remedy, from the table in
//! `api::reasons`.

use std::fmt::Write as _;

use crate::api::reasons;

const INTRODUCTION: &str = "<!-- Generated from src/api/reasons/ by `make generate`; do not edit. \
    -->
# Conditions and reasons

`kubectl describe protdb NAME` shows the conditions. Each has a status, a reason from this page, and a message about your objects.
A condition is `True` only when it was seen to hold. \"Never happened\" and \"not known\" are not green.

| condition | when it is `True` |
|---|---|
| `Ready` | the data is guarded, verified and backed up; computed from the others |
| `Reconciling` | the operator is not done yet |
| `Stalled` | the operator can't continue until you change something |
| `Guarded` | deletions are refused and the volumes are on Retain, as read back |
| `DataVerified` | the container that runs now has the data of the last good check |
| `DataReset` | **bad**: the data looks reset; stays `True` until the data is restored or you accept the change |
| `FilesMatch` | there is a file for every path in the rows; only with `spec.verification.files` |
| `BackupFresh` | the newest good backup is not older than its schedule allows |
| `RestoreProven` | a restore has proven a backup |

A DatabaseCheck has the same words in `status.verdict.reason`, a DatabaseBackup in `status.reason`.

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
