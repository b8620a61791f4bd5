//! A public key of age, as `spec.backup.encryption.ageRecipients` has it. What is refused is never
//! shown: it may be a private key.

use age::x25519::Recipient;

/// Keys of which no secret comes, each with both values of the bit that is ignored: everybody could
/// read what is encrypted for them.
const WITHOUT_SECRET: [&str; 14] = [
    "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z",
    "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqzqqsuwj9m",
    "age1qyqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqj7vrya",
    "age1qyqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqzqqk67yly",
    "age1anlllllllllllllllllllllllllllllllllllllllllllllllals4n2t7m",
    "age1anllllllllllllllllllllllllllllllllllllllllllllllllls3hcv9z",
    "age1ahlllllllllllllllllllllllllllllllllllllllllllllllalsn46ayy",
    "age1ahlllllllllllllllllllllllllllllllllllllllllllllllllsh3g6la",
    "age1amlllllllllllllllllllllllllllllllllllllllllllllllalselrwrv",
    "age1amlllllllllllllllllllllllllllllllllllllllllllllllllsam3fc4",
    "age1ur4h5lpmgxu2u9jku0a0r87ydtdqnr0tnsetrlvxvgz3vh6fhqqqzyt4v9",
    "age1ur4h5lpmgxu2u9jku0a0r87ydtdqnr0tnsetrlvxvgz3vh6fhzqqxqejhu",
    "age1t7wft09r2zxzfvwsk92eeql0tvzyghxytqwgapkcyf8dm5ylz9ts6wm9s8",
    "age1t7wft09r2zxzfvwsk92eeql0tvzyghxytqwgapkcyf8dm5ylz8ts72fzt7",
];

/// Reads a public key, or says what is wrong with the text, without a word of it.
pub fn parse_age_recipient(text: &str) -> Result<Recipient, &'static str> {
    let lower = text.to_ascii_lowercase();
    if lower.contains("age-secret-key") {
        return Err(
            "it is a private key, which must be in no spec; write the public key (age1...) there, and \
             make a new pair of keys, because this one has been sent",
        );
    }
    if lower.starts_with("ssh-") {
        return Err(
            "it is a key of SSH, which is not supported; write a key that age-keygen prints (age1...)",
        );
    }
    let recipient: Recipient = text.parse().map_err(|_| {
        "it is not a public key of age; write it as age-keygen prints it, age1 and 58 letters and digits"
    })?;
    // A key has one spelling, which the API server asks for, too.
    if recipient.to_string() != text {
        return Err("it is not written as age-keygen prints it: in small letters, without spaces");
    }
    if WITHOUT_SECRET.contains(&text) {
        return Err("it is a key that everybody can read for; write one that age-keygen prints");
    }
    Ok(recipient)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";

    fn error(text: &str) -> Option<&'static str> {
        parse_age_recipient(text).err()
    }

    #[test]
    fn every_wrong_key_is_refused_for_what_it_is_and_not_shown() {
        insta::assert_debug_snapshot!(
            [
                GOOD,
                "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33",
                "age-secret-key-1gq9778vqxmmjve8sk7j6vt8uj4hdqajuvsfcwcm02d8gewq72pvq2y5j33",
                "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pb",
                "AGE1T7RXYEV2Z3RW82STDLRREPYC39NVN86L5078ZQKF5UASDY86JP6SVPY7PA",
                " age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa",
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN",
                "age1pqexample",
                "hunter2",
                "",
                WITHOUT_SECRET[0],
            ]
            .map(|text| (text, error(text)))
        );
        for text in ["hunter2", "age1hunter2", "AGE-SECRET-KEY-1HUNTER2"] {
            let said = error(text).unwrap_or_default();
            assert!(!said.to_lowercase().contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn each_key_without_a_secret_is_one() {
        for text in WITHOUT_SECRET {
            let Ok(recipient) = text.parse::<Recipient>() else {
                panic!("{text} is a key");
            };
            let encrypted = std::panic::catch_unwind(|| {
                let recipients = [&recipient as &dyn age::Recipient];
                age::Encryptor::with_recipients(recipients.into_iter()).is_ok()
            });
            assert!(encrypted.is_err(), "{text}: age itself panics");
            assert!(error(text).is_some(), "{text}");
        }
    }
}
