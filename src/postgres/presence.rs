//! Whether the server that is about to be asked is still the one that is meant. This module knows no
//! Kubernetes: who asks brings the answer.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// Why nothing is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absence {
    /// Whether the server is known to be gone. Else it could not be asked.
    pub is_known: bool,
    /// What happened, what it means, what to do next.
    pub message: String,
}

/// The answer, once it is there.
type Answer = Pin<Box<dyn Future<Output = Result<(), Absence>> + Send>>;

/// Asked right before every connection: an error means that nothing is sent.
#[derive(Clone)]
pub struct Presence(Arc<dyn Fn() -> Answer + Send + Sync>);

impl Presence {
    /// Wraps a question.
    pub fn new<Question, Answering>(question: Question) -> Self
    where
        Question: Fn() -> Answering + Send + Sync + 'static,
        Answering: Future<Output = Result<(), Absence>> + Send + 'static,
    {
        Self(Arc::new(move || Box::pin(question())))
    }

    /// Asks.
    pub async fn ask(&self) -> Result<(), Absence> {
        (self.0)().await
    }
}

impl fmt::Debug for Presence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Presence")
    }
}

impl PartialEq for Presence {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Presence {}
