//! What stands between an operator and the API server in a test: it keeps a record of all writes,
//! and may show an older object, take the preconditions out of writes, or lose a write on its way.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::body::{Body as AnswerBody, Bytes, HttpBody, to_bytes};
use axum::http::{Method, Request, Response, StatusCode};
use futures::FutureExt as _;
use kube::Client;
use kube::client::{Body, ClientBuilder};
use serde_json::Value;
use tower::{BoxError, Layer, Service};

/// A write of the operator.
#[derive(Clone, Debug)]
pub struct Write {
    /// Its path.
    pub path: String,
    /// Its body.
    pub body: String,
    /// What the API server answered.
    pub answer: StatusCode,
}

/// What is done to reads and writes, and what the writes were.
#[derive(Debug, Default)]
pub struct Between {
    /// What is read at a path, by itself and in lists, whatever is there.
    older: Option<(String, Value)>,
    /// Whether writes lose their preconditions.
    without_preconditions: bool,
    /// The path at which writes seem to be carried out and are not.
    lost: Option<String>,
    writes: Mutex<Vec<Write>>,
}

impl Between {
    /// Only keeps the record.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows an older object at a path.
    pub fn showing(self, path: &str, older: &Value) -> Self {
        Self {
            older: Some((path.to_owned(), older.clone())),
            ..self
        }
    }

    /// Takes the tests out of every JSON patch.
    pub fn without_preconditions(self) -> Self {
        Self {
            without_preconditions: true,
            ..self
        }
    }

    /// Loses every write to a path, and answers as if it had been carried out.
    pub fn losing(self, path: &str) -> Self {
        Self {
            lost: Some(path.to_owned()),
            ..self
        }
    }

    /// A client with this in between.
    pub fn build_client(self: &Arc<Self>, config: kube::Config) -> Client {
        ClientBuilder::try_from(config)
            .expect("a client")
            .with_layer(&BetweenLayer(Arc::clone(self)))
            .build()
    }

    /// Everything that was written so far.
    pub fn writes(&self) -> Vec<Write> {
        self.writes.lock().expect("writes").clone()
    }

    /// How many writes to a path did not meet their preconditions.
    pub fn count_refused(&self, path: &str) -> usize {
        let unmet = [StatusCode::CONFLICT, StatusCode::UNPROCESSABLE_ENTITY];
        self.writes()
            .iter()
            .filter(|write| write.path == path && unmet.contains(&write.answer))
            .count()
    }

    fn record(&self, path: &str, body: &str, answer: StatusCode) {
        let write = Write {
            path: path.to_owned(),
            body: body.to_owned(),
            answer,
        };
        self.writes.lock().expect("writes").push(write);
    }

    /// The answer to a read, with the older object in the place of the one that is there.
    fn age(&self, path: &str, status: StatusCode, answer: Bytes) -> (StatusCode, Bytes) {
        let Some((object_path, older)) = &self.older else {
            return (status, answer);
        };
        if path == object_path {
            return (StatusCode::OK, older.to_string().into());
        }
        let Some((list_path, name)) = object_path.rsplit_once('/') else {
            return (status, answer);
        };
        if path != list_path || status != StatusCode::OK {
            return (status, answer);
        }
        let mut list: Value = serde_json::from_slice(&answer).expect("a list");
        for item in list["items"].as_array_mut().expect("items") {
            if item["metadata"]["name"] == name {
                item.clone_from(older);
            }
        }
        (status, list.to_string().into())
    }

    /// A body without its tests, where it is a JSON patch and that is wanted. To remove the
    /// confirmation that was used is a test, too: it fails where there is none.
    fn strip(&self, body: &str) -> String {
        let confirmation = "/metadata/annotations/holdfast.dev~1confirm-deletion";
        match serde_json::from_str(body) {
            Ok(Value::Array(mut operations)) if self.without_preconditions => {
                operations.retain(|operation| {
                    operation["op"] != "test"
                        && (operation["op"] != "remove" || operation["path"] != confirmation)
                });
                Value::Array(operations).to_string()
            }
            _ => body.to_owned(),
        }
    }
}

struct BetweenLayer(Arc<Between>);

impl<S> Layer<S> for BetweenLayer {
    type Service = BetweenService<S>;

    fn layer(&self, inner: S) -> BetweenService<S> {
        BetweenService {
            inner,
            between: Arc::clone(&self.0),
        }
    }
}

struct BetweenService<S> {
    inner: S,
    between: Arc<Between>,
}

impl<S, B> Service<Request<Body>> for BetweenService<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + Send + 'static,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<AnswerBody>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let between = Arc::clone(&self.between);
        let path = request.uri().path().to_owned();
        if request.method() == Method::GET {
            let is_watch = request.uri().query().unwrap_or_default().contains("watch=");
            let answer = self.inner.call(request);
            return Box::pin(async move {
                let (mut parts, body) = answer.await.map_err(Into::into)?.into_parts();
                if is_watch {
                    return Ok(Response::from_parts(parts, AnswerBody::new(body)));
                }
                let read = to_bytes(AnswerBody::new(body), usize::MAX).await?;
                let (status, read) = between.age(&path, parts.status, read);
                parts.status = status;
                Ok(Response::from_parts(parts, AnswerBody::from(read)))
            });
        }
        let (parts, body) = request.into_parts();
        let written = body
            .collect_bytes()
            .now_or_never()
            .expect("a body that is there")
            .expect("a body");
        let body = between.strip(&String::from_utf8_lossy(&written));
        let is_lost = between.lost.as_ref() == Some(&path);
        // A read in its place gets an answer of the right shape.
        let request = if is_lost {
            Request::builder()
                .uri(path.clone())
                .header("accept", "application/json")
                .body(Body::empty())
                .expect("a request")
        } else {
            Request::from_parts(parts, Body::from(body.clone().into_bytes()))
        };
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await.map_err(Into::into)?;
            between.record(&path, &body, answer.status());
            Ok(answer.map(AnswerBody::new))
        })
    }
}
