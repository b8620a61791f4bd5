//! A client whose process dies at a given write: before the request leaves, or after it was carried out and before the answer is read.

use std::future::pending;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::http::{Method, Request, Response};
use kube::Client;
use kube::client::{Body, ClientBuilder};
use tokio::sync::Notify;
use tower::{Layer, Service};

/// When, in the life of a write, the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before the request is sent: it never happened.
    Before,
    /// After the request was carried out, before its answer is known.
    After,
}

/// When a process dies.
#[derive(Debug)]
pub struct Fate {
    write: usize,
    moment: Moment,
    writes: AtomicUsize,
    last_words: Mutex<Option<String>>,
    struck: Notify,
}

impl Fate {
    /// Death at a write, counted from 1.
    pub fn new(write: usize, moment: Moment) -> Arc<Self> {
        Arc::new(Self { write, moment, writes: AtomicUsize::new(0), last_words: Mutex::new(None), struck: Notify::new() })
    }

    /// Waits for the death; returns the write at which it came, as method and path.
    pub async fn strike(&self) -> String {
        loop {
            let struck = self.struck.notified();
            if let Some(words) = self.last_words() {
                return words;
            }
            struck.await;
        }
    }

    /// A client that nothing leaves after the death.
    pub fn build_client(self: &Arc<Self>, config: kube::Config) -> Client {
        ClientBuilder::try_from(config).expect("a client").with_layer(&DoomedLayer(Arc::clone(self))).build()
    }

    fn last_words(&self) -> Option<String> {
        self.last_words.lock().expect("last words").clone()
    }

    fn die(&self, words: String) {
        *self.last_words.lock().expect("last words") = Some(words);
        self.struck.notify_waiters();
    }
}

struct DoomedLayer(Arc<Fate>);

impl<S> Layer<S> for DoomedLayer {
    type Service = Doomed<S>;

    fn layer(&self, inner: S) -> Doomed<S> {
        Doomed { inner, fate: Arc::clone(&self.0) }
    }
}

struct Doomed<S> {
    inner: S,
    fate: Arc<Fate>,
}

impl<S, B> Service<Request<Body>> for Doomed<S>
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
        if self.fate.last_words().is_some() {
            return Box::pin(pending());
        }
        // An event tells of a step and is none: whether it was written changes nothing for the next operator.
        if request.method() == Method::GET || request.uri().path().starts_with("/apis/events.k8s.io/") {
            return Box::pin(self.inner.call(request));
        }
        let number = self.fate.writes.fetch_add(1, Ordering::SeqCst) + 1;
        if number < self.fate.write {
            return Box::pin(self.inner.call(request));
        }
        if number > self.fate.write {
            return Box::pin(pending());
        }
        let words = format!("{} {}", request.method(), request.uri().path());
        if self.fate.moment == Moment::Before {
            self.fate.die(words);
            return Box::pin(pending());
        }
        let (answer, fate) = (self.inner.call(request), Arc::clone(&self.fate));
        Box::pin(async move {
            drop(answer.await);
            fate.die(words);
            pending().await
        })
    }
}
