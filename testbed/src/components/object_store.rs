//! versitygw: an S3 server over a folder, with versioning. Pods reach it at the node's address.

use crate::layout::{Layout, NODE_ADDRESS};
use crate::process::Launch;

/// Where it listens.
pub const PORT: u16 = 7070;
/// The bucket made at the start.
pub const BUCKET: &str = "holdfast";
/// The region it answers for.
pub const REGION: &str = "us-east-1";
/// The access key id of its only account.
pub const ACCESS_KEY: &str = "testbed";
/// The secret of its only account. The server is reachable only inside the testbed's network.
pub const SECRET_KEY: &str = "testbed-secret";

/// Its address, from pods and from inside the testbed's network.
#[must_use]
pub fn endpoint() -> String {
    format!("http://{NODE_ADDRESS}:{PORT}")
}

pub fn build_launch(layout: &Layout) -> Launch {
    Launch {
        arguments: vec![
            format!("--port={NODE_ADDRESS}:{PORT}"),
            format!("--region={REGION}"),
            "posix".to_owned(),
            format!(
                "--versioning-dir={}",
                layout.state().join("s3-versions").display()
            ),
            layout.object_store().display().to_string(),
        ],
        environment: vec![
            ("ROOT_ACCESS_KEY".to_owned(), ACCESS_KEY.to_owned()),
            ("ROOT_SECRET_KEY".to_owned(), SECRET_KEY.to_owned()),
        ],
        ..Launch::default()
    }
}
