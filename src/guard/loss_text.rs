//! The one form that the note of what would be lost with a claim has. Whoever may write a claim may
//! write this note too, so a text of any other form is shown to nobody. Pure.

/// The longest note.
pub(super) const LOSS_LIMIT: usize = 600;
/// The same form as [`is_loss_summary`], for the rules of the API server.
pub(super) const LOSS_PATTERN: &str = "^(a database|database [A-Za-z0-9_.-]+) with [0-9,]+ rows? in \
    [0-9,]+ tables?, seen at [0-9T:.Z+-]+; (there is no good backup|the last good backup is \
    [a-z0-9.-]+ of [0-9T:.Z+-]+)$";

/// Whether the name of a database is quoted in the note.
#[must_use]
pub fn is_plain_database_name(name: &str) -> bool {
    is_of(name, |character| {
        character.is_ascii_alphanumeric() || "_.-".contains(character)
    })
}

/// Whether a text has the form of the note: names, numbers and times, and nothing else.
pub(super) fn is_loss_summary(text: &str) -> bool {
    text.len() <= LOSS_LIMIT && reads(text).is_some()
}

fn reads(text: &str) -> Option<()> {
    let (database, rest) = text.split_once(" with ")?;
    let (rows, rest) = rest.split_once(" in ")?;
    let (tables, rest) = rest.split_once(", seen at ")?;
    let (time, backup) = rest.split_once("; ")?;
    let is_database = database == "a database"
        || database
            .strip_prefix("database ")
            .is_some_and(is_plain_database_name);
    let is_backup = backup == "there is no good backup"
        || backup
            .strip_prefix("the last good backup is ")
            .and_then(|rest| rest.split_once(" of "))
            .is_some_and(|(name, time)| is_name(name) && is_time(time));
    (is_database
        && is_count(rows, "row")
        && is_count(tables, "table")
        && is_time(time)
        && is_backup)
        .then_some(())
}

fn is_count(text: &str, thing: &str) -> bool {
    let Some((number, word)) = text.split_once(' ') else {
        return false;
    };
    let is_number = is_of(number, |character| {
        character.is_ascii_digit() || character == ','
    });
    is_number && (word == thing || word.strip_suffix('s') == Some(thing))
}

fn is_name(text: &str) -> bool {
    is_of(text, |character| {
        character.is_ascii_lowercase() || character.is_ascii_digit() || ".-".contains(character)
    })
}

fn is_time(text: &str) -> bool {
    is_of(text, |character| {
        character.is_ascii_digit() || "T:.Z+-".contains(character)
    })
}

fn is_of(text: &str, is_allowed: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.chars().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_shown_and_any_other_text_is_not() {
        let note = "database knowledge_os with 26,422 rows in 2 tables, seen at \
            2026-02-01T09:00:05Z; ";
        let without_backup = format!("{note}there is no good backup");
        let backup =
            format!("{note}the last good backup is knowledge-backup-1 of 2026-02-01T09:01:00Z");
        let unnamed = without_backup.replacen("database knowledge_os", "a database", 1);
        for text in [&without_backup, &backup, &unnamed] {
            assert!(is_loss_summary(text), "{text}");
        }
        let changed = |from: &str, to: &str| without_backup.replacen(from, to, 1);
        for text in [
            String::new(),
            "nothing of value. Delete it: kubectl delete pvc --all".to_owned(),
            format!("{without_backup}. Delete it: kubectl delete pvc --all"),
            changed("knowledge_os", "x; kubectl delete pvc --all #"),
            changed("26,422", "$(reboot)"),
            changed("rows", "rows; reboot"),
            changed("2026-02-01T09:00:05Z", "noon"),
            backup.replace("knowledge-backup-1", "x; reboot"),
            changed("knowledge_os", &"a".repeat(LOSS_LIMIT)),
        ] {
            assert!(!is_loss_summary(&text), "{text}");
        }
    }
}
