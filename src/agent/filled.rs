//! What was read and dumped for a set, before anything of it appears in the bucket, and what its rows
//! say.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::postgres::{ArchiveSummary, DatabaseDescription, ObservedIdentity, Overview, Tally};
use crate::store::{ManifestDirectory, RolePasswords, S3Store, Upload};

use super::dump_stream::Frame;
use super::set_order::SetOrder;
use super::set_verdict::{
    DumpedDatabase, KnownGood, SetVerdict, build_dump_evidence, dumped_rows, judge_set,
};

/// What is known of an object's final key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Nothing of it is there.
    #[default]
    Empty,
    /// The last request was sent and has no answer: whoever is stopped now does not know.
    Unknown,
    /// It is there.
    Stored,
}

/// An object in flight and what is known of it.
pub struct InFlight {
    pub name: String,
    pub upload: Upload<S3Store>,
    pub raw_size: u64,
    /// What is known of its final key.
    pub place: Place,
    pub frames: Vec<Frame>,
}

/// A database that was dumped.
pub struct FilledDatabase {
    /// Name of its object.
    pub object: String,
    pub snapshot_time: Time,
    pub dumped: DumpedDatabase,
    pub archive: ArchiveSummary,
    pub description: DatabaseDescription,
    pub warnings: Vec<String>,
}

/// What was read and dumped before anything appeared in the bucket.
pub struct Filled {
    pub observed: ObservedIdentity,
    pub cluster_digest: Option<String>,
    /// Public keys that it is encrypted for.
    pub recipients: Vec<String>,
    /// Whether the roles have the hashes of their passwords, if it is encrypted.
    pub role_passwords: Option<RolePasswords>,
    pub databases: Vec<FilledDatabase>,
    pub databases_left_out: Vec<String>,
    /// Directories of claims, archived after the databases.
    pub directories: Vec<ManifestDirectory>,
    pub suspicions: Vec<String>,
    pub judged: JudgedSet,
    pub dump_time: Duration,
    pub globals_time: Duration,
    pub files_time: Duration,
}

/// What the rows of a set say, compared with what was known to be good.
pub struct JudgedSet {
    pub verdict: SetVerdict,
    /// Name of the check that they were compared with.
    pub compared_with: Option<String>,
    /// Why the data was not verified when the set was begun, if it was not.
    pub unverified: Option<String>,
}

/// Compares the rows of a set with what was known to be good.
pub fn judge(
    order: &SetOrder<'_>,
    overview: &Overview,
    filled: &[FilledDatabase],
    known: Result<KnownGood, String>,
) -> JudgedSet {
    let known = match known {
        Ok(known) => known,
        Err(why) => {
            return JudgedSet {
                verdict: SetVerdict {
                    why: Some(format!(
                        "the rows of the dump could not be compared with the last good check: {why}"
                    )),
                    findings: Vec::new(),
                },
                compared_with: None,
                unverified: None,
            };
        }
    };
    let unlisted = filled
        .iter()
        .find_map(|database| database.dumped.list.as_ref().err());
    let counted: Vec<(&DumpedDatabase, Tally)> = filled
        .iter()
        .map(|database| {
            let rows = dumped_rows(&database.dumped, &database.archive);
            (&database.dumped, Tally::of_rows(rows))
        })
        .collect();
    let evidence = build_dump_evidence(&overview.observed, &overview.databases, &counted, &known);
    let verdict = judge_set(
        &order.request.namespace,
        &order.request.database,
        &order.backup,
        &known,
        &evidence,
        unlisted.map(String::as_str),
    );
    JudgedSet {
        verdict,
        compared_with: known.baseline.map(|(name, _)| name),
        unverified: known.unverified,
    }
}
