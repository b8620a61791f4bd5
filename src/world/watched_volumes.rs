//! The index of the cluster's volumes, as the watch and all passes share it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::volume_index::VolumeIndex;
use super::{Backoff, RepairPause};

/// How long the first passes wait for the list of volumes. Later ones say that it is not known.
const LIST_TAKES: Duration = Duration::from_secs(10);

/// The index, and whether the first list of volumes has ended.
#[derive(Debug)]
pub struct WatchedVolumes {
    index: Mutex<VolumeIndex>,
    is_complete: watch::Sender<bool>,
    /// The volumes of others that were set to Retain.
    retained: Mutex<Backoff>,
    /// Until when a pass waits for the list.
    patient_until: Instant,
}

impl Default for WatchedVolumes {
    fn default() -> Self {
        Self {
            index: Mutex::default(),
            retained: Mutex::default(),
            is_complete: watch::Sender::new(false),
            patient_until: Instant::now() + LIST_TAKES,
        }
    }
}

impl WatchedVolumes {
    /// The index itself; hold it for a moment only.
    pub fn index(&self) -> MutexGuard<'_, VolumeIndex> {
        locked(&self.index)
    }

    /// Notes that a volume of others was set to Retain.
    pub fn note_retained(&self, name: &str) {
        let _ = locked(&self.retained).note(name, std::time::Instant::now());
    }

    /// How long it is not set to Retain again, because something takes that back again and again.
    pub(super) fn retain_pause(&self, name: &str) -> Option<RepairPause> {
        locked(&self.retained).pause(name, std::time::Instant::now())
    }

    /// Ends a list of all volumes. Returns the databases that what is gone concerned.
    pub fn end_list(&self) -> Vec<String> {
        let concerned = self.index().end_list();
        self.is_complete.send_replace(true);
        concerned.into_iter().collect()
    }

    /// Takes a whole list at once.
    #[cfg(test)]
    pub fn replace(&self, volumes: &[k8s_openapi::api::core::v1::PersistentVolume]) {
        self.index().begin_list();
        for volume in volumes {
            self.index().note(volume);
        }
        self.end_list();
    }

    /// Waits until the first list has ended, but not for long: else what depends on it is not known.
    pub async fn wait_for_list(&self) {
        let mut complete = self.is_complete.subscribe();
        let ended = complete.wait_for(|is_complete| *is_complete);
        // A timeout is seen by whoever asks the index.
        let _ = tokio::time::timeout_at(self.patient_until, ended).await;
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
