//! The proxy itself: a thread that takes connections on a loopback port until it is dropped.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use http::header::{CONTENT_LENGTH, ETAG, HeaderValue, TRANSFER_ENCODING};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::dialect::Memory;
use super::{Dialect, Fault, Operation, Seen};

/// Decides what happens to a request.
type Decide = Box<dyn Fn(&Seen) -> Fault + Send + Sync>;

/// A running proxy.
pub struct StorageProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    server: SocketAddr,
    dialect: Dialect,
    memory: Memory,
    decide: Decide,
    counts: Mutex<HashMap<Operation, usize>>,
    seen: Mutex<Vec<Seen>>,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// The connection is cut.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the connection is cut")
    }
}

impl std::error::Error for Cut {}

impl StorageProxy {
    /// Starts a proxy before `server` that follows a dialect; `decide` says what happens to each request before the dialect does.
    pub fn start_with(
        server: SocketAddr,
        dialect: Dialect,
        decide: impl Fn(&Seen) -> Fault + Send + Sync + 'static,
    ) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("no runtime for the storage's proxy")?;
        // By the standard library: the caller may be asynchronous itself.
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))
            .context("no port for the storage's proxy")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            server,
            dialect,
            memory: Memory::default(),
            decide: Box::new(decide),
            counts: Mutex::default(),
            seen: Mutex::default(),
            client: Client::builder(TokioExecutor::new()).build_http(),
        });
        let (stop, stopped) = oneshot::channel();
        let of_thread = shared.clone();
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = serve(listener, of_thread) => {}
                }
            });
        });
        Ok(Self {
            address,
            shared,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests of one operation so far.
    #[must_use]
    pub fn seen(&self, operation: Operation) -> Vec<Seen> {
        let seen = self.shared.seen.lock();
        let seen = seen.unwrap_or_else(PoisonError::into_inner);
        let of_operation = seen.iter().filter(|seen| seen.operation == operation);
        of_operation.cloned().collect()
    }
}

impl Drop for StorageProxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

async fn serve(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    loop {
        let Ok((connection, _)) = listener.accept().await else {
            return;
        };
        let shared = shared.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let shared = shared.clone();
                async move { shared.answer(request).await }
            });
            // A connection that is cut ends with an error.
            let _ended = http1::Builder::new()
                .serve_connection(TokioIo::new(connection), service)
                .await;
        });
    }
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Cut> {
        let seen = self.note(&request);
        let is_head = request.method() == Method::HEAD;
        let fault = match (self.decide)(&seen) {
            // The server that the dialect is of never sees it.
            unseen @ (Fault::Refuse(_) | Fault::CutBefore | Fault::Stall) => unseen,
            fault => match self.dialect.judge(&self.memory, &seen) {
                Fault::None => fault,
                refused => refused,
            },
        };
        match fault {
            Fault::None => self.pass_on(request).await,
            Fault::Refuse(refusal) => {
                // Taken first: an answer before the end of a body may cut it off.
                request.into_body().collect().await.map_err(|_| Cut)?;
                Ok(refusal.build(is_head))
            }
            Fault::AnswerAfter(refusal) => {
                self.pass_on(request).await?;
                Ok(refusal.build(is_head))
            }
            Fault::CutBefore => Err(Cut),
            Fault::CutAfter => {
                self.pass_on(request).await?;
                Err(Cut)
            }
            Fault::Slow(rate) => {
                let (head, body) = request.into_parts();
                let body = take_slowly(body, rate).await?;
                self.send(Request::from_parts(head, body)).await
            }
            Fault::Stall => std::future::pending().await,
            Fault::Late(time) => {
                tokio::time::sleep(time).await;
                self.pass_on(request).await
            }
            Fault::Without(name) => {
                let mut request = request;
                request.headers_mut().remove(name);
                self.pass_on(request).await
            }
            Fault::Damage => {
                let (head, body) = request.into_parts();
                let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
                let mut body = body.to_vec();
                if let Some(byte) = body.first_mut() {
                    *byte ^= 1;
                }
                self.send(Request::from_parts(head, body.into())).await
            }
            Fault::OtherTag(tag) => {
                let mut answer = self.pass_on(request).await?;
                let tag = HeaderValue::from_static(tag);
                answer.headers_mut().insert(ETAG, tag);
                Ok(answer)
            }
        }
    }

    fn note(&self, request: &Request<Incoming>) -> Seen {
        let operation = Operation::of(request.method(), request.uri());
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(operation).or_default();
        let length = request.headers().get(CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        let seen = Seen {
            operation,
            before: *count,
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            length: length.unwrap_or_default(),
        };
        *count += 1;
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(seen.clone());
        seen
    }

    async fn pass_on(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Cut> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        self.send(Request::from_parts(head, body)).await
    }

    /// Sends a request as it was signed: with the name of the proxy as the host.
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Full<Bytes>>, Cut> {
        let (mut head, body) = request.into_parts();
        let path = head.uri.path_and_query();
        let path = path.map_or("/", http::uri::PathAndQuery::as_str);
        head.uri = format!("http://{}{path}", self.server)
            .parse()
            .map_err(|_| Cut)?;
        let request = Request::from_parts(head, Full::new(body));
        let answer = self.client.request(request).await.map_err(|_| Cut)?;
        let (mut head, body) = answer.into_parts();
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        // The body is whole here; the answer to a `HEAD` keeps the length of what it is about.
        head.headers.remove(TRANSFER_ENCODING);
        Ok(Response::from_parts(head, Full::new(body)))
    }
}

async fn take_slowly(mut body: Incoming, rate: u32) -> Result<Bytes, Cut> {
    let mut taken = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Cut)?.into_data() else {
            continue;
        };
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        tokio::time::sleep(Duration::from_secs(1) * length / rate.max(1)).await;
        taken.extend_from_slice(&data);
    }
    Ok(taken.into())
}
