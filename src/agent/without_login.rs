//! What a check can learn of a server without logging in: noted when the data could be read, and
//! what is left when it could not.

use crate::api::{CheckRequest, DEFAULT_PORT, WithoutLogin};
use crate::postgres::{Login, Presence, fetch_digest_at, fetch_without_login};

use super::MountedFiles;

/// Where the image says that the data directory is: the agent runs in the image of the database.
const DIRECTORY_VARIABLE: &str = "PGDATA";

/// Asks the server, unless it is known that nothing listens there.
pub async fn look_without_login(
    request: &CheckRequest,
    files: &MountedFiles,
    presence: Option<Presence>,
    is_unreachable: bool,
) -> WithoutLogin {
    let mut found = match (&request.server.host, request.server.databases.first()) {
        (Some(host), Some(database)) if !is_unreachable => {
            let server = &request.server;
            let own = files.read_login(server, &request.namespace, host, presence.clone());
            let own = own.ok();
            let stranger = Login {
                presence: presence.clone(),
                ..Login::nobody(host, server.port, server.tls_mode)
            };
            fetch_without_login(&stranger, own.as_ref(), database).await
        }
        _ => WithoutLogin::default(),
    };
    if let (true, Some(host), Some(database)) = (
        request.ask_default_port,
        &request.server.host,
        request.server.databases.first(),
    ) {
        let stranger = Login {
            presence,
            ..Login::nobody(host, DEFAULT_PORT, request.server.tls_mode)
        };
        found.default_port_digest = fetch_digest_at(&stranger, database).await;
    }
    found.configured_directory = if request.configured_directory.is_empty() {
        std::env::var(DIRECTORY_VARIABLE).unwrap_or_default()
    } else {
        request.configured_directory.clone()
    };
    found
}
