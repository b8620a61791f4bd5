//! What it takes to restore the databases of a set, and one of them.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::api::RestoreTarget;
use crate::postgres::{ContentsEntry, DigestKey, Writer};
use crate::store::ManifestDatabase;

use super::DumpPrograms;
use super::restore_database::NewDatabase;
use super::restore_decode::Decoding;
use super::restore_errors::Said;
use super::restore_fetch::StoredDump;
use super::restore_server::Plan;
use super::restore_server_facts::ServerFacts;

/// What it takes to restore the databases of a set.
pub struct Tools<'a> {
    pub plan: Plan<'a>,
    pub writer: &'a Writer,
    pub facts: &'a ServerFacts,
    /// What the disk can hold, in bytes, if that is known.
    pub capacity: Option<u64>,
    pub programs: &'a DumpPrograms,
}

/// One database of a set, and how it is restored by the program.
pub struct OneDatabase<'a> {
    pub tools: &'a Tools<'a>,
    pub database: &'a ManifestDatabase,
    pub new: &'a NewDatabase<'a>,
    pub contents: &'a [ContentsEntry],
    pub dump: StoredDump<'a>,
    pub key_of_digests: DigestKey,
    /// Bytes of the dump that were decompressed so far.
    pub restored: Arc<AtomicU64>,
}

impl OneDatabase<'_> {
    /// A drill that passes has proven all of a set.
    pub fn forgives(&self) -> bool {
        self.tools.plan.into != RestoreTarget::Scratch
    }

    /// What is listened for in what the program says.
    pub fn said(&self) -> Said {
        if self.forgives() {
            Said::new(self.contents)
        } else {
            Said::default()
        }
    }

    /// How its dump is read.
    pub fn decoding(&self, head: Option<Vec<u8>>) -> Decoding {
        Decoding {
            key_of_digests: self.key_of_digests,
            restored: self.restored.clone(),
            head,
        }
    }

    /// The numbers of the entries that are restored; none for all of them.
    pub fn chosen(&self) -> Option<Vec<i64>> {
        let all = || self.contents.iter().map(|entry| entry.dump_id).collect();
        self.tools.plan.tables.is_some().then(all)
    }
}
