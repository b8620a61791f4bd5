//! A dump as it comes from the bucket: decrypted, decompressed, looked at and hashed on its way. Nothing lands on
//! a disk.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::api::AgentFailure;
use crate::postgres::{ArchiveParser, ArchivePart, ArchiveSummary, DigestKey};
use crate::store::{PieceReader, open_stored};

use super::restore_fetch::{StoredDump, changed, explain};

/// Pieces that wait between two stages.
pub const WAITING: usize = 4;
/// Bytes that are decompressed at a time.
const PIECE: usize = 256 << 10;

/// Why a dump could not be decompressed completely.
#[derive(Debug)]
pub enum Broken {
    /// Nobody wants more of it.
    Abandoned,
    /// It is not what the manifest says.
    Odd(String),
}

/// Who gets a dump, piece by piece.
pub trait Outlet: Send + 'static {
    /// Sees what the next piece is.
    fn see(&mut self, part: ArchivePart<'_>);

    /// Passes a piece on, after all of it was seen.
    fn take(&mut self, piece: Vec<u8>) -> Result<(), Broken>;
}

/// How a dump is read.
pub struct Decoding {
    pub key_of_digests: DigestKey,
    /// Bytes that were decompressed so far.
    pub restored: Arc<AtomicU64>,
    /// The head and table of contents by which something else is restored, if there is such.
    pub head: Option<Vec<u8>>,
}

/// Fetches a dump and gives all of it to `outlet`. Returns what it held; none if nobody wanted all of it.
pub async fn fetch_decoded(
    dump: &StoredDump<'_>,
    decoding: Decoding,
    outlet: impl Outlet,
) -> Result<Option<ArchiveSummary>, AgentFailure> {
    let StoredDump {
        store, key, object, ..
    } = dump;
    let (stored_sender, stored) = mpsc::channel::<Bytes>(WAITING);
    let (raw_size, encryption) = (object.raw_size, object.encryption);
    let identities = dump.identities.cloned();
    let worker = tokio::task::spawn_blocking(move || {
        let stored = open_stored(PieceReader::new(stored), encryption, identities.as_deref());
        let stored = stored.map_err(|why| Broken::Odd(why.to_string()))?;
        decode(stored, &decoding, outlet, raw_size)
    });
    let fetched = store.send_object(key, object.size, &stored_sender).await;
    drop(stored_sender);
    let outcome = worker
        .await
        .unwrap_or_else(|error| Err(Broken::Odd(error.to_string())));
    if matches!(outcome, Err(Broken::Abandoned)) {
        return Ok(None);
    }
    let sha256 = fetched.map_err(|error| explain(error, key))?;
    match outcome {
        Err(Broken::Odd(what)) => Err(changed(&format!(
            "`{key}` is not the dump that was stored ({what})"
        ))),
        Ok(dumped) if sha256 == object.sha256 => Ok(Some(dumped)),
        _ => Err(changed(&format!(
            "`{key}` had other bytes while it was restored than when it was hashed"
        ))),
    }
}

/// Decompresses what was decrypted, and makes sure that it is a whole archive of the size that the
/// manifest says.
fn decode(
    stored: impl Read,
    decoding: &Decoding,
    mut outlet: impl Outlet,
    raw_size: u64,
) -> Result<ArchiveSummary, Broken> {
    let odd = |error: io::Error| Broken::Odd(error.to_string());
    let mut parser = ArchiveParser::in_any_order(decoding.key_of_digests);
    let mut decoder = zstd::stream::read::Decoder::new(stored).map_err(odd)?;
    let (mut length, mut head) = (0, SeenHead::default());
    loop {
        let mut piece = vec![0; PIECE];
        let read = decoder.read(&mut piece).map_err(odd)?;
        if read == 0 {
            break;
        }
        piece.truncate(read);
        length += read as u64;
        if length > raw_size {
            return Err(Broken::Odd(format!("it has more than {raw_size} bytes")));
        }
        parser
            .push_and_see(&piece, &mut |part| {
                head.see(part, decoding);
                outlet.see(part);
            })
            .map_err(|error| Broken::Odd(error.to_string()))?;
        parser.take_block_begins();
        head.ensure_same()?;
        outlet.take(piece)?;
        decoding.restored.fetch_add(read as u64, Ordering::Relaxed);
    }
    if length != raw_size {
        return Err(Broken::Odd(format!(
            "it has {length} bytes instead of {raw_size}"
        )));
    }
    // A short dump may show its table of contents only here.
    let summary = parser.finish_and_see(&mut |part| {
        head.see(part, decoding);
        outlet.see(part);
    });
    let summary = summary.map_err(|error| Broken::Odd(error.to_string()))?;
    head.ensure_same()?;
    if decoding.head.is_some() && !head.has_come {
        return Err(Broken::Odd("it has no table of contents".to_owned()));
    }
    outlet.take(Vec::new())?;
    Ok(summary)
}

/// What was seen of the head and table of contents.
#[derive(Default)]
struct SeenHead {
    has_come: bool,
    is_other: bool,
}

impl SeenHead {
    fn see(&mut self, part: ArchivePart<'_>, decoding: &Decoding) {
        if let ArchivePart::Head { bytes, .. } = part {
            self.has_come = true;
            let known = decoding.head.as_deref();
            self.is_other = known.is_some_and(|head| head != bytes);
        }
    }

    /// Nothing is restored by the table of contents of another dump.
    fn ensure_same(&self) -> Result<(), Broken> {
        if self.is_other {
            return Err(Broken::Odd("it has another table of contents".to_owned()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// Keeps nothing.
    struct Discard;

    impl Outlet for Discard {
        fn see(&mut self, _: ArchivePart<'_>) {}

        fn take(&mut self, _: Vec<u8>) -> Result<(), Broken> {
            Ok(())
        }
    }

    fn decode_with(archive: &[u8], head: Option<Vec<u8>>) -> Result<ArchiveSummary, Broken> {
        let stored = zstd::encode_all(archive, 1).unwrap();
        let decoding = Decoding {
            key_of_digests: [7; 32],
            restored: Arc::default(),
            head,
        };
        decode(stored.as_slice(), &decoding, Discard, archive.len() as u64)
    }

    /// Short enough that its end is what completes the table of contents.
    #[test]
    fn a_dump_with_another_table_of_contents_than_the_one_that_was_restored_is_odd() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/archives");
        let archive = std::fs::read(format!("{directory}/version-1.14.pgc")).unwrap();
        let (_, length) = crate::postgres::parse_head(&archive).unwrap();
        let head = archive[..length].to_vec();
        decode_with(&archive, None).unwrap();
        decode_with(&archive, Some(head.clone())).unwrap();
        let mut other = head;
        *other.last_mut().unwrap() ^= 1;
        let refused = decode_with(&archive, Some(other));
        assert!(matches!(refused, Err(Broken::Odd(what)) if what.contains("table of contents")));
    }
}
