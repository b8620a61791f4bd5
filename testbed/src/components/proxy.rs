//! kube-proxy, which makes Services reachable by nftables rules inside the network namespace.

use crate::layout::{Layout, NODE_NAME, POD_NETWORK};
use crate::process::Launch;

pub fn build_launch(layout: &Layout) -> Launch {
    Launch {
        arguments: vec![
            format!("--kubeconfig={}", layout.kubeconfig("proxy").display()),
            "--proxy-mode=nftables".to_owned(),
            format!("--cluster-cidr={POD_NETWORK}"),
            format!("--hostname-override={NODE_NAME}"),
            // The size of the connection table belongs to the machine: a network namespace can't
            // set it.
            "--conntrack-max-per-core=0".to_owned(),
            "--conntrack-min=0".to_owned(),
        ],
        ..Launch::default()
    }
}
