//! What the user reads of a release: before it what becomes of each object, after it what is left and
//! the command for it. Pure.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::found::{Fate, Found};
use crate::wording::escaped;

/// What is left after a release, with the command that helps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    pub what: String,
    pub why: String,
    pub command: Option<String>,
}

/// What the user reads before.
pub fn describe(found: &[Found], unread: &[String], detach: bool, now: Timestamp) -> String {
    let fates: Vec<(&Found, Fate)> = found
        .iter()
        .map(|found| (found, found.fate(detach, now)))
        .collect();
    let mut text = String::new();
    let mut list = |heading: &str, is_meant: &dyn Fn(&Fate) -> bool| {
        let mut meant = fates.iter().filter(|(_, fate)| is_meant(fate)).peekable();
        if meant.peek().is_none() {
            return;
        }
        let _ = writeln!(text, "{heading}");
        for (found, fate) in meant {
            let title = found.title();
            let more = match fate {
                Fate::Kept { why, .. } => format!(": {why}"),
                Fate::Detached => {
                    format!(
                        ": {} does not exist any more",
                        found.gone_owners().unwrap_or_default()
                    )
                }
                Fate::Released | Fate::Gone => String::new(),
            };
            let _ = writeln!(text, "  - {}", escaped(&format!("{title}{more}")));
            if let Fate::Kept {
                command: Some(command),
                ..
            } = fate
            {
                let _ = writeln!(text, "      {}", escaped(command));
            }
        }
        text.push('\n');
    };
    list("The marks of these objects will be removed:", &|fate| {
        *fate == Fate::Released
    });
    list(
        "These are Terminating, their deletion was confirmed, and they will be gone; volumes stay:",
        &|fate| *fate == Fate::Gone,
    );
    list(
        "The marks and the references to owners of these will be removed, so that garbage collection \
         leaves them:",
        &|fate| *fate == Fate::Detached,
    );
    list("These keep their marks:", &|fate| {
        matches!(fate, Fate::Kept { .. })
    });
    if !unread.is_empty() {
        text.push_str("Nothing is known of these, and nothing is done to them:\n");
        for why in unread {
            let _ = writeln!(text, "  - {}", escaped(why));
        }
        text.push('\n');
    }
    text.push_str(
        "Then:\n  - nothing refuses to delete what was released, and nothing checks or backs up the \
         databases\n  - volumes stay on Retain, with their files\n  - an operator that is installed \
         again marks them again while their ProtectedDatabases exist\n",
    );
    text
}

/// What the user reads at the end.
pub fn describe_left(left: &[Left], scale_back: &[String]) -> String {
    let mut text = String::new();
    if !scale_back.is_empty() {
        text.push_str("\nA recovery had stopped pods, and nobody starts them again but you:\n");
        for command in scale_back {
            let _ = writeln!(text, "  - {command}");
        }
    }
    if left.is_empty() {
        text.push_str(
            "\nNothing is left that carries marks. Admission policies and CRDs are still installed: \
             docs/install.md says how to remove them.\n",
        );
        return text;
    }
    text.push_str("\nWhat is left:\n");
    for Left { what, why, command } in left {
        let line = if what.is_empty() {
            why.clone()
        } else {
            format!("{what}: {why}")
        };
        let _ = writeln!(text, "  - {}", escaped(&line));
        if let Some(command) = command {
            let _ = writeln!(text, "      {}", escaped(command));
        }
    }
    text.push_str("When that is done, run the command again.\n");
    text
}
