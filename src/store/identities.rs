//! Private keys of age, which read a set that is encrypted. They are never shown, and in no message.

use std::fmt;
use std::io::{ErrorKind, Read};
use std::path::Path;

use age::x25519::Identity;
use age::{DecryptError, Decryptor};

use super::ObjectEncryption;

/// What the name of an encrypted object ends with.
pub const ENCRYPTED_SUFFIX: &str = ".age";
/// The largest file of private keys that is read, in bytes.
const FILE_LIMIT: u64 = 64 << 10;
/// The most private keys of one file.
const KEY_LIMIT: usize = 64;

/// The private keys of one file, as `age-keygen` writes it.
#[derive(Clone)]
pub struct Identities(Vec<Identity>);

impl fmt::Debug for Identities {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Identities({})", self.0.len())
    }
}

/// Why what was stored can't be read.
#[derive(Debug)]
pub enum Unopened {
    /// It ends before it can be known.
    Cut,
    /// None of the private keys is that of a recipient.
    OtherRecipients,
    /// It is not what it says that it is.
    Odd(String),
}

impl fmt::Display for Unopened {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Cut => "it ends in its first bytes",
            Self::OtherRecipients => "it is encrypted for others than these private keys are of",
            Self::Odd(why) => why,
        })
    }
}

impl From<DecryptError> for Unopened {
    fn from(error: DecryptError) -> Self {
        match error {
            DecryptError::Io(error) if error.kind() == ErrorKind::UnexpectedEof => Self::Cut,
            DecryptError::NoMatchingKeys => Self::OtherRecipients,
            other => Self::Odd(other.to_string()),
        }
    }
}

impl Identities {
    /// Reads a file, or says what is wrong with it, without a word of it.
    pub fn read(file: &Path) -> Result<Self, String> {
        let mut text = String::new();
        let read = std::fs::File::open(file)
            .and_then(|file| file.take(FILE_LIMIT + 1).read_to_string(&mut text));
        match read {
            Ok(_) if text.len() as u64 > FILE_LIMIT => {
                Err("is no file of private keys: it is too large".to_owned())
            }
            Ok(_) => Self::parse(&text),
            Err(error) if error.kind() == ErrorKind::NotFound => Err("does not exist".to_owned()),
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                Err("is no text in UTF-8".to_owned())
            }
            Err(error) => Err(format!("can't be read ({error})")),
        }
    }

    /// Reads the text of such a file: a private key per line, and comments.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut keys = Vec::new();
        for (line, key) in text.lines().enumerate() {
            let key = key.trim();
            if key.is_empty() || key.starts_with('#') {
                continue;
            }
            let parsed = key.parse().map_err(|_| {
                format!("has no private key in line {}: {}", line + 1, kind_of(key))
            })?;
            keys.push(parsed);
            if keys.len() > KEY_LIMIT {
                return Err(format!("has more than {KEY_LIMIT} private keys"));
            }
        }
        if keys.is_empty() {
            return Err("has no private key, a line that begins with AGE-SECRET-KEY-".to_owned());
        }
        Ok(Self(keys))
    }

    /// The public key of each.
    #[must_use]
    pub fn public_keys(&self) -> Vec<String> {
        self.0
            .iter()
            .map(|key| key.to_public().to_string())
            .collect()
    }

    /// Whether one of them is of one of these public keys.
    #[must_use]
    pub fn fits(&self, recipients: &[String]) -> bool {
        self.public_keys()
            .iter()
            .any(|key| recipients.contains(key))
    }
}

/// What a line is instead of a private key.
fn kind_of(line: &str) -> &'static str {
    let lower = line.to_ascii_lowercase();
    if lower.starts_with("age1") {
        "it is a public key; the private one begins with AGE-SECRET-KEY-"
    } else if lower.starts_with("age-plugin-") {
        "keys of plugins are not supported"
    } else if lower.contains("openssh") || lower.starts_with("ssh-") {
        "keys of SSH are not supported"
    } else if lower.starts_with("age-encryption.org") || lower.contains("age encrypted file") {
        "the file is encrypted with a passphrase itself; decrypt it first: age -d"
    } else {
        "write it as age-keygen prints it"
    }
}

/// What was stored, as it was before it was encrypted. Each 64 KiB are authenticated before they come out,
/// and the end is authenticated, too.
pub fn open_stored<'stored>(
    stored: impl Read + 'stored,
    encryption: Option<ObjectEncryption>,
    identities: Option<&Identities>,
) -> Result<Box<dyn Read + 'stored>, Unopened> {
    match encryption {
        None => Ok(Box::new(stored)),
        Some(ObjectEncryption::Age) => {
            let keys = identities.map_or(&[][..], |identities| &identities.0);
            let decryptor = Decryptor::new(stored)?;
            let keys = keys.iter().map(|key| key as &dyn age::Identity);
            Ok(Box::new(decryptor.decrypt(keys)?))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test ends at the first thing that is not as it should be"
    )]

    use std::io::Write as _;

    use age::secrecy::ExposeSecret as _;

    use super::*;

    fn text_of(key: &Identity) -> String {
        key.to_string().expose_secret().to_owned()
    }

    fn encrypted(key: &Identity, bytes: &[u8]) -> Vec<u8> {
        let to = key.to_public();
        let recipients = std::iter::once(&to as &dyn age::Recipient);
        let encryptor = age::Encryptor::with_recipients(recipients).unwrap();
        let mut writer = encryptor.wrap_output(Vec::new()).unwrap();
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    fn opened(stored: &[u8], with: &Identities) -> Result<Vec<u8>, Unopened> {
        let mut bytes = Vec::new();
        open_stored(stored, Some(ObjectEncryption::Age), Some(with))?
            .read_to_end(&mut bytes)
            .map_err(|error| Unopened::Odd(error.to_string()))?;
        Ok(bytes)
    }

    #[test]
    fn a_file_of_age_keygen_is_read_and_anything_else_is_refused_without_a_word_of_it() {
        let (one, other) = (Identity::generate(), Identity::generate());
        let text = format!(
            "# created: 2026-01-01\n# public key: {}\n{}\n\n{}\r\n",
            one.to_public(),
            text_of(&one),
            text_of(&other)
        );
        let read = Identities::parse(&text).unwrap();
        let public = [one.to_public().to_string(), other.to_public().to_string()];
        assert_eq!(read.public_keys(), public);
        assert!(read.fits(&public[1..]) && !read.fits(&[]));
        assert_eq!(format!("{read:?}"), "Identities(2)");
        let mut mistyped = text_of(&one);
        let last = if mistyped.pop() == Some('Q') {
            'P'
        } else {
            'Q'
        };
        mistyped.push(last);
        for (wrong, says) in [
            ("", "AGE-SECRET-KEY-"),
            ("# only words", "AGE-SECRET-KEY-"),
            (public[0].as_str(), "public key"),
            ("AGE-PLUGIN-YUBIKEY-1QYQSZQGPQYQ", "plugins"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----", "SSH"),
            ("age-encryption.org/v1", "passphrase"),
            (mistyped.as_str(), "age-keygen"),
        ] {
            let why = Identities::parse(wrong).unwrap_err();
            assert!(why.contains(says), "{wrong}: {why}");
            assert!(wrong.is_empty() || !why.contains(wrong), "{why}");
        }
        let many = format!("{}\n", text_of(&one)).repeat(KEY_LIMIT + 1);
        assert!(Identities::parse(&many).unwrap_err().contains("more than"));
    }

    #[test]
    fn the_private_key_of_a_recipient_reads_all_of_it_or_nothing_counts() {
        let (one, stranger) = (Identity::generate(), Identity::generate());
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(300_000).collect();
        let stored = encrypted(&one, &bytes);
        let with = |key: &Identity| Identities::parse(&text_of(key)).unwrap();
        assert_eq!(opened(&stored, &with(&one)).unwrap(), bytes);
        assert!(matches!(
            opened(&stored, &with(&stranger)),
            Err(Unopened::OtherRecipients)
        ));
        for length in [0, 10, 100] {
            let cut = opened(&stored[..length], &with(&one));
            assert!(matches!(cut, Err(Unopened::Cut)), "{length}");
        }
        assert!(opened(&stored[..stored.len() - 1], &with(&one)).is_err());
        for at in [0, 30, 90, 200, 1_000, 299_000] {
            let mut changed = stored.clone();
            changed[at] ^= 1;
            assert!(opened(&changed, &with(&one)).is_err(), "{at}");
        }
        let mut plain = String::new();
        let mut reader = open_stored(&b"plain"[..], None, None).unwrap();
        reader.read_to_string(&mut plain).unwrap();
        assert_eq!(plain, "plain");
    }
}
