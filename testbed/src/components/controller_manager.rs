//! kube-controller-manager: each controller acts under its own service account, as on real
//! clusters.

use crate::layout::Layout;
use crate::process::Launch;

pub fn build_launch(layout: &Layout) -> Launch {
    let pki = layout.pki();
    Launch {
        arguments: vec![
            format!(
                "--kubeconfig={}",
                layout.kubeconfig("controller-manager").display()
            ),
            "--leader-elect=false".to_owned(),
            "--use-service-account-credentials".to_owned(),
            format!(
                "--service-account-private-key-file={}",
                pki.join("service-accounts.key").display()
            ),
            format!("--root-ca-file={}", pki.join("ca.crt").display()),
            "--kube-api-qps=200".to_owned(),
            "--kube-api-burst=400".to_owned(),
            "--profiling=false".to_owned(),
        ],
        ..Launch::default()
    }
}
