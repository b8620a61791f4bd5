//! Keeps this process, and everything that it starts, from every network: by a filter of the kernel that
//! nobody can remove again. Only sockets of the machine itself are left.

use std::collections::BTreeMap;

use anyhow::Context as _;
use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter_all_threads,
};

/// On x86-64 each call has a second number with this bit, which kernels with the x32 ABI take.
const X32: i64 = 0x4000_0000;

/// Refuses every socket that is not of the family `AF_UNIX`, to all threads of this process and to all
/// processes that they start. It also gives up every privilege that a program could give.
pub fn forbid_network() -> anyhow::Result<()> {
    let filter = build_filter().context("the filter against networks could not be built")?;
    apply_filter_all_threads(&filter).context(
        "the kernel did not take the filter that keeps the restored code from every network, so nothing is \
         restored. It needs seccomp (CONFIG_SECCOMP_FILTER)",
    )
}

/// Programs of another architecture are ended: their calls have other numbers.
fn build_filter() -> Result<BpfProgram, seccompiler::BackendError> {
    let is_of_a_network = || {
        let family = SeccompCondition::new(
            0,
            SeccompCmpArgLen::Dword,
            SeccompCmpOp::Ne,
            libc::AF_UNIX.unsigned_abs().into(),
        )?;
        SeccompRule::new(vec![family])
    };
    let mut rules = BTreeMap::from([
        (libc::SYS_socket, vec![is_of_a_network()?]),
        (libc::SYS_socketpair, vec![is_of_a_network()?]),
        // It can make sockets without a call of its own for each.
        (libc::SYS_io_uring_setup, Vec::new()),
    ]);
    if cfg!(target_arch = "x86_64") {
        let numbers: Vec<i64> = rules.keys().copied().collect();
        rules.extend(numbers.into_iter().map(|number| (number | X32, Vec::new())));
    }
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let architecture = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::Allow, refused, architecture)?.try_into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "a test")]

    use std::net::UdpSocket;
    use std::os::unix::net::UnixDatagram;

    use super::*;

    /// In a thread of its own: the filter can't be removed again.
    #[test]
    fn only_sockets_of_the_machine_are_left() {
        let found = std::thread::spawn(|| {
            let before = UdpSocket::bind("127.0.0.1:0").is_ok();
            let filter = build_filter().expect("a filter");
            seccompiler::apply_filter(&filter).expect("the kernel takes it");
            let refused = UdpSocket::bind("127.0.0.1:0").map_err(|error| error.kind());
            (before, refused.err(), UnixDatagram::pair().is_ok())
        });
        assert_eq!(
            found.join().ok(),
            Some((true, Some(std::io::ErrorKind::PermissionDenied), true))
        );
    }
}
