//! How much memory a process and those that it has started have at most.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use tokio::time::sleep;

/// How often it is looked at: the kernel keeps the peak of each process.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// The peaks of a process and its descendants, of each while it was seen.
#[derive(Default)]
pub struct Peaks(BTreeMap<u32, u64>);

impl Peaks {
    /// Looks for as long as this is polled.
    pub async fn watch(&mut self, root: u32) -> std::convert::Infallible {
        loop {
            self.look(root);
            sleep(BETWEEN_LOOKS).await;
        }
    }

    /// All of them together, in bytes.
    pub fn sum(&self) -> u64 {
        self.0.values().sum()
    }

    fn look(&mut self, process: u32) {
        if let Some(peak) = peak_of(process) {
            let known = self.0.entry(process).or_default();
            *known = peak.max(*known);
        }
        let threads = fs::read_dir(format!("/proc/{process}/task"));
        for thread in threads.into_iter().flatten().flatten() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            for child in children.split_whitespace().filter_map(|id| id.parse().ok()) {
                self.look(child);
            }
        }
    }
}

/// The most memory that a process has had, in bytes.
pub fn peak_of(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}
