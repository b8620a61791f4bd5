//! `docs/conditions.md`: every condition and reason with its remedy, from the table in
//! `api::reasons`.

use std::fmt::Write as _;

use crate::api::{ConditionType, reasons};

const INTRODUCTION: &str = "<!-- Generated from src/api/reasons/ by `make generate`; do not edit. \
    -->
# Conditions and reasons

`kubectl describe protdb NAME` shows the conditions. Each has a status, a reason from this page, and a message about your objects.
A condition is `True` only when the operator has seen it. \"Never happened\" and \"not known\" are never `True`.

| condition | when it is `True` |
|---|---|
";

const AFTER_THE_TABLE: &str = "
A DatabaseCheck has the same words in `status.verdict.reason`, a DatabaseBackup in `status.reason`.

";

/// The page.
pub fn build_conditions_page() -> String {
    let mut page = String::from(INTRODUCTION);
    // Writing to a String can't fail.
    for type_ in ConditionType::ALL {
        let _ = writeln!(page, "| `{}` | {} |", type_.as_str(), type_.row().meaning);
    }
    page.push_str(AFTER_THE_TABLE);
    for document in reasons::all() {
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
