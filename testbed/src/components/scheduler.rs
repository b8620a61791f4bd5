//! kube-scheduler.

use crate::layout::Layout;
use crate::process::Launch;

pub fn build_launch(layout: &Layout) -> Launch {
    Launch {
        arguments: vec![
            format!("--kubeconfig={}", layout.kubeconfig("scheduler").display()),
            "--leader-elect=false".to_owned(),
            "--profiling=false".to_owned(),
        ],
        ..Launch::default()
    }
}
