//! What enforces network policies, for a test that asks for it: the policy controller of kube-router, which
//! sets rules of iptables in the testbed's network. Pods are routed to each other, so every packet passes
//! those rules.

use std::fs::File;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};

use crate::layout::{NODE_NAME, SERVICE_NETWORK};
use crate::testbed::Testbed;
use crate::{network, tools, versions};

const PACKAGE: &str = "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router";
/// What takes its rules away: nothing else has any in the table for filters, or a set.
const CLEANUP: [&[&str]; 3] = [
    &["iptables", "--flush"],
    &["iptables", "--delete-chain"],
    &["ipset", "destroy"],
];

/// The controller; when it is dropped, it ends and everything is permitted again.
#[derive(Debug)]
pub struct PolicyEnforcer<'a> {
    testbed: &'a Testbed,
    child: Child,
}

impl Testbed {
    /// Starts to enforce network policies. The first rules are there some seconds later.
    pub fn enforce_network_policies(&self) -> Result<PolicyEnforcer<'_>> {
        let program = tools::build_on_its_own(self.cache(), PACKAGE, versions::KUBE_ROUTER)?;
        let log = self.layout().logs().join("kube-router.log");
        let log = File::create(&log).with_context(|| format!("{} can't be made", log.display()))?;
        let kubeconfig = self.layout().kubeconfig("admin");
        let child = self
            .command(program)?
            .args([
                "--run-firewall=true",
                "--run-router=false",
                "--run-service-proxy=false",
                "--run-loadbalancer=false",
                "--enable-ipv6=false",
                "--metrics-port=0",
                "--health-port=0",
            ])
            .arg(format!("--kubeconfig={}", kubeconfig.display()))
            .arg(format!("--hostname-override={NODE_NAME}"))
            .arg(format!("--service-cluster-ip-range={SERVICE_NETWORK}"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("kube-router can't be started")?;
        Ok(PolicyEnforcer {
            testbed: self,
            child,
        })
    }
}

impl Drop for PolicyEnforcer<'_> {
    fn drop(&mut self) {
        // One that has ended by itself has said why in its log, and the test waits in vain.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for words in CLEANUP {
            let mut command: Command = network::command(self.testbed.layout(), words[0]);
            let _ = command.args(&words[1..]).status();
        }
    }
}
