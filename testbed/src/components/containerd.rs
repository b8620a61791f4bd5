//! containerd, its CRI settings and the pods' network.

use std::path::Path;

use super::ConfigurationFile;
use crate::images::PAUSE_IMAGE;
use crate::layout::{Layout, POD_NETWORK};
use crate::process::Launch;

pub fn build_configuration(layout: &Layout, bin: &Path) -> Vec<ConfigurationFile> {
    let state = layout.state();
    let (root, cni, runtime) = (
        state.join("containerd"),
        state.join("cni"),
        layout.runtime(),
    );
    let (root, cni, runtime, bin) = (
        root.display(),
        cni.display(),
        runtime.display(),
        bin.display(),
    );
    // restrict_oom_score_adj: a machine without CAP_SYS_RESOURCE can't lower the score, and runc
    // would die trying.
    let daemon = format!(
        r#"version = 3
root = "{root}"
state = "{runtime}/containerd"

[grpc]
  address = "{runtime}/containerd.sock"

# Nothing outlives a start, so nothing is lost with what was not synced.
[plugins."io.containerd.metadata.v1.bolt"]
  no_sync = true

# Nobody reads its statistics.
[plugins."io.containerd.monitor.task.v1.cgroups"]
  no_prometheus = true

[plugins."io.containerd.cri.v1.images"]
  stats_collect_period = 3600

[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "{PAUSE_IMAGE}"

[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  stats_collect_period = "1h"
  netns_mounts_under_state_dir = true

  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["/usr/lib/cni"]
    conf_dir = "{cni}"

  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"

    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      SystemdCgroup = false
      BinaryName = "{bin}/runc"
"#
    );
    // Point-to-point links and not a bridge: traffic between pods is routed, so that Services work
    // without br_netfilter.
    let pods = format!(
        r#"{{
  "cniVersion": "1.0.0",
  "name": "pods",
  "plugins": [
    {{
      "type": "ptp",
      "ipam": {{
        "type": "host-local",
        "ranges": [[{{"subnet": "{POD_NETWORK}"}}]],
        "routes": [{{"dst": "0.0.0.0/0"}}],
        "dataDir": "{cni}/addresses"
      }}
    }},
    {{"type": "portmap", "capabilities": {{"portMappings": true}}}}
  ]
}}
"#
    );
    vec![
        (layout.configuration().join("containerd.toml"), daemon),
        (state.join("cni/10-pods.conflist"), pods),
    ]
}

pub fn build_launch(layout: &Layout) -> Launch {
    Launch {
        arguments: vec![format!(
            "--config={}",
            layout.configuration().join("containerd.toml").display()
        )],
        ..Launch::default()
    }
}

/// A containerd without containers: it only unpacks images into `root`, which a cluster's
/// containerd then starts from. Returns the configuration and where its socket is, both in the
/// folder `work`.
#[must_use]
pub fn build_image_store_launch(bin: &Path, root: &Path, work: &Path) -> (String, Launch) {
    let configuration = format!(
        r#"version = 3
root = "{root}"
state = "{work}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime", "io.containerd.cri.v1.images", "io.containerd.nri.v1.nri"]

[grpc]
  address = "{work}/containerd.sock"
"#,
        root = root.display(),
        work = work.display()
    );
    let launch = Launch {
        program: bin.join("containerd"),
        arguments: vec![format!(
            "--config={}",
            work.join("containerd.toml").display()
        )],
        ..Launch::default()
    };
    (configuration, launch)
}
