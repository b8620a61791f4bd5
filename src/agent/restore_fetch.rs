//! The set as it is in the bucket: nothing is parsed before its bytes are those that were stored.

use std::io::Read as _;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use crate::api::{AgentFailure, reasons};
use crate::postgres::{ContentsEntry, ReadProblem, parse_head};
use crate::store::{
    Identities, MANIFEST_LIMIT, MANIFEST_NAME, Manifest, ManifestObject, ObjectEncryption, S3Store,
    StoreError, StoreErrorKind, Unopened, open_stored,
};
use crate::wording::quoted;

/// Pieces that wait between storage and reader.
const WAITING: usize = 4;
/// The most bytes, as stored, that a table of contents is looked for in.
const CONTENTS_LIMIT: usize = 64 << 20;
/// The most bytes that these may become.
const CONTENTS_RAW_LIMIT: u64 = 1 << 30;
/// So many of them are tried first.
const FIRST_RAW_ATTEMPT: u64 = 1 << 20;
/// So many stored bytes are tried first.
const FIRST_ATTEMPT: usize = 64 << 10;

/// Fetches the manifest. It is parsed only if it is the one that was chosen.
pub async fn fetch_manifest(
    store: &S3Store,
    path: &str,
    sha256: &str,
) -> Result<Manifest, AgentFailure> {
    let key = format!("{path}/{MANIFEST_NAME}");
    let (body, _) = store
        .fetch(&key, MANIFEST_LIMIT)
        .await
        .map_err(|error| explain(error, &key))?;
    if hex::encode(Sha256::digest(&body)) != sha256.to_ascii_lowercase() {
        return Err(changed(&format!(
            "`{key}` is another manifest than the one that was chosen"
        )));
    }
    serde_json::from_slice(&body).map_err(|error| AgentFailure {
        reason: reasons::RESTORE_REFUSED.to_owned(),
        message: format!(
            "the manifest `{key}` can't be read by this version of Holdfast ({}). Nothing was made in the \
             server",
            quoted(&error.to_string(), 200)
        ),
    })
}

/// Reads every object of a set that databases need, or all of them, and compares it with its digest.
pub async fn hash_objects(
    store: &S3Store,
    path: &str,
    manifest: &Manifest,
    with_files: bool,
) -> Result<(), AgentFailure> {
    let all = manifest.objects.iter();
    for object in all.filter(|object| with_files || !manifest.is_of_files(object)) {
        hash_object(store, &format!("{path}/{}", object.name), object).await?;
    }
    Ok(())
}

/// Reads an object, and compares it with its digest.
pub async fn hash_object(
    store: &S3Store,
    key: &str,
    object: &ManifestObject,
) -> Result<(), AgentFailure> {
    let (sender, mut receiver) = mpsc::channel::<Bytes>(WAITING);
    let sending = async move { store.send_object(key, object.size, &sender).await };
    let discard = async { while receiver.recv().await.is_some() {} };
    let (outcome, ()) = tokio::join!(sending, discard);
    let sha256 = outcome.map_err(|error| explain(error, key))?;
    if sha256 != object.sha256 {
        return Err(changed(&format!(
            "`{key}` has other bytes than were stored"
        )));
    }
    Ok(())
}

/// A dump as it is stored, and what reads it.
pub struct StoredDump<'a> {
    pub store: &'a S3Store,
    pub key: String,
    pub object: &'a ManifestObject,
    /// The private keys that read it, if it is encrypted.
    pub identities: Option<&'a Arc<Identities>>,
}

/// The beginning of a dump.
pub struct Front {
    /// Its table of contents; empty if nobody here knows the version of the format.
    pub contents: Vec<ContentsEntry>,
    /// The bytes that it stands in, from the first one on.
    pub bytes: Vec<u8>,
}

/// Reads the table of contents at the beginning of a dump.
pub async fn fetch_front(dump: &StoredDump<'_>) -> Result<Front, AgentFailure> {
    let StoredDump {
        store, key, object, ..
    } = dump;
    let read_front = |stored: &[u8]| {
        let identities = dump.identities.map(Arc::as_ref);
        read_front(stored, object.encryption, identities)
    };
    let (sender, mut receiver) = mpsc::channel::<Bytes>(WAITING);
    let read = async move {
        let (mut stored, mut next) = (Vec::new(), FIRST_ATTEMPT);
        while let Some(piece) = receiver.recv().await {
            stored.extend_from_slice(&piece);
            if stored.len() >= next {
                next = stored.len().saturating_mul(2);
                if let Some(found) = read_front(&stored) {
                    return found;
                }
            }
            if stored.len() > CONTENTS_LIMIT {
                return Err("its table of contents has no end".to_owned());
            }
        }
        read_front(&stored).unwrap_or_else(|| Err("it ends in its table of contents".to_owned()))
    };
    let sending = async {
        let sent = store.send_object(key, object.size, &sender).await;
        drop(sender);
        sent
    };
    let (outcome, front) = tokio::join!(sending, read);
    outcome.map_err(|error| explain(error, key))?;
    front.map_err(|why| AgentFailure {
        reason: reasons::RESTORE_REFUSED.to_owned(),
        message: format!(
            "`{key}` is not a dump that can be restored: {why}. Nothing was made in the server"
        ),
    })
}

/// The beginning, if all of it is among these bytes.
fn read_front(
    stored: &[u8],
    encryption: Option<ObjectEncryption>,
    identities: Option<&Identities>,
) -> Option<Result<Front, String>> {
    // So much of it that little is decompressed in vain, and a crafted one takes no memory.
    let mut limit = FIRST_RAW_ATTEMPT;
    loop {
        let mut raw = Vec::new();
        let opened = match open_stored(stored, encryption, identities) {
            Ok(opened) => opened,
            Err(Unopened::Cut) => return None,
            Err(why) => return Some(Err(why.to_string())),
        };
        let decoder = match zstd::stream::read::Decoder::new(opened) {
            Ok(decoder) => decoder,
            Err(error) => return Some(Err(error.to_string())),
        };
        // It fails where the bytes end; what came before is right.
        let _end = decoder.take(limit).read_to_end(&mut raw);
        let is_cut = raw.len() as u64 >= limit;
        match parse_head(&raw) {
            Ok((head, length)) => {
                raw.truncate(length);
                return Some(Ok(Front {
                    contents: head.entries,
                    bytes: raw,
                }));
            }
            Err(ReadProblem::UnknownVersion(_)) => {
                return Some(Ok(Front {
                    contents: Vec::new(),
                    bytes: Vec::new(),
                }));
            }
            Err(ReadProblem::Odd(what)) => return Some(Err(what)),
            Err(ReadProblem::More) if !is_cut => return None,
            Err(ReadProblem::More) if limit >= CONTENTS_RAW_LIMIT => {
                return Some(Err("its table of contents has no end".to_owned()));
            }
            Err(ReadProblem::More) => limit = limit.saturating_mul(2),
        }
    }
}

/// What an error of the storage means for a set.
pub fn explain(error: StoreError, key: &str) -> AgentFailure {
    match error.kind {
        StoreErrorKind::NotFound => changed(&format!("`{key}` is not in the bucket any more")),
        StoreErrorKind::Damaged | StoreErrorKind::OtherSize | StoreErrorKind::TooLarge => {
            changed(&error.message)
        }
        _ => error.into(),
    }
}

/// The set is not the one that was chosen.
pub fn changed(what: &str) -> AgentFailure {
    AgentFailure {
        reason: reasons::SET_CHANGED.to_owned(),
        message: format!(
            "{what}, so the set is not restored. What is there is unchanged. Restore another set: \
             `kubectl get dbbackup`"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_contents(stored: &[u8]) -> Option<Result<Vec<ContentsEntry>, String>> {
        let front = read_front(stored, None, None)?;
        Some(front.map(|front| front.contents))
    }

    /// A head of version 1.14 with one entry.
    fn head() -> Vec<u8> {
        let mut bytes = b"PGDMP\x01\x0e\x00\x04\x08\x01".to_vec();
        let number = |bytes: &mut Vec<u8>, value: i32| {
            bytes.push(u8::from(value < 0));
            bytes.extend(value.unsigned_abs().to_le_bytes());
        };
        let text = |bytes: &mut Vec<u8>, text: &str| {
            number(bytes, i32::try_from(text.len()).unwrap_or_default());
            bytes.extend(text.as_bytes());
        };
        for _ in 0..8 {
            number(&mut bytes, 0);
        }
        for value in ["shop", "14.9", "14.9"] {
            text(&mut bytes, value);
        }
        for value in [1, 1, 0] {
            number(&mut bytes, value);
        }
        for value in ["0", "0", "t", "TABLE"] {
            text(&mut bytes, value);
        }
        number(&mut bytes, 2);
        for value in [
            "CREATE TABLE t ();",
            "",
            "",
            "public",
            "fast",
            "heap",
            "keeper",
            "false",
        ] {
            text(&mut bytes, value);
        }
        number(&mut bytes, -1);
        bytes.extend([0; 9]);
        bytes
    }

    #[test]
    fn contents_are_read_from_the_front_and_a_crafted_one_is_refused() {
        let head = head();
        let stored = zstd::encode_all([head.clone(), vec![7; 100_000]].concat().as_slice(), 1);
        let stored = stored.unwrap_or_default();
        let entries = read_contents(&stored)
            .and_then(Result::ok)
            .unwrap_or_default();
        let found: Vec<_> = entries
            .iter()
            .map(|entry| {
                (
                    entry.name.as_str(),
                    entry.owner.as_str(),
                    entry.tablespace.as_str(),
                )
            })
            .collect();
        assert_eq!(found, [("t", "keeper", "fast")]);
        assert!(read_contents(&stored[..20]).is_none_or(|found| found.is_err()));
        let (mut seed, mut refused) = (9_usize, 0);
        for _ in 0..3_000 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let (at, value) = ((seed >> 33) % head.len(), (seed >> 20).to_le_bytes()[0]);
            let mut crafted = head.clone();
            crafted[at] = value;
            let crafted = zstd::encode_all(crafted.as_slice(), 1).unwrap_or_default();
            refused += usize::from(read_contents(&crafted).is_none_or(|found| found.is_err()));
            let mut broken = stored.clone();
            let length = broken.len();
            broken[at % length] = value;
            let _any = read_contents(&broken);
        }
        assert!(refused > 300, "{refused}");
    }
}
