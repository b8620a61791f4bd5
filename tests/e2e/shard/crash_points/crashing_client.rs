//! A client whose process dies at a given write: before the request leaves, or after it was carried
//! out and before the answer is read.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::http::{Method, Request, Response};
use kube::Client;
use kube::client::{Body, ClientBuilder};
use tokio::sync::Notify;
use tower::{Layer, Service};

/// When, in the life of a write, the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Before the request is sent: it never happened.
    Before,
    /// After the request was carried out, before its answer is known.
    After,
}

/// When a process is to die.
#[derive(Clone, Copy, Debug)]
pub struct CrashPoint {
    /// The first write of this method and kind.
    pub write: &'static str,
    /// Before it or after it.
    pub moment: Moment,
}

/// A process that is to die at a point, up to then.
#[derive(Debug)]
pub struct Crash {
    point: CrashPoint,
    is_sealed: AtomicBool,
    has_happened: AtomicBool,
    happened: Notify,
}

impl Crash {
    pub fn at(point: CrashPoint) -> Arc<Self> {
        Arc::new(Self {
            point,
            is_sealed: AtomicBool::new(false),
            has_happened: AtomicBool::new(false),
            happened: Notify::new(),
        })
    }

    /// Waits for the crash.
    pub async fn wait(&self) {
        loop {
            let happened = self.happened.notified();
            if self.has_happened() {
                return;
            }
            happened.await;
        }
    }

    /// A client that nothing leaves after the crash.
    pub fn build_client(self: &Arc<Self>, config: kube::Config) -> Client {
        ClientBuilder::try_from(config)
            .expect("a client")
            .with_layer(&CrashingLayer(Arc::clone(self)))
            .build()
    }

    fn has_happened(&self) -> bool {
        self.has_happened.load(Ordering::SeqCst)
    }

    fn happen(&self) {
        self.has_happened.store(true, Ordering::SeqCst);
        self.happened.notify_waiters();
    }
}

struct CrashingLayer(Arc<Crash>);

impl<S> Layer<S> for CrashingLayer {
    type Service = Crashing<S>;

    fn layer(&self, inner: S) -> Crashing<S> {
        Crashing {
            inner,
            crash: Arc::clone(&self.0),
        }
    }
}

struct Crashing<S> {
    inner: S,
    crash: Arc<Crash>,
}

impl<S, B> Service<Request<Body>> for Crashing<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if self.crash.has_happened() {
            return Box::pin(pending());
        }
        if request.method() == Method::GET {
            return Box::pin(self.inner.call(request));
        }
        let write = name_write(request.method(), request.uri().path());
        // An event tells of a step and is none: whether it was written changes nothing for the next
        // operator. The guard is tried by a dry run.
        let is_no_write =
            ["POST events", "PATCH events", "DELETE protecteddatabases"].contains(&write.as_str());
        if is_no_write {
            return Box::pin(self.inner.call(request));
        }
        let is_last = write == self.crash.point.write;
        // Also what is sent while the last write is under way comes too late.
        let is_late = if is_last {
            self.crash.is_sealed.swap(true, Ordering::SeqCst)
        } else {
            self.crash.is_sealed.load(Ordering::SeqCst)
        };
        if is_late {
            return Box::pin(pending());
        }
        if !is_last {
            return Box::pin(self.inner.call(request));
        }
        if self.crash.point.moment == Moment::Before {
            self.crash.happen();
            return Box::pin(pending());
        }
        let (answer, crash) = (self.inner.call(request), Arc::clone(&self.crash));
        Box::pin(async move {
            drop(answer.await);
            crash.happen();
            pending().await
        })
    }
}

/// Method and kind of a write, without names: `PATCH databasechecks/status`.
fn name_write(method: &Method, path: &str) -> String {
    let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    parts.drain(..if parts[0] == "api" { 2 } else { 3 });
    if parts[0] == "namespaces" && parts.len() > 2 {
        parts.drain(..2);
    }
    let subresource = parts
        .get(2)
        .map(|subresource| format!("/{subresource}"))
        .unwrap_or_default();
    format!("{method} {}{subresource}", parts[0])
}
