//! A port of the loopback address for a server that starts later: nobody else gets it meanwhile.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use anyhow::{Context as _, Result, bail};

/// Below the ports that the kernel gives to clients and to those who ask for any port: one of those
/// is free when it is chosen, and somebody else's a second later.
/// <https://docs.kernel.org/networking/ip-sysctl.html>, `ip_local_port_range`.
const PORTS: std::ops::Range<u16> = 20_000..30_000;
/// A file for each port that is taken; locked while it is.
const FOLDER: &str = "/tmp/holdfast-ports";

/// A port that is kept for whoever holds this value, among all processes that take theirs here.
#[derive(Debug)]
pub struct ReservedPort {
    number: u16,
    _lock: File,
}

impl ReservedPort {
    /// Takes a port on which nobody listens.
    pub fn take() -> Result<Self> {
        std::fs::create_dir_all(FOLDER).with_context(|| format!("{FOLDER} can't be made"))?;
        let count = u32::from(PORTS.end - PORTS.start);
        let first = std::process::id() % count;
        for step in 0..count {
            let number = u16::try_from((first + step) % count).map(|place| PORTS.start + place)?;
            let path = Path::new(FOLDER).join(number.to_string());
            let lock = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path)
                .with_context(|| format!("{} can't be opened", path.display()))?;
            if lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Ok(Self {
                    number,
                    _lock: lock,
                });
            }
        }
        bail!("each port from {} to {} is taken", PORTS.start, PORTS.end)
    }

    /// Its number.
    #[must_use]
    pub const fn number(&self) -> u16 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_taken_once() -> Result<()> {
        let (one, other) = (ReservedPort::take()?, ReservedPort::take()?);
        assert_ne!(one.number(), other.number());
        Ok(())
    }
}
