//! kube-apiserver, with the admission plugins every cluster has, Pod Security among them.

use super::etcd;
use crate::layout::{API_PORT, Layout, NODE_ADDRESS, SERVICE_NETWORK};
use crate::process::Launch;

pub fn build_launch(layout: &Layout) -> Launch {
    let pki = layout.pki();
    let file = |flag: &str, name: &str| format!("--{flag}={}", pki.join(name).display());
    Launch {
        arguments: vec![
            format!("--etcd-servers=http://127.0.0.1:{}", etcd::PORT),
            format!("--secure-port={API_PORT}"),
            format!("--advertise-address={NODE_ADDRESS}"),
            format!("--service-cluster-ip-range={SERVICE_NETWORK}"),
            file("client-ca-file", "ca.crt"),
            file("tls-cert-file", "apiserver.crt"),
            file("tls-private-key-file", "apiserver.key"),
            file("kubelet-client-certificate", "apiserver-kubelet.crt"),
            file("kubelet-client-key", "apiserver-kubelet.key"),
            file("kubelet-certificate-authority", "ca.crt"),
            // The node's name is in no DNS the API server could ask.
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            file("service-account-key-file", "service-accounts.pub"),
            file("service-account-signing-key-file", "service-accounts.key"),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--enable-admission-plugins=NodeRestriction".to_owned(),
            "--allow-privileged=true".to_owned(),
            "--profiling=false".to_owned(),
        ],
        ..Launch::default()
    }
}
