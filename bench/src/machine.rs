//! What this machine is, and how much room it has.

use std::fs;
use std::path::Path;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use nix::sys::statvfs::statvfs;

pub const GIBIBYTE: u64 = 1 << 30;
/// What is left free for everybody else.
const SPARE: u64 = 2 * GIBIBYTE;

/// The machine that the figures belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// How many threads run at a time.
    pub cores: usize,
    /// What kind of processor.
    pub processor: String,
    /// Memory in bytes.
    pub memory: u64,
}

impl Machine {
    /// Looks at it.
    pub fn fetch() -> Result<Self> {
        let memory = fs::read_to_string("/proc/meminfo").context("/proc/meminfo can't be read")?;
        let kilobytes = memory.lines().find_map(|line| {
            line.strip_prefix("MemTotal:")?
                .trim()
                .strip_suffix(" kB")?
                .parse::<u64>()
                .ok()
        });
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor = processors.lines().find_map(|line| {
            Some(
                line.strip_prefix("model name")?
                    .split_once(": ")?
                    .1
                    .trim()
                    .to_owned(),
            )
        });
        Ok(Self {
            cores: thread::available_parallelism()?.get(),
            processor: processor.unwrap_or_else(|| "a processor without a name".to_owned()),
            memory: kilobytes.context("/proc/meminfo does not say how much memory there is")?
                * 1024,
        })
    }
}

/// Makes sure that the folder has room for that many bytes.
pub fn ensure_room(folder: &Path, needed: u64) -> Result<()> {
    let system =
        statvfs(folder).with_context(|| format!("{} can't be looked at", folder.display()))?;
    let free = system.blocks_available() * system.fragment_size();
    ensure!(
        free >= needed + SPARE,
        "this takes {} GiB of disk in {}, {} GiB more must stay free, and only {} GiB are. Make \
         room, choose another place by --folder, or fewer rows by --rows",
        needed.div_ceil(GIBIBYTE),
        folder.display(),
        SPARE / GIBIBYTE,
        free / GIBIBYTE
    );
    Ok(())
}
