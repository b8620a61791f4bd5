//! Which endpoints no storage has: addresses of the node, where credentials are given away, and the API
//! server. Pure.

use std::net::{IpAddr, Ipv4Addr};

/// The host of an endpoint, in lower case; none if it is no URL of a server.
#[must_use]
pub fn host_of_endpoint(endpoint: &str) -> Option<String> {
    let rest = endpoint
        .strip_prefix("https://")
        .or_else(|| endpoint.strip_prefix("http://"))?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let is_odd = |character: char| {
        character.is_whitespace() || matches!(character, '/' | '?' | '#' | '@' | '\\')
    };
    if rest.is_empty() || rest.contains(is_odd) {
        return None;
    }
    let host = match rest.strip_prefix('[') {
        Some(address) => address.split_once(']')?.0,
        None => rest.split(':').next()?,
    };
    Some(host.trim_end_matches('.').to_lowercase()).filter(|host| !host.is_empty())
}

/// Whether a host is the metadata service of a node, or the API server by its name.
#[must_use]
pub fn is_host_of_node_or_cluster(host: &str) -> bool {
    const NAMES: &[&str] = &["metadata", "metadata.google.internal", "kubernetes"];
    let is_service = host == "kubernetes.default"
        || host == "kubernetes.default.svc"
        || host.starts_with("kubernetes.default.svc.");
    let is_address = match host.parse() {
        Ok(address) => is_address_of_node(address),
        Err(_) => is_odd_address(host),
    };
    NAMES.contains(&host) || is_service || is_address
}

/// Whether a host is an address in a form that only some resolvers read: one number, octal or
/// hexadecimal.
fn is_odd_address(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = |part: &str| {
        part.bytes().all(|byte| byte.is_ascii_digit())
            || part
                .strip_prefix("0x")
                .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    is_number(last) && host.parse::<Ipv4Addr>().is_err()
}

/// Whether an address is one of those by which a node serves its own pods, link-local ones.
#[must_use]
pub fn is_address_of_node(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => {
            let is_mapped = |address: Ipv4Addr| address.is_link_local();
            address.is_unicast_link_local()
                || address.to_ipv4_mapped().is_some_and(is_mapped)
                || address.segments()[..2] == [0xfd00, 0x0ec2]
        }
    }
}
