//! Health, readiness and metrics over HTTP, on a thread and a runtime of their own, so that busy
//! passes can't starve them.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;

use super::metrics::Metrics;

/// "Address family not supported by protocol": the kernel has no IPv6. `ErrorKind` has no name for it.
const EAFNOSUPPORT: i32 = 97;

/// Serves `/healthz`, `/readyz` and `/metrics` on `address` from a thread of its own. `/readyz`
/// answers 200 once `ready` is set.
///
/// # Errors
/// The address could not be bound, or no thread be started.
pub fn serve(address: SocketAddr, metrics: Metrics, ready: Arc<AtomicBool>) -> std::io::Result<()> {
    let listener = listen(address)?;
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let readiness = move || async move {
        if ready.load(Ordering::Relaxed) {
            (StatusCode::OK, "ready\n")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "starting\n")
        }
    };
    let exposition = move || async move {
        metrics
            .encode()
            .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
    };
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readiness))
        .route("/metrics", get(exposition));
    std::thread::Builder::new()
        .name("probes".to_owned())
        .spawn(move || {
            runtime.block_on(async move {
                let result = match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => axum::serve(listener, router).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = result {
                    tracing::error!(%error, "probes and metrics are not served any more");
                }
            });
        })?;
    Ok(())
}

/// Listens on an address. Where it is all of IPv6 and the kernel has no IPv6, on all of IPv4.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).or_else(|error| match without_ipv6(address, &error) {
        Some(address) => TcpListener::bind(address),
        None => Err(error),
    })
}

/// All of IPv4 in place of all of IPv6, if that is what is missing.
fn without_ipv6(address: SocketAddr, error: &std::io::Error) -> Option<SocketAddr> {
    let is_missing =
        error.kind() == ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(EAFNOSUPPORT);
    let is_everything = address.ip() == Ipv6Addr::UNSPECIFIED;
    (is_missing && is_everything).then(|| (Ipv4Addr::UNSPECIFIED, address.port()).into())
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test that can't go on should say where"
    )]

    use std::net::TcpStream;

    use super::*;

    #[test]
    fn one_listener_is_reached_over_ipv4_also_without_ipv6() {
        let listener = listen("[::]:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        if listener.local_addr().unwrap().is_ipv6() {
            TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
        }
    }

    #[test]
    fn only_a_missing_ipv6_leads_to_ipv4() {
        let missing = std::io::Error::from_raw_os_error(EAFNOSUPPORT);
        let taken = std::io::Error::from(ErrorKind::AddrInUse);
        let (all, one) = (
            "[::]:8080".parse().unwrap(),
            "[fd00::1]:8080".parse().unwrap(),
        );
        assert_eq!(without_ipv6(all, &missing), "0.0.0.0:8080".parse().ok());
        assert_eq!(without_ipv6(all, &taken), None);
        assert_eq!(without_ipv6(one, &missing), None);
    }
}
