//! Words of the commands that are shown: people paste them into a shell, and some come from objects
//! that anybody may have written. Pure.

/// A word that a shell takes for exactly this text.
pub(super) fn word(text: &str) -> String {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "-_./:=,@%+".contains(character);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_runs_anything() {
        assert_eq!(word("pvc-3fa29287"), "pvc-3fa29287");
        assert_eq!(word("/var/lib/postgresql/data"), "/var/lib/postgresql/data");
        assert_eq!(word("x; rm -rf ~"), "'x; rm -rf ~'");
        assert_eq!(word("$(id)'`id`"), r"'$(id)'\''`id`'");
        assert_eq!(word(""), "''");
    }
}
