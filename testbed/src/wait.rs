//! Waiting for a condition, and saying what was last seen when it does not come.

use std::fmt::Display;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep, timeout_at};

/// How long to wait between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Looks again and again until `look` returns `Ok`. Its error is what is seen instead; the last one
/// is shown when time runs out.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use std::time::Duration;
/// let mut looks = 0;
/// let found = testbed::wait_for("the third look", Duration::from_secs(5), async || {
///     looks += 1;
///     if looks == 3 { Ok("found") } else { Err(format!("only look {looks}")) }
/// })
/// .await;
/// assert_eq!(found.unwrap(), "found");
/// # });
/// ```
pub async fn wait_for<T, E: Display>(
    what: &str,
    patience: Duration,
    mut look: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T> {
    let until = Instant::now() + patience;
    let mut last_seen = "nothing yet".to_owned();
    loop {
        match timeout_at(until, look()).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(seen)) => last_seen = format!("{seen:#}"),
            Err(_) => last_seen.push_str(" (and the last look did not end)"),
        }
        if Instant::now() + PAUSE > until {
            bail!(
                "waited {} s for {what}; last seen: {last_seen}",
                patience.as_secs()
            );
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_timeout_says_what_was_waited_for_and_last_seen() {
        let patience = Duration::from_millis(250);
        let error = wait_for("the pod pg-0 to be Ready", patience, async || {
            Err::<(), _>("phase Pending")
        })
        .await
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "waited 0 s for the pod pg-0 to be Ready; last seen: phase Pending"
        );
    }

    #[tokio::test]
    async fn a_look_that_hangs_does_not_outlast_the_patience() {
        let patience = Duration::from_millis(200);
        let error = wait_for("an answer", patience, async || {
            std::future::pending::<Result<(), String>>().await
        })
        .await
        .unwrap_err();
        assert!(error.to_string().contains("did not end"), "{error}");
    }
}
