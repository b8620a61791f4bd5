//! Reads the tables of contents of the dumps of a set, before anything is made.

use std::time::Instant as Clock;

use crate::api::{AgentFailure, RestorePhase};
use crate::postgres::ContentsEntry;
use crate::store::Manifest;

use super::restore_chosen::{ChosenTables, choose};
use super::restore_context::{Restoring, seconds};
use super::restore_fetch::{fetch_front, hash_objects};
use super::restore_order::RestoreWatcher;
use super::restore_said::refused;

impl<W: RestoreWatcher> Restoring<'_, W> {
    /// Reads and compares every object of a set, and the tables of contents of its dumps.
    pub async fn fetch_all_contents(
        &self,
        manifest: &Manifest,
        with_files: bool,
    ) -> Result<Vec<Vec<ContentsEntry>>, AgentFailure> {
        let begun = Clock::now();
        self.note(|report| {
            report.phase = Some(RestorePhase::Hashing);
            report.message = Some("every object of the set is read and compared".to_owned());
        });
        hash_objects(&self.store, &self.order.request.path, manifest, with_files).await?;
        let mut contents = Vec::new();
        for database in &manifest.databases {
            let dump = self.dump_of(manifest, database)?;
            contents.push(fetch_front(&dump).await?.contents);
        }
        self.note(|report| report.hash_seconds = seconds(begun));
        self.add_time(|times| &mut times.download_seconds, begun);
        Ok(contents)
    }

    /// Chooses what the tables need that the request names.
    pub async fn choose_tables(&self, manifest: &Manifest) -> Result<ChosenTables, AgentFailure> {
        self.read_identities(manifest)
            .map_err(|why| refused(&[why]))?;
        let contents = self.fetch_all_contents(manifest, false).await?;
        choose(manifest, &contents, &self.order.request.tables)
            .map_err(|problems| refused(&problems))
    }
}
