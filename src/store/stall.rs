//! A client that ends a request when no byte moved for a while, however long the whole request
//! takes: a slow link is not a broken one.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aws_sdk_s3::config::{RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::limits::StoreLimits;

/// Bytes handed to the connection at a time: the finer, the sooner it shows that they move.
const PIECE: usize = 64 << 10;

/// Puts the limits around every request of a client.
pub(super) fn watch(client: SharedHttpClient, limits: StoreLimits) -> SharedHttpClient {
    SharedHttpClient::new(WatchedClient { client, limits })
}

#[derive(Debug)]
struct WatchedClient {
    client: SharedHttpClient,
    limits: StoreLimits,
}

impl HttpClient for WatchedClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Watched {
            connector: self.client.http_connector(settings, components),
            limits: self.limits,
        })
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.client.connector_metadata()
    }
}

#[derive(Debug)]
struct Watched {
    connector: SharedHttpConnector,
    limits: StoreLimits,
}

impl HttpConnector for Watched {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let is_completion = request.method() == "POST" && request.uri().contains("uploadId=");
        let StoreLimits {
            silence,
            answer,
            completion,
            ..
        } = self.limits;
        let answer = if is_completion { completion } else { answer };
        let progress = Progress::new();
        let body = std::mem::replace(request.body_mut(), SdkBody::taken());
        if body.content_length().unwrap_or_default() > 0 {
            *request.body_mut() = SdkBody::from_body_1_x(Outgoing {
                body,
                current: Bytes::new(),
                progress: progress.clone(),
            });
        } else {
            *request.body_mut() = body;
            progress.end();
        }
        let sent = self.connector.call(request);
        HttpConnectorFuture::new(async move {
            tokio::select! {
                biased;
                outcome = sent => Ok(outcome?.map(|body| {
                    SdkBody::from_body_1_x(Incoming { body, silence, sleep: Box::pin(sleep(silence)) })
                })),
                waited = progress.stall(silence, answer) => {
                    Err(ConnectorError::timeout(silent_for(waited).into()))
                }
            }
        })
    }
}

fn silent_for(waited: Duration) -> String {
    format!("no byte moved for {} s", waited.as_secs())
}

/// When the last byte was taken, and whether it was the last of all.
#[derive(Clone, Debug)]
struct Progress(Arc<Mutex<(Instant, bool)>>);

impl Progress {
    fn new() -> Self {
        Self(Arc::new(Mutex::new((Instant::now(), false))))
    }

    fn note(&self, is_end: bool) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (Instant::now(), is_end);
    }

    fn end(&self) {
        self.note(true);
    }

    /// Returns when nothing has moved for too long.
    async fn stall(&self, silence: Duration, answer: Duration) -> Duration {
        loop {
            let (since, is_end) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let limit = if is_end { answer } else { silence };
            if since.elapsed() >= limit {
                return limit;
            }
            // Not longer than the shorter one: the end of the body changes the limit.
            sleep_until((since + limit).min(Instant::now() + silence)).await;
        }
    }
}

/// A body that notes each piece that the connection takes.
struct Outgoing {
    body: SdkBody,
    current: Bytes,
    progress: Progress,
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        while self.current.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.current = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    self.progress.end();
                    return Poll::Ready(None);
                }
            }
        }
        let length = self.current.len().min(PIECE);
        let piece = self.current.split_to(length);
        self.progress.note(self.is_end_stream());
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.current.is_empty() && Body::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> SizeHint {
        let waiting = self.current.len() as u64;
        let rest = Body::size_hint(&self.body);
        rest.exact().map_or_else(SizeHint::default, |rest| {
            SizeHint::with_exact(rest + waiting)
        })
    }
}

/// A body that ends with an error when nothing of it arrives.
struct Incoming {
    body: SdkBody,
    silence: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            let end = Instant::now() + self.silence;
            self.sleep.as_mut().reset(end);
            return Poll::Ready(frame);
        }
        ready!(self.sleep.as_mut().poll(context));
        Poll::Ready(Some(Err(silent_for(self.silence).into())))
    }

    fn is_end_stream(&self) -> bool {
        Body::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> SizeHint {
        Body::size_hint(&self.body)
    }
}
