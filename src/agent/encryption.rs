//! Encryption of a set's objects with age: for whom, and how compressed bytes become encrypted ones
//! while they stream. No more than two pieces are held.

use std::io::{Error, ErrorKind, Write};

use age::Encryptor;
use age::stream::StreamWriter;
use age::x25519::Recipient;
use tokio::sync::mpsc;

use crate::api::{AgentFailure, parse_age_recipient, reasons};
use crate::store::ENCRYPTED_SUFFIX;

/// Who can read a set; nobody in particular if it is not encrypted.
#[derive(Clone, Debug, Default)]
pub struct Recipients(Vec<Recipient>);

impl Recipients {
    /// Reads every public key. One that can't be used refuses all of them, and is not shown.
    pub fn read(texts: &[String]) -> Result<Self, AgentFailure> {
        let read = texts.iter().enumerate().map(|(position, text)| {
            parse_age_recipient(text).map_err(|why| AgentFailure {
                reason: reasons::INVALID_SPEC.to_owned(),
                message: format!(
                    "nothing was dumped, because spec.backup.encryption.ageRecipients[{position}] \
                     can't be used: {why}"
                ),
            })
        });
        read.collect::<Result<_, _>>().map(Self)
    }

    /// Whether the set is encrypted.
    #[must_use]
    pub const fn is_encrypted(&self) -> bool {
        !self.0.is_empty()
    }

    /// How an object is called.
    #[must_use]
    pub fn name_object(&self, name: &str) -> String {
        let suffix = if self.is_encrypted() {
            ENCRYPTED_SUFFIX
        } else {
            ""
        };
        format!("{name}{suffix}")
    }

    /// The public keys.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}

/// Where compressed bytes go.
pub enum Sink<'sender> {
    /// As they are.
    Plain(&'sender mpsc::Sender<Vec<u8>>),
    /// Encrypted.
    Age(Box<StreamWriter<Pieces<'sender>>>),
}

impl<'sender> Sink<'sender> {
    /// Begins an object. `piece` is how many bytes are passed on at a time.
    pub fn begin(
        recipients: &Recipients,
        sender: &'sender mpsc::Sender<Vec<u8>>,
        piece: usize,
    ) -> Result<Self, Error> {
        if !recipients.is_encrypted() {
            return Ok(Self::Plain(sender));
        }
        let recipients = recipients.0.iter();
        let encryptor = Encryptor::with_recipients(
            recipients.map(|recipient| recipient as &dyn age::Recipient),
        )
        .map_err(Error::other)?;
        let pieces = Pieces {
            sender,
            waiting: Vec::new(),
            piece,
        };
        Ok(Self::Age(Box::new(encryptor.wrap_output(pieces)?)))
    }

    /// Takes the next bytes. A broken pipe is an upload that has ended.
    pub fn take(&mut self, bytes: Vec<u8>) -> Result<(), Error> {
        match self {
            Self::Plain(sender) => pass_on(sender, bytes),
            Self::Age(writer) => writer.write_all(&bytes),
        }
    }

    /// Ends the object: what age has not got the end of can't be read.
    pub fn finish(self) -> Result<(), Error> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Age(writer) => writer.finish()?.flush(),
        }
    }
}

/// Collects the encrypted bytes of an object into pieces and passes them on.
pub struct Pieces<'sender> {
    sender: &'sender mpsc::Sender<Vec<u8>>,
    waiting: Vec<u8>,
    piece: usize,
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= self.piece {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Error> {
        pass_on(self.sender, std::mem::take(&mut self.waiting))
    }
}

fn pass_on(sender: &mpsc::Sender<Vec<u8>>, bytes: Vec<u8>) -> Result<(), Error> {
    sender
        .blocking_send(bytes)
        .map_err(|_| Error::from(ErrorKind::BrokenPipe))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test ends at the first thing that is not as it should be"
    )]

    use std::io::Read;

    use age::x25519::Identity;

    use super::*;

    fn recipients(of: &[&Identity]) -> Recipients {
        let texts: Vec<String> = of.iter().map(|one| one.to_public().to_string()).collect();
        Recipients::read(&texts).unwrap()
    }

    fn sent(recipients: &Recipients, bytes: &[u8]) -> Vec<Vec<u8>> {
        let (sender, mut receiver) = mpsc::channel(100_000);
        let mut sink = Sink::begin(recipients, &sender, 1 << 20).unwrap();
        for piece in bytes.chunks(100_000) {
            sink.take(piece.to_vec()).unwrap();
        }
        sink.finish().unwrap();
        std::iter::from_fn(|| receiver.try_recv().ok()).collect()
    }

    fn decrypted(stored: &[u8], with: &Identity) -> Option<Vec<u8>> {
        let decryptor = age::Decryptor::new(stored).ok()?;
        let mut reader = decryptor
            .decrypt(std::iter::once(with as &dyn age::Identity))
            .ok()?;
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    #[test]
    fn each_recipient_reads_all_of_it_and_nobody_else_does() {
        let (one, other, stranger) = (
            Identity::generate(),
            Identity::generate(),
            Identity::generate(),
        );
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(3_000_000).collect();
        let stored = sent(&recipients(&[&one, &other]), &bytes).concat();
        assert_eq!(decrypted(&stored, &one).as_ref(), Some(&bytes));
        assert_eq!(decrypted(&stored, &other).as_ref(), Some(&bytes));
        assert_eq!(decrypted(&stored, &stranger), None);
        let cut = &stored[..stored.len() - 1];
        assert_eq!(decrypted(cut, &one), None, "an end is an end");
    }

    #[test]
    fn no_piece_is_much_larger_than_asked_for() {
        let one = Identity::generate();
        let pieces = sent(&recipients(&[&one]), &vec![7; 10 << 20]);
        assert!(pieces.len() > 8);
        let largest = pieces.iter().map(Vec::len).max();
        assert!(largest < Some((1 << 20) + (128 << 10)), "{largest:?}");
    }

    #[test]
    fn without_recipients_nothing_changes() {
        let none = Recipients::default();
        assert_eq!(sent(&none, b"plain").concat(), b"plain");
        assert_eq!(none.name_object("globals.sql.zst"), "globals.sql.zst");
    }

    #[test]
    fn a_wrong_key_refuses_all_and_is_not_shown() {
        let good = Identity::generate().to_public().to_string();
        let failure = Recipients::read(&[good, "age1hunter2".to_owned()]).unwrap_err();
        assert_eq!(failure.reason, reasons::INVALID_SPEC);
        assert!(
            failure.message.contains("ageRecipients[1]") && !failure.message.contains("hunter2"),
            "{}",
            failure.message
        );
    }
}
