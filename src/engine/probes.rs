//! Health, readiness and metrics over HTTP, on a thread and a runtime of their own, so that busy
//! passes can't starve them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;

use super::metrics::Metrics;

/// Serves `/healthz`, `/readyz` and `/metrics` on `address` from a thread of its own. `/readyz`
/// answers 200 once `ready` is set.
///
/// # Errors
/// The address could not be bound, or no thread be started.
pub fn serve(address: SocketAddr, metrics: Metrics, ready: Arc<AtomicBool>) -> std::io::Result<()> {
    let listener = std::net::TcpListener::bind(address)?;
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
