//! Whose turn it is to take a backup, where only so many run at once: what each database uses, who is
//! before whom, and what the status says of a backup that waits. A turn that was given stays given. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::job_end::job_ended;
use super::last_backups::backup_of_name;
use super::not_begun::Task;
use super::unreported_backups::state;
use crate::api::{
    BackupState, BackupTurn, DatabaseBackup, DesiredCondition, ProtectedDatabase, TURN_NAME_LIMIT,
    whole_seconds,
};
use crate::plan::{Plan, Step};
use crate::world::{Observed, TurnFact, TurnPlace};

/// How soon it is looked again at what waits. The operator is called when something ends.
const LOOK_AGAIN: Duration = Duration::from_mins(1);
/// How old the status of a backup that waits becomes before it is written again, so that its agent sees
/// that somebody looks.
const SAY_AGAIN: SignedDuration = SignedDuration::from_secs(55);

/// How long a Job counts whose agent has not asked: longer than the operator lets one wait.
const BEGUN_COUNTS: SignedDuration = SignedDuration::from_mins(10);
/// How long a look counts: longer than one may take.
const LOOK_COUNTS: SignedDuration = SignedDuration::from_hours(7);
/// How long a first backup is held back: then it waits with the others, in their order.
const HELD_BACK: SignedDuration = SignedDuration::from_mins(30);

/// Namespace and name of a database.
pub type TurnKey = (String, String);

/// What a database uses or wants to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnClaim {
    /// Name of the backup, or of the Job that looks at the sets.
    pub name: String,
    /// Since when, by the API server's clock.
    pub since: Timestamp,
    /// How far it is.
    pub state: TurnState,
}

/// How far a backup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnState {
    /// Its Job is there, and its agent has not asked yet.
    Begun,
    /// Its agent asks for its turn.
    Asked,
    /// No backup: a look at the sets in the bucket.
    Looks,
    /// It runs.
    Given,
}

/// What a database uses now. The outer `None`: that could not be read.
#[must_use]
pub fn turn_claim(observed: &Observed) -> Option<Option<TurnClaim>> {
    let jobs = observed.jobs.known()?;
    observed.backups.known()?;
    let running = |task: Task| {
        let mut jobs = jobs.iter();
        jobs.find(|job| {
            task.is_of(job) && job_ended(job).is_none() && observed.is_ours(&job.metadata)
        })
    };
    let claim = |job: &Job, state: TurnState| {
        Some(TurnClaim {
            name: job.metadata.name.clone()?,
            since: job.metadata.creation_timestamp.as_ref()?.0,
            state,
        })
    };
    Some(match (running(Task::Backup), running(Task::Catalog)) {
        (Some(job), _) => claim(job, state_of(observed, job)),
        (None, Some(job)) => claim(job, TurnState::Looks),
        (None, None) => None,
    })
}

fn state_of(observed: &Observed, job: &Job) -> TurnState {
    let name = job.metadata.name.as_deref().unwrap_or_default();
    let backup = backup_of_name(observed, name);
    match backup.and_then(state) {
        None => TurnState::Begun,
        // An agent that waits has not said yet when its backup began.
        Some(BackupState::Running) if !has_begun(backup) && !is_given(observed, name) => {
            TurnState::Asked
        }
        Some(_) => TurnState::Given,
    }
}

fn has_begun(backup: Option<&DatabaseBackup>) -> bool {
    let status = backup.and_then(|backup| backup.status.as_ref());
    status.is_some_and(|status| status.start_time.is_some())
}

fn is_given(observed: &Observed, name: &str) -> bool {
    said(&observed.database, name).is_some_and(|turn| turn.given.is_some())
}

/// What the status says of a backup's turn.
fn said<'a>(database: &'a ProtectedDatabase, name: &str) -> Option<&'a BackupTurn> {
    let turn = database.status.as_ref()?.backup_turn.as_ref()?;
    Some(turn).filter(|turn| turn.backup == name)
}

/// What the status of a database says that it uses: for an operator that has just started.
#[must_use]
pub fn remembered_claim(database: &ProtectedDatabase) -> Option<TurnClaim> {
    let turn = database.status.as_ref()?.backup_turn.as_ref()?;
    Some(TurnClaim {
        name: turn.backup.clone(),
        since: turn.since.0,
        state: if turn.given.is_some() {
            TurnState::Given
        } else {
            TurnState::Asked
        },
    })
}

/// Whether a claim still counts: a Job that nobody ends must not keep others waiting for ever.
fn counts(claim: &TurnClaim, now: Timestamp) -> bool {
    let age = now.duration_since(claim.since);
    match claim.state {
        TurnState::Begun => age < BEGUN_COUNTS,
        TurnState::Looks => age < LOOK_COUNTS,
        TurnState::Asked | TurnState::Given => true,
    }
}

/// What a database may do, by what all of them use: those who have asked for longer come first, and
/// whoever has its turn keeps it. Backups that wait keep nobody from joining them, and no backup keeps a look
/// waiting.
#[must_use]
pub fn turn_of_all(
    at_most: usize,
    key: &TurnKey,
    claims: &BTreeMap<TurnKey, TurnClaim>,
    now: Timestamp,
) -> TurnFact {
    let mine = claims.get(key);
    let others = || {
        claims
            .iter()
            .filter(|(other, claim)| *other != key && counts(claim, now))
    };
    let of_namespace = |other: &TurnKey| (other.0 == key.0).then(|| other.1.clone());
    let taken = others()
        .filter(|(_, claim)| claim.state != TurnState::Asked)
        .count();
    let looks = others()
        .filter(|(_, claim)| claim.state == TurnState::Looks)
        .count();
    let place = mine
        .filter(|mine| matches!(mine.state, TurnState::Asked | TurnState::Given))
        .map(|mine| {
            let is_before = |(other, claim): &(&TurnKey, &TurnClaim)| match claim.state {
                TurnState::Given | TurnState::Looks => true,
                TurnState::Asked => (claim.since, *other) < (mine.since, key),
                TurnState::Begun => false,
            };
            let ahead = others().filter(is_before).count();
            let names = others().filter(is_before);
            let is_given = mine.state == TurnState::Given || ahead < at_most;
            TurnPlace {
                is_given,
                ahead,
                ahead_names: names
                    .filter_map(|(other, _)| of_namespace(other))
                    .take(TURN_NAME_LIMIT)
                    .collect(),
            }
        });
    TurnFact {
        at_most,
        taken,
        has_room: taken + usize::from(mine.is_some()) < at_most,
        // The other half is left to backups, which looks come before.
        may_look: looks < at_most.div_ceil(2),
        place,
        neighbours: others()
            .filter_map(|(other, _)| of_namespace(other))
            .take(TURN_NAME_LIMIT)
            .collect(),
    }
}

/// The Job of a plan that will use the storage.
#[must_use]
pub fn planned_claim(plan: &Plan, now: Timestamp) -> Option<TurnClaim> {
    plan.steps.iter().find_map(|step| match step {
        Step::CreateJob(job) if Task::Backup.is_of(job) || Task::Catalog.is_of(job) => {
            Some(TurnClaim {
                name: job.metadata.name.clone()?,
                since: now,
                state: if Task::Catalog.is_of(job) {
                    TurnState::Looks
                } else {
                    TurnState::Begun
                },
            })
        }
        _ => None,
    })
}

/// Reports the turn of the backup that runs or waits.
pub fn report_turn(observed: &Observed, plan: &mut Plan) {
    plan.status.backup_turn = find_turn(observed);
    let is_waiting = |turn: &BackupTurn| turn.given.is_none();
    if plan.status.backup_turn.as_ref().is_some_and(is_waiting) {
        plan.read_again_after(LOOK_AGAIN);
    }
}

/// The turn of the backup that runs or waits.
pub fn find_turn(observed: &Observed) -> Option<BackupTurn> {
    let fact = observed.turn.as_ref()?;
    let Some(claim) = turn_claim(observed) else {
        // What could not be read stays as it was.
        return observed.database.status.clone()?.backup_turn;
    };
    let (claim, place) = (claim?, fact.place.as_ref()?);
    let before = said(&observed.database, &claim.name);
    if place.is_given {
        let given = before.and_then(|before| before.given.clone());
        let given = given.unwrap_or_else(|| now(observed));
        return Some(BackupTurn {
            backup: claim.name,
            since: Time(claim.since),
            ahead: 0,
            ahead_names: Vec::new(),
            at_most: number(fact.at_most),
            as_of: given.clone(),
            given: Some(given),
        });
    }
    let turn = BackupTurn {
        backup: claim.name.clone(),
        since: Time(claim.since),
        given: None,
        ahead: number(place.ahead),
        ahead_names: place.ahead_names.clone(),
        at_most: number(fact.at_most),
        as_of: now(observed),
    };
    Some(keep_if_new(before, turn))
}

/// What was written a moment ago is not written again in other words.
fn keep_if_new(before: Option<&BackupTurn>, turn: BackupTurn) -> BackupTurn {
    let is_new = |before: &&BackupTurn| {
        before.given.is_none() && turn.as_of.0.duration_since(before.as_of.0) < SAY_AGAIN
    };
    before.filter(is_new).cloned().unwrap_or(turn)
}

/// Whether a look at the sets must not be begun yet, because as many run as may. It is asked again soon.
pub fn look_must_wait(observed: &Observed, plan: &mut Plan) -> bool {
    let is_full = observed.turn.as_ref().is_some_and(|turn| !turn.may_look);
    if is_full {
        plan.read_again_after(LOOK_AGAIN / 2);
    }
    is_full
}

/// Whether the Job of the first backup must not be created yet, which the status then says. After a while it is
/// created anyway, and its agent waits in the order of all.
pub fn first_must_wait(observed: &Observed, name: &str, plan: &mut Plan) -> bool {
    let is_full = observed.turn.as_ref().is_some_and(|turn| !turn.has_room);
    let is_held = said(&observed.database, name).is_none_or(|turn| {
        let held = observed.server_time().duration_since(turn.since.0);
        held < HELD_BACK
    });
    if !is_full || !is_held {
        return false;
    }
    plan.read_again_after(LOOK_AGAIN / 2);
    if let (None, Some(fact)) = (&plan.status.backup_turn, &observed.turn) {
        let before = said(&observed.database, name);
        let turn = BackupTurn {
            backup: name.to_owned(),
            since: before.map_or_else(|| now(observed), |before| before.since.clone()),
            given: None,
            ahead: number(fact.taken),
            ahead_names: fact.neighbours.clone(),
            at_most: number(fact.at_most),
            as_of: now(observed),
        };
        plan.status.backup_turn = Some(keep_if_new(before, turn));
    }
    true
}

/// Since when a check counts as one that was made for this backup. None while it waits for its turn.
pub fn check_since(observed: &Observed, backup: &DatabaseBackup) -> Option<Time> {
    let since = backup.check_since()?;
    match find_turn(observed).filter(|turn| backup.metadata.name.as_ref() == Some(&turn.backup)) {
        Some(turn) => turn.check_since(since),
        None => Some(since),
    }
}

/// Adds to the condition that a backup waits. Whether there is a fresh one it does not change.
pub fn say(plan: &Plan, mut condition: DesiredCondition) -> DesiredCondition {
    let turn = plan.status.backup_turn.as_ref();
    let Some(turn) = turn.filter(|turn| turn.given.is_none()) else {
        return condition;
    };
    condition.add(&format!(
        "backup {} waits for its turn since {}: at most {} run at once, and status.backupTurn says how many \
         are before it",
        turn.backup, turn.since.0, turn.at_most
    ));
    condition
}

/// Now, as precise as Kubernetes writes a time.
fn now(observed: &Observed) -> Time {
    whole_seconds(&Time(observed.server_time()))
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(number: usize) -> TurnKey {
        (format!("namespace-{}", number % 3), format!("db-{number}"))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap_or_default()
    }

    fn claim(since: i64, state: TurnState) -> TurnClaim {
        TurnClaim {
            name: "backup".to_owned(),
            since: at(since),
            state,
        }
    }

    #[test]
    fn names_of_other_namespaces_are_not_told() {
        let claims = BTreeMap::from([
            (key(0), claim(1, TurnState::Given)),
            (key(1), claim(2, TurnState::Given)),
            (key(3), claim(3, TurnState::Asked)),
            (key(6), claim(4, TurnState::Asked)),
        ]);
        let turn = turn_of_all(2, &key(6), &claims, at(10));
        assert!(!turn.has_room);
        let place = TurnPlace {
            is_given: false,
            ahead: 3,
            ahead_names: vec!["db-0".to_owned(), "db-3".to_owned()],
        };
        assert_eq!(turn.place, Some(place), "of its own namespace");
    }

    #[test]
    fn who_has_not_asked_is_before_nobody_and_counts_for_what_is_begun() {
        let claims = BTreeMap::from([
            (key(0), claim(1, TurnState::Begun)),
            (key(1), claim(2, TurnState::Asked)),
        ]);
        let asks = turn_of_all(1, &key(1), &claims, at(10));
        assert_eq!(asks.place.map(|place| place.is_given), Some(true));
        assert!(!turn_of_all(1, &key(2), &claims, at(10)).has_room);
        assert!(turn_of_all(2, &key(2), &claims, at(10)).has_room);
        // A Job that never begins keeps nobody waiting for ever.
        assert!(turn_of_all(1, &key(2), &claims, at(1_000)).has_room);
    }

    /// Else retention would stop where backups never end.
    #[test]
    fn no_backup_keeps_a_look_waiting_and_no_look_counts_for_ever() {
        let claims = BTreeMap::from([
            (key(0), claim(1, TurnState::Given)),
            (key(1), claim(2, TurnState::Asked)),
        ]);
        assert!(turn_of_all(1, &key(2), &claims, at(10)).may_look);
        let claims = BTreeMap::from([(key(0), claim(1, TurnState::Looks))]);
        assert!(!turn_of_all(1, &key(2), &claims, at(10)).may_look);
        assert!(turn_of_all(1, &key(2), &claims, at(8 * 3600)).may_look);
    }

    /// What happens to a database.
    #[derive(Clone, Copy, Debug)]
    enum Event {
        Asks(usize),
        Ends(usize),
        Looks(usize),
        /// The operator starts again: what was not said is asked again.
        Restart,
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let event = prop_oneof![
            4 => (0..30_usize).prop_map(Event::Asks),
            3 => (0..30_usize).prop_map(Event::Ends),
            6 => (0..30_usize).prop_map(Event::Looks),
            1 => Just(Event::Restart),
        ];
        prop::collection::vec(event, 0..300)
    }

    fn look(at_most: usize, claims: &mut BTreeMap<TurnKey, TurnClaim>, key: &TurnKey) {
        let given = turn_of_all(at_most, key, claims, at(1_000))
            .place
            .is_some_and(|place| place.is_given);
        if let Some(mine) = claims.get_mut(key).filter(|_| given) {
            mine.state = TurnState::Given;
        }
    }

    proptest! {
        /// Never more than may, nobody twice, the oldest first, and nobody waits for ever.
        #[test]
        fn no_more_run_than_may_and_everybody_comes(at_most in 1..6_usize, events in events()) {
            let mut claims = BTreeMap::new();
            for (second, event) in events.into_iter().enumerate() {
                let second = i64::try_from(second).unwrap_or_default();
                match event {
                    Event::Asks(number) => {
                        claims.entry(key(number)).or_insert_with(|| claim(second, TurnState::Asked));
                    }
                    Event::Ends(number) => {
                        let runs = claims.get(&key(number)).map(|claim| claim.state);
                        if runs == Some(TurnState::Given) {
                            claims.remove(&key(number));
                        }
                    }
                    Event::Looks(number) => {
                        let before = claims.clone();
                        look(at_most, &mut claims, &key(number));
                        let new = claims.get(&key(number)).filter(|mine| {
                            mine.state == TurnState::Given && before[&key(number)].state == TurnState::Asked
                        });
                        if let Some(new) = new {
                            let waiting = claims.values().filter(|one| one.state == TurnState::Asked);
                            let older = waiting.filter(|one| one.since < new.since).count();
                            let given = before.values().filter(|one| one.state == TurnState::Given).count();
                            prop_assert!(older + given < at_most, "a place is left for each older one");
                        }
                    }
                    Event::Restart => {
                        claims = claims.clone();
                    }
                }
                let given = claims.values().filter(|one| one.state == TurnState::Given).count();
                prop_assert!(given <= at_most);
            }
            // Those that run end, one after the other, and all others ask again.
            for _ in 0..claims.len() {
                for key in claims.keys().cloned().collect::<Vec<_>>() {
                    look(at_most, &mut claims, &key);
                }
                let ended = claims.iter().find(|(_, one)| one.state == TurnState::Given);
                let ended = ended.map(|(key, _)| key.clone());
                prop_assert!(ended.is_some() || claims.is_empty(), "somebody runs while somebody waits");
                if let Some(ended) = ended {
                    claims.remove(&ended);
                }
            }
            prop_assert!(claims.is_empty(), "nobody waits for ever");
        }
    }
}
