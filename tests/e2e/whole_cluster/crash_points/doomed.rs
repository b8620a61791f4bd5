//! A client whose process dies at a given write: before the request leaves, or after it was carried
//! out and before the answer is read.

use std::future::pending;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
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

/// Which write of a process is its last.
#[derive(Clone, Copy, Debug)]
pub enum Write {
    /// By its number, from 1.
    Number(usize),
    /// The first one of this method and kind.
    FirstAt(&'static str),
}

/// When a process is to die.
#[derive(Clone, Copy, Debug)]
pub struct Doom {
    pub write: Write,
    pub moment: Moment,
}

/// How a process that is to die lives up to then.
#[derive(Debug)]
pub struct Fate {
    doom: Doom,
    writes: AtomicUsize,
    is_sealed: AtomicBool,
    last_words: Mutex<Option<String>>,
    struck: Notify,
}

impl Fate {
    pub fn new(doom: Doom) -> Arc<Self> {
        Arc::new(Self {
            doom,
            writes: AtomicUsize::new(0),
            is_sealed: AtomicBool::new(false),
            last_words: Mutex::new(None),
            struck: Notify::new(),
        })
    }

    /// Waits for the death; returns the method and the kind of the write at which it came.
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
        ClientBuilder::try_from(config)
            .expect("a client")
            .with_layer(&DoomedLayer(Arc::clone(self)))
            .build()
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
        Doomed {
            inner,
            fate: Arc::clone(&self.0),
        }
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
        let place = place(request.method(), request.uri().path());
        // An event tells of a step and is none: whether it was written changes nothing for the next
        // operator. The guard is tried by a dry run.
        let is_no_write = request.method() == Method::GET
            || ["POST events", "PATCH events", "DELETE protecteddatabases"]
                .contains(&place.as_str());
        if is_no_write {
            return Box::pin(self.inner.call(request));
        }
        let number = self.fate.writes.fetch_add(1, Ordering::SeqCst) + 1;
        let is_last = match self.fate.doom.write {
            Write::Number(last) => number == last,
            Write::FirstAt(last) => place == last,
        };
        // Also what is sent while the last write is under way comes too late.
        let is_late = if is_last {
            self.fate.is_sealed.swap(true, Ordering::SeqCst)
        } else {
            self.fate.is_sealed.load(Ordering::SeqCst)
        };
        if is_late {
            return Box::pin(pending());
        }
        if !is_last {
            return Box::pin(self.inner.call(request));
        }
        if self.fate.doom.moment == Moment::Before {
            self.fate.die(place);
            return Box::pin(pending());
        }
        let (answer, fate) = (self.inner.call(request), Arc::clone(&self.fate));
        Box::pin(async move {
            drop(answer.await);
            fate.die(place);
            pending().await
        })
    }
}

/// Method and kind of a write, without names: `PATCH databasechecks/status`.
fn place(method: &Method, path: &str) -> String {
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
