//! Why alerts were not sent to the webhook, in words. None of them contains the URL: it may carry a
//! token.

use std::path::PathBuf;
use std::time::Duration;

/// The command that sets the URL.
const SET: &str = "kubectl create secret generic holdfast-webhook -n holdfast-system \
                   --from-file=url=FILE --dry-run=client -o yaml | kubectl apply -f -";

/// Why alerts were not sent to the webhook.
#[derive(Debug, thiserror::Error)]
pub enum NoticeError {
    /// The file with the URL can't be read.
    #[error("the webhook's URL can't be read from {path} ({source}), so no alert is sent. Set it: \
        {SET}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The content of the file is not a URL that can be used.
    #[error("the content of {path} can't be used as the webhook's URL: {what}. No alert is sent. \
        Set it: {SET}", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// There is no certificate authority to trust, or the one that was given can't be used.
    #[error(
        "the webhook's certificate can't be verified: {what}. Put the certificate of its authority \
         into the same Secret, under the key ca.crt"
    )]
    Authority {
        /// What is wrong.
        what: String,
    },
    /// The request can't be made.
    #[error(
        "the request to the webhook can't be made: {what}; this is a mistake in holdfast, please \
         report it"
    )]
    Request {
        /// What is wrong with it.
        what: String,
    },
    /// Nothing answers.
    #[error(
        "the webhook can't be reached ({what}); it is tried again. See that it runs, and that \
         network policies let the operator out"
    )]
    Unreachable {
        /// What the network says.
        what: String,
    },
    /// It answers too slowly, or not at all.
    #[error("the webhook has not answered within {} s; it is tried again. See that it runs", limit.as_secs_f32())]
    Silent {
        /// How long was waited.
        limit: Duration,
    },
    /// It does not take the alerts.
    #[error(
        "the webhook answered {status}, so the alerts have not arrived; they are sent again. The \
         URL must be one that takes the JSON of Alertmanager by POST, such as \
         http://alertmanager.monitoring:9093/api/v2/alerts; redirects are not followed"
    )]
    Refused {
        /// The status of HTTP.
        status: u16,
    },
}
