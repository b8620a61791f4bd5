//! What the proxy does with a request instead of just passing it on.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;

/// What happens to a request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Nothing.
    None,
    /// It never reaches the server; this is the answer.
    Refuse(Refusal),
    /// The server carries it out, and this is the answer in place of the server's.
    AnswerAfter(Refusal),
    /// The connection is cut before the server sees it.
    CutBefore,
    /// The server carries it out, and the connection is cut before the answer.
    CutAfter,
    /// Its body is taken, at most so many bytes per second, and then it is passed on.
    Slow(u32),
    /// Nothing of its body is taken and no answer comes.
    Stall,
    /// It is passed on that much later, unless the client has given up by then.
    Late(Duration),
    /// It is passed on without a header.
    Without(&'static str),
    /// A byte of its body is changed on the way.
    Damage,
    /// It is passed on, and the `ETag` of the answer is replaced.
    OtherTag(&'static str),
}

/// An answer of a server that does not do what it is asked.
#[derive(Clone, Debug, Default)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The code in the body, as S3 has it.
    pub code: &'static str,
    /// The message in the body.
    pub message: &'static str,
    /// A header `Location`.
    pub location: Option<String>,
    /// A body in place of S3's error document.
    pub body: Option<&'static str>,
}

impl Refusal {
    /// An error as S3 reports it.
    #[must_use]
    pub fn new(status: u16, code: &'static str, message: &'static str) -> Self {
        Self {
            status,
            code,
            message,
            ..Self::default()
        }
    }

    /// The answer; that to a `HEAD` has no body.
    pub(super) fn build(&self, is_head: bool) -> Response<Full<Bytes>> {
        let document = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}\
             </Message><RequestId>1</RequestId></Error>",
            self.code, self.message
        );
        let text = match self.body {
            _ if is_head => String::new(),
            Some(body) => body.to_owned(),
            None => document,
        };
        let mut response = Response::new(Full::new(Bytes::from(text)));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/xml"));
        let location = self.location.as_deref().map(HeaderValue::from_str);
        if let Some(Ok(location)) = location {
            headers.insert("location", location);
        }
        *response.headers_mut() = headers;
        response
    }
}
