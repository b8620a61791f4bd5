//! Waiting for the turn of a backup, where the operator lets only so many run at once. A backup that was
//! not taken is worse than one too many: where the operator says nothing, it begins.

use std::time::Duration;

use kube::{Api, Client};
use tokio::time::{Instant, sleep, timeout};

use crate::api::{AgentFailure, BackupRequest, BackupTurn, ProtectedDatabase};

use super::{Interrupt, kubernetes};

/// How often it is asked.
const PAUSE: Duration = Duration::from_secs(3);
/// How long an operator may take that has not said anything yet.
const FIRST_WORD: Duration = Duration::from_secs(30);
/// How long one may take that has: it looks every minute, and may be restarted.
const NEXT_WORD: Duration = Duration::from_mins(5);

/// What the operator says of a backup's turn, and since when it says nothing new.
#[derive(Debug)]
struct Waiting {
    backup: String,
    said: Option<BackupTurn>,
    since: Instant,
}

/// Whether to go on.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// It is its turn.
    Begin(BackupTurn),
    /// Nobody says anything about it.
    Unsaid,
    Wait,
}

impl Waiting {
    /// Takes what a status says of the turn of a backup at this moment.
    fn take(&mut self, said: Option<BackupTurn>, now: Instant) -> Answer {
        let said = said.filter(|turn| turn.backup == self.backup);
        if let Some(turn) = said {
            if turn.given.is_some() {
                return Answer::Begin(turn);
            }
            if self.said.as_ref() != Some(&turn) {
                self.said = Some(turn);
                self.since = now;
            }
        }
        let limit = if self.said.is_some() {
            NEXT_WORD
        } else {
            FIRST_WORD
        };
        if now.duration_since(self.since) >= limit {
            Answer::Unsaid
        } else {
            Answer::Wait
        }
    }
}

/// Waits until it is the turn of a backup, or nobody says any more that it is not. Returns what the operator
/// said when its turn came.
pub async fn wait_for_turn(
    client: &Client,
    request: &BackupRequest,
    backup: &str,
    interrupt: &Interrupt,
) -> Result<Option<BackupTurn>, AgentFailure> {
    let Some(seconds) = request.turn_seconds else {
        return Ok(None);
    };
    let api: Api<ProtectedDatabase> = Api::namespaced(client.clone(), &request.namespace);
    let begun = Instant::now();
    let end = begun + Duration::from_secs(seconds);
    let mut waiting = Waiting {
        backup: backup.to_owned(),
        said: None,
        since: begun,
    };
    loop {
        let read = timeout(kubernetes::REQUEST_LIMIT, api.get_opt(&request.database)).await;
        let said = match read {
            Ok(Ok(Some(database))) => database.status.and_then(|status| status.backup_turn),
            // One that is gone lets nobody wait.
            Ok(Ok(None)) => return Ok(None),
            Ok(Err(_)) | Err(_) => None,
        };
        match waiting.take(said, Instant::now()) {
            Answer::Begin(turn) => return Ok(Some(turn)),
            Answer::Unsaid => {
                tracing::warn!(
                    "the operator does not say whose turn it is; the backup begins without it"
                );
                return Ok(None);
            }
            Answer::Wait if Instant::now() >= end => {
                tracing::warn!(
                    seconds,
                    "the turn of this backup has not come; it begins nevertheless, or it would be late"
                );
                return Ok(None);
            }
            Answer::Wait => {}
        }
        tokio::select! {
            failure = interrupt.wait() => return Err(failure),
            () = sleep(PAUSE) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    fn turn(minute: u32, is_given: bool) -> BackupTurn {
        let time = Time(format!("2026-02-01T03:{minute:02}:00Z").parse().unwrap());
        BackupTurn {
            backup: "b".to_owned(),
            since: time.clone(),
            given: is_given.then(|| time.clone()),
            ahead: 3,
            ahead_names: Vec::new(),
            at_most: 2,
            as_of: time,
        }
    }

    fn waiting() -> Waiting {
        Waiting {
            backup: "b".to_owned(),
            said: None,
            since: Instant::now(),
        }
    }

    #[test]
    fn without_an_operator_it_begins_soon() {
        let mut waiting = waiting();
        let begun = waiting.since;
        let of_another = BackupTurn {
            backup: "another".to_owned(),
            ..turn(0, true)
        };
        for second in [0, 3, 29] {
            let now = begun + Duration::from_secs(second);
            assert_eq!(waiting.take(Some(of_another.clone()), now), Answer::Wait);
        }
        let now = begun + FIRST_WORD;
        assert_eq!(waiting.take(None, now), Answer::Unsaid);
    }

    #[test]
    fn it_waits_as_long_as_somebody_looks_and_not_much_longer() {
        let mut waiting = waiting();
        let mut now = waiting.since;
        for minute in 0..60 {
            now += Duration::from_mins(1);
            assert_eq!(waiting.take(Some(turn(minute, false)), now), Answer::Wait);
        }
        // The operator is gone: what it has said last stays in the status.
        let stays = Some(turn(59, false));
        let before = now + NEXT_WORD - Duration::from_secs(1);
        assert_eq!(waiting.take(stays.clone(), before), Answer::Wait);
        assert_eq!(waiting.take(stays, now + NEXT_WORD), Answer::Unsaid);
        let given = turn(59, true);
        assert_eq!(waiting.take(Some(given.clone()), now), Answer::Begin(given));
    }
}
