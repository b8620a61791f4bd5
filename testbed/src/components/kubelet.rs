//! kubelet: real pods, in a cgroup of this checkout's own.

use super::ConfigurationFile;
use crate::layout::{Layout, NODE_ADDRESS, NODE_NAME, POD_NETWORK};
use crate::process::Launch;

/// Where it says that it is well.
pub const HEALTH_PORT: u16 = 10248;

pub fn build_configuration(layout: &Layout) -> Vec<ConfigurationFile> {
    let (pki, state) = (layout.pki(), layout.state());
    let (pki, state) = (pki.display(), state.display());
    let socket = layout.containerd_socket();
    // Nothing is evicted and no image removed because the machine's disk is nearly full: that is
    // the person's business.
    let text = format!(
        r#"apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
failSwapOn: false
cgroupDriver: cgroupfs
cgroupRoot: /{cgroup}
containerRuntimeEndpoint: unix://{socket}
podLogsDir: {state}/pod-logs
podCIDR: {POD_NETWORK}
maxPods: 200
healthzPort: {HEALTH_PORT}
authentication:
  anonymous: {{enabled: false}}
  webhook: {{enabled: true}}
  x509: {{clientCAFile: {pki}/ca.crt}}
authorization: {{mode: Webhook}}
tlsCertFile: {pki}/kubelet.crt
tlsPrivateKeyFile: {pki}/kubelet.key
clusterDomain: cluster.local
clusterDNS: [{NODE_ADDRESS}]
resolvConf: ""
makeIPTablesUtilChains: false
volumeStatsAggPeriod: -1s
imageGCHighThresholdPercent: 100
evictionHard:
  imagefs.available: 0%
  imagefs.inodesFree: 0%
  memory.available: 0%
  nodefs.available: 0%
  nodefs.inodesFree: 0%
"#,
        cgroup = layout.machine_name(),
        socket = socket.display(),
    );
    vec![(layout.configuration().join("kubelet.yaml"), text)]
}

pub fn build_launch(layout: &Layout) -> Launch {
    Launch {
        arguments: vec![
            format!(
                "--config={}",
                layout.configuration().join("kubelet.yaml").display()
            ),
            format!("--kubeconfig={}", layout.kubeconfig("node").display()),
            format!("--root-dir={}", layout.state().join("kubelet").display()),
            format!("--hostname-override={NODE_NAME}"),
            format!("--node-ip={NODE_ADDRESS}"),
            // Nobody reads how much each container uses.
            "--housekeeping-interval=60s".to_owned(),
            "--global-housekeeping-interval=10m".to_owned(),
        ],
        ..Launch::default()
    }
}
