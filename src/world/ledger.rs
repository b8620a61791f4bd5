//! The ledger as it was read.

use crate::api::{
    CheckTarget, CheckTrigger, DatabaseCheck, DatabaseCheckSpec, DatabaseCheckStatus,
    DatabaseLedger, MountedVolume,
};

/// The ledger, and what it remembers as good in the shape of the check that found it.
#[derive(Clone, Debug, PartialEq)]
pub struct LedgerFact {
    pub ledger: DatabaseLedger,
    /// The check that it remembers; the object itself may be gone with its namespace.
    pub remembered: Option<DatabaseCheck>,
}

impl LedgerFact {
    /// Whether it remembers a volume of that name.
    #[must_use]
    pub fn remembers(&self, volume: &str) -> bool {
        let status = self.ledger.status.iter();
        let mut volumes = status.flat_map(|status| &status.volumes);
        volumes.any(|remembered| remembered.volume == volume)
    }

    /// Reads what a ledger remembers.
    #[must_use]
    pub fn new(ledger: DatabaseLedger) -> Self {
        let baseline = ledger
            .status
            .as_ref()
            .and_then(|status| status.baseline.as_ref());
        let remembered = baseline.map(|baseline| {
            let target = CheckTarget {
                volumes: with_handles(&ledger, &baseline.volumes),
                ..CheckTarget::default()
            };
            let spec = DatabaseCheckSpec {
                database: ledger.spec.database.clone(),
                trigger: CheckTrigger::Restart,
                target: Some(target),
            };
            let mut check = DatabaseCheck::new(&baseline.check, spec);
            check.metadata.namespace = Some(ledger.spec.namespace.clone());
            // An agent's clock orders nothing, unless an older version noted no other time.
            let created = baseline.created.as_ref().unwrap_or(&baseline.time);
            check.metadata.creation_timestamp = Some(created.clone());
            check.status = Some(DatabaseCheckStatus {
                completion_time: Some(baseline.time.clone()),
                evidence: Some(baseline.evidence.clone()),
                without_login: baseline.without_login.clone(),
                ..DatabaseCheckStatus::default()
            });
            check
        });
        Self { ledger, remembered }
    }
}

/// Volumes with their storage's names, also those that an older version knew no name for: the ledger
/// has the manifest. So the same storage under another volume object is known again.
fn with_handles(ledger: &DatabaseLedger, volumes: &[MountedVolume]) -> Vec<MountedVolume> {
    let remembered = || ledger.status.iter().flat_map(|status| &status.volumes);
    let named = volumes.iter().map(|volume| {
        let known = remembered()
            .find(|known| known.claim == volume.claim && known.volume == volume.volume)
            .filter(|_| volume.volume_handle.is_empty());
        known.map_or_else(
            || volume.clone(),
            |known| MountedVolume {
                volume_handle: known.handle(),
                ..volume.clone()
            },
        )
    });
    named.collect()
}
