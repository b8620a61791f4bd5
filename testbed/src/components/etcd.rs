//! etcd: the store of the API server, without fsync, because a crash of the machine loses the
//! cluster anyway.

use crate::layout::Layout;
use crate::process::Launch;

/// Where clients reach it.
pub const PORT: u16 = 2379;

pub fn build_launch(layout: &Layout) -> Launch {
    let client = format!("http://127.0.0.1:{PORT}");
    Launch {
        arguments: vec![
            format!("--data-dir={}", layout.state().join("etcd").display()),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            "--listen-peer-urls=http://127.0.0.1:2380".to_owned(),
            "--unsafe-no-fsync".to_owned(),
            // Fewer commits: nothing outlives a start, so nothing is lost with the last second.
            "--backend-batch-interval=1s".to_owned(),
            "--auto-compaction-retention=10m".to_owned(),
        ],
        ..Launch::default()
    }
}
