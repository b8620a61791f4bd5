//! What ends an agent's work before it is done: its deadline, or a signal to stop the pod.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::api::{AgentFailure, reasons};

/// Says when to stop, and why.
#[derive(Clone, Debug)]
pub struct Interrupt {
    cause: watch::Receiver<Option<AgentFailure>>,
}

impl Interrupt {
    /// An interrupt that is caused by hand, through the sender.
    #[must_use]
    pub fn by_hand() -> (watch::Sender<Option<AgentFailure>>, Self) {
        let (sender, cause) = watch::channel(None);
        (sender, Self { cause })
    }

    /// Listens for SIGTERM and SIGINT, and for the end of `deadline`, which `field` of the spec
    /// sets.
    pub fn listen(deadline: Duration, field: &'static str) -> std::io::Result<Self> {
        let (sender, interrupt) = Self::by_hand();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut stop = signal(SignalKind::interrupt())?;
        tokio::spawn(async move {
            let (reason, message) = tokio::select! {
                _ = terminate.recv() => told_to_stop(),
                _ = stop.recv() => told_to_stop(),
                () = tokio::time::sleep(deadline) => (
                    reasons::TIMEOUT,
                    format!("it took longer than the {} s that `{field}` allows, and was stopped. \
                        Raise `{field}`, or see in the pod's log what is slow", deadline.as_secs()),
                ),
            };
            sender.send_replace(Some(AgentFailure {
                reason: reason.to_owned(),
                message,
            }));
        });
        Ok(interrupt)
    }

    /// Whether the pod is stopped, and another one may go on.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.cause
            .borrow()
            .as_ref()
            .is_some_and(|cause| cause.reason == reasons::JOB_FAILED)
    }

    /// Whether it is time to stop, for whatever cause.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.cause.borrow().is_some()
    }

    /// Returns when it is time to stop.
    pub async fn wait(&self) -> AgentFailure {
        let mut cause = self.cause.clone();
        if let Ok(Some(failure)) = cause
            .wait_for(Option::is_some)
            .await
            .map(|failure| failure.clone())
        {
            return failure;
        }
        // Nobody is left who could interrupt.
        std::future::pending().await
    }
}

fn told_to_stop() -> (&'static str, String) {
    let message = "the agent's pod was stopped before it was done: it was evicted or deleted, or \
        its node is shut down. It is tried again";
    (reasons::JOB_FAILED, message.to_owned())
}
