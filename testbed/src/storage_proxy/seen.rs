//! What a request to an S3 server is, by its method, path and query.

use http::{HeaderMap, Method, Uri};

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Begin an upload in parts.
    Create,
    /// Store a part.
    Part,
    /// Make the parts an object.
    Complete,
    /// Throw the parts away.
    Abort,
    /// List the parts of an upload.
    ListParts,
    /// List uploads that are neither completed nor aborted.
    ListUploads,
    /// Store an object.
    Put,
    /// Ask about an object.
    Head,
    /// Read an object.
    Get,
    /// List objects.
    List,
    /// Delete an object.
    Delete,
    /// Anything else.
    Other,
}

/// A request as the proxy sees it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What it asks for.
    pub operation: Operation,
    /// How many of this operation came before it.
    pub before: usize,
    /// Path and query.
    pub uri: Uri,
    /// Headers.
    pub headers: HeaderMap,
    /// Length of its body in bytes.
    pub length: u64,
}

impl Seen {
    /// A header as text; empty if it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// A value of the query; empty if it is not there.
    #[must_use]
    pub fn query(&self, name: &str) -> &str {
        let mut pairs = self.uri.query().unwrap_or_default().split('&');
        pairs
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
            .unwrap_or_default()
    }
}

impl Operation {
    /// Tells a request apart.
    #[must_use]
    pub fn of(method: &Method, uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        let has = |name: &str| {
            query
                .split('&')
                .any(|pair| pair.split('=').next() == Some(name))
        };
        let has_key = uri.path().trim_matches('/').contains('/');
        match method.as_str() {
            "POST" if has("uploads") => Self::Create,
            "POST" if has("uploadId") => Self::Complete,
            "PUT" if has("partNumber") => Self::Part,
            "DELETE" if has("uploadId") => Self::Abort,
            "GET" if has("uploadId") => Self::ListParts,
            "GET" if has("uploads") => Self::ListUploads,
            "PUT" if has_key => Self::Put,
            "HEAD" if has_key => Self::Head,
            "GET" if has_key => Self::Get,
            "GET" => Self::List,
            "DELETE" if has_key => Self::Delete,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart() {
        for (method, uri, operation) in [
            ("POST", "/backups/a/b?uploads=", Operation::Create),
            ("POST", "/backups/a/b?uploads", Operation::Create),
            ("PUT", "/backups/a?partNumber=1&uploadId=x", Operation::Part),
            ("POST", "/backups/a?uploadId=x", Operation::Complete),
            ("DELETE", "/backups/a?uploadId=x", Operation::Abort),
            (
                "GET",
                "/backups/a?max-parts=1&uploadId=x",
                Operation::ListParts,
            ),
            ("GET", "/backups/?uploads=&prefix=a", Operation::ListUploads),
            ("GET", "/backups?list-type=2&prefix=a", Operation::List),
            ("GET", "/backups/a", Operation::Get),
            ("HEAD", "/backups/a", Operation::Head),
            ("PUT", "/backups/a", Operation::Put),
        ] {
            let method: Method = method.parse().unwrap();
            assert_eq!(
                Operation::of(&method, &uri.parse().unwrap()),
                operation,
                "{uri}"
            );
        }
    }
}
