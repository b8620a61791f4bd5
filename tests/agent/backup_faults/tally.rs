//! What happened, by the kind of fault.

use std::collections::BTreeMap;
use std::fmt;

use super::fault::{Kind, PlannedFault};

/// What became of one backup to which something happened, and of the one after it.
#[derive(Debug, Default)]
pub struct Round {
    pub end: End,
    /// Where it happened.
    pub place: String,
    /// What the backup left behind, and the next one ended or a reader passes over.
    pub uploads: usize,
    pub objects: usize,
}

/// How the backup ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// There is a whole set.
    Complete,
    /// It says so itself.
    Failed,
    /// It could say nothing, and there is no manifest.
    #[default]
    Killed,
    /// It was killed after its manifest: there is a whole set.
    KilledComplete,
}

impl fmt::Display for Round {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = match self.end {
            End::Complete => "complete",
            End::Failed => "failed",
            End::Killed => "no set",
            End::KilledComplete => "killed after its manifest",
        };
        write!(to, "{}: {end}", self.place)?;
        if self.uploads + self.objects > 0 {
            write!(
                to,
                "; {} uploads and {} objects were left",
                self.uploads, self.objects
            )?;
        }
        Ok(())
    }
}

/// All rounds so far.
#[derive(Debug, Default)]
pub struct Tally(BTreeMap<Kind, Row>);

#[derive(Debug, Default)]
struct Row {
    faults: usize,
    complete: usize,
    failed: usize,
    none: usize,
    uploads: usize,
    objects: usize,
}

impl Tally {
    pub fn add(&mut self, fault: &PlannedFault, round: &Round) {
        let row = self.0.entry(fault.kind).or_default();
        row.faults += 1;
        match round.end {
            End::Complete | End::KilledComplete => row.complete += 1,
            End::Failed => row.failed += 1,
            End::Killed => row.none += 1,
        }
        row.uploads += round.uploads;
        row.objects += round.objects;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |what: &dyn fmt::Display, numbers: [&dyn fmt::Display; 6]| {
            write!(to, "{what:<26}")?;
            for number in numbers {
                write!(to, "{number:>10}")?;
            }
            writeln!(to)
        };
        line(
            &"",
            [
                &"faults",
                &"whole set",
                &"failed",
                &"killed",
                &"uploads",
                &"objects",
            ],
        )?;
        let mut all = Row::default();
        for (kind, row) in &self.0 {
            line(
                kind,
                [
                    &row.faults,
                    &row.complete,
                    &row.failed,
                    &row.none,
                    &row.uploads,
                    &row.objects,
                ],
            )?;
            all.faults += row.faults;
            all.complete += row.complete;
            all.failed += row.failed;
            all.none += row.none;
            all.uploads += row.uploads;
            all.objects += row.objects;
        }
        line(
            &"all",
            [
                &all.faults,
                &all.complete,
                &all.failed,
                &all.none,
                &all.uploads,
                &all.objects,
            ],
        )?;
        write!(
            to,
            "uploads: left unfinished, and aborted by the next backup; objects: left without a manifest, \
             and no set to any reader"
        )
    }
}
