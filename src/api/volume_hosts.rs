//! The hosts that lead to storage, in the one form in which they are noted. Pure.

/// Hosts without their ports, in the order of the alphabet.
pub(super) fn hosts(addresses: &[String]) -> String {
    let without_port = |address: &String| {
        let address = address.trim();
        let is_bracketed = address.ends_with(']');
        match address.rsplit_once(':') {
            // More colons without brackets are an address of IPv6.
            Some((host, port))
                if !is_bracketed
                    && port.bytes().all(|byte| byte.is_ascii_digit())
                    && (host.ends_with(']') || !host.contains(':')) =>
            {
                host.to_owned()
            }
            _ => address.to_owned(),
        }
    };
    sorted(addresses.iter().map(without_port).collect())
}

/// Names without regard to case, in the order of the alphabet.
pub(super) fn sorted(mut names: Vec<String>) -> String {
    for name in &mut names {
        *name = name.to_lowercase();
    }
    names.sort_unstable();
    names.dedup();
    names.join(",")
}
