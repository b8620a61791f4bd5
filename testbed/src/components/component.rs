//! The list of components and what each is called.

use std::fmt;
use std::path::Path;

use super::{
    ConfigurationFile, apiserver, containerd, controller_manager, dns, etcd, kubelet, object_store,
    provisioner, proxy, scheduler,
};
use crate::layout::Layout;
use crate::process::Launch;

/// A part of the cluster that is a process of its own, and can be stopped, killed or frozen on its
/// own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    /// The store of the API server.
    Etcd,
    /// The API server.
    ApiServer,
    /// The built-in controllers: StatefulSets, Jobs, binding of claims, deletion of namespaces.
    ControllerManager,
    /// The scheduler.
    Scheduler,
    /// The container runtime. Containers survive its death.
    Containerd,
    /// The node's agent.
    Kubelet,
    /// The addresses of Services.
    Proxy,
    /// The cluster's DNS.
    Dns,
    /// The S3 server.
    ObjectStore,
    /// The maker of dynamic volumes.
    Provisioner,
}

impl Component {
    /// All of them, in the order they are started.
    pub const ALL: [Self; 10] = [
        Self::Etcd,
        Self::ObjectStore,
        Self::Containerd,
        Self::ApiServer,
        Self::ControllerManager,
        Self::Scheduler,
        Self::Kubelet,
        Self::Proxy,
        Self::Dns,
        Self::Provisioner,
    ];

    /// The name in `status`, of the log and of the pid file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
            Self::Containerd => "containerd",
            Self::Kubelet => "kubelet",
            Self::Proxy => "kube-proxy",
            Self::Dns => "coredns",
            Self::ObjectStore => "versitygw",
            Self::Provisioner => provisioner::NAME,
        }
    }

    /// The files it reads.
    #[must_use]
    pub fn build_configuration(self, layout: &Layout, bin: &Path) -> Vec<ConfigurationFile> {
        match self {
            Self::Containerd => containerd::build_configuration(layout, bin),
            Self::Kubelet => kubelet::build_configuration(layout),
            Self::Dns => dns::build_configuration(layout),
            Self::Provisioner => provisioner::build_configuration(layout),
            Self::Etcd
            | Self::ApiServer
            | Self::ControllerManager
            | Self::Scheduler
            | Self::Proxy
            | Self::ObjectStore => Vec::new(),
        }
    }

    /// How it is started, with the binaries in `bin`.
    #[must_use]
    pub fn build_launch(self, layout: &Layout, bin: &Path) -> Launch {
        let mut launch = match self {
            Self::Etcd => etcd::build_launch(layout),
            Self::ApiServer => apiserver::build_launch(layout),
            Self::ControllerManager => controller_manager::build_launch(layout),
            Self::Scheduler => scheduler::build_launch(layout),
            Self::Containerd => containerd::build_launch(layout),
            Self::Kubelet => kubelet::build_launch(layout),
            Self::Proxy => proxy::build_launch(layout),
            Self::Dns => dns::build_launch(layout),
            Self::ObjectStore => object_store::build_launch(layout),
            Self::Provisioner => return provisioner::build_launch(layout, bin),
        };
        launch.program = bin.join(self.name());
        launch
    }

    /// The TCP port on the node's address or on loopback that answers when it is up, where there is
    /// one.
    #[must_use]
    pub fn port(self) -> Option<(&'static str, u16)> {
        match self {
            Self::Etcd => Some(("127.0.0.1", etcd::PORT)),
            Self::ObjectStore => Some((crate::layout::NODE_ADDRESS, object_store::PORT)),
            Self::Dns => Some((crate::layout::NODE_ADDRESS, 53)),
            Self::ApiServer => Some(("127.0.0.1", crate::layout::API_PORT)),
            Self::Kubelet => Some(("127.0.0.1", kubelet::HEALTH_PORT)),
            Self::ControllerManager
            | Self::Scheduler
            | Self::Containerd
            | Self::Proxy
            | Self::Provisioner => None,
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn every_component_can_be_told_apart_and_started() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::at(folder.path()).unwrap();
        let mut names = std::collections::BTreeSet::new();
        for component in Component::ALL {
            assert!(names.insert(component.name()));
            let program = component.build_launch(&layout, Path::new("/bin")).program;
            let file = program.strip_prefix("/bin").unwrap().to_string_lossy();
            assert!(file.starts_with(component.name()), "{file}");
        }
    }

    #[test]
    fn no_configuration_leaves_a_placeholder_open() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::at(folder.path()).unwrap();
        for component in Component::ALL {
            for (path, text) in component.build_configuration(&layout, Path::new("/bin")) {
                assert!(
                    path.starts_with(layout.state()),
                    "{} is outside the state folder",
                    path.display()
                );
                assert!(!text.trim().is_empty());
            }
        }
    }
}
