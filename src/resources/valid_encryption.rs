//! Whom backups are encrypted for, as the spec says it. Pure.

use super::spec_error::SpecError;
use crate::api::{Encryption, parse_age_recipient};

/// As many as the definition's schema lets pass.
const RECIPIENT_LIMIT: usize = 16;

/// The public keys, each once, or every one that can't be used. None is shown: it may be a private key.
pub(super) fn read_recipients(
    parent: &str,
    encryption: &Encryption,
) -> Result<Vec<String>, Vec<SpecError>> {
    let field = format!("{parent}.ageRecipients");
    let asked = &encryption.age_recipients;
    let refused = |message: String| SpecError {
        field: field.clone(),
        message,
    };
    if asked.is_empty() {
        return Err(vec![refused(
            "there is no recipient, so no backup is taken: nothing is uploaded unencrypted. Write a \
             public key that age-keygen prints (age1...), or remove spec.backup.encryption"
                .to_owned(),
        )]);
    }
    if asked.len() > RECIPIENT_LIMIT {
        return Err(vec![refused(format!(
            "there are more than {RECIPIENT_LIMIT} recipients"
        ))]);
    }
    let mut recipients: Vec<String> = Vec::new();
    let mut errors = Vec::new();
    for (position, text) in asked.iter().enumerate() {
        match parse_age_recipient(text) {
            Ok(_) if recipients.contains(text) => {}
            Ok(_) => recipients.push(text.clone()),
            Err(why) => errors.push(SpecError {
                field: format!("{field}[{position}]"),
                message: format!("{why}. Until it is corrected no backup is taken"),
            }),
        }
    }
    if errors.is_empty() {
        Ok(recipients)
    } else {
        Err(errors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
    const OTHER: &str = "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg";
    const PRIVATE: &str =
        "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";

    fn read(keys: &[&str]) -> Result<Vec<String>, Vec<String>> {
        let encryption = Encryption {
            age_recipients: keys.iter().map(|key| (*key).to_owned()).collect(),
        };
        read_recipients("spec.backup.encryption", &encryption)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn recipients_are_kept_in_their_order_and_once() {
        let found = read(&[OTHER, ONE, OTHER]);
        assert_eq!(found, Ok(vec![OTHER.to_owned(), ONE.to_owned()]));
    }

    #[test]
    fn one_wrong_key_refuses_all_and_no_key_is_shown() {
        let wrong = read(&[ONE, PRIVATE, "age1wrong", ONE]);
        let seventeen = read(&[ONE; 17]);
        let shown = format!("{wrong:?}{seventeen:?}").to_lowercase();
        for key in [&PRIVATE.to_lowercase()[15..], "age1wrong"] {
            assert!(!shown.contains(key), "{shown}");
        }
        insta::assert_debug_snapshot!((wrong, read(&[]), seventeen));
    }
}
