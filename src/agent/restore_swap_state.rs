//! What is left to do for a database of a set, from what is in the server now: a restore that was killed
//! at any point goes on from there, or puts back what was there. Pure.

use super::restore_mark::{Mark, MarkState};
use super::restore_names::restored_name;

/// A database in the server, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub oid: i64,
    /// Whether it accepts connections.
    pub is_open: bool,
    /// The mark of a restore, of whichever. None if others than the role of restores and superusers can
    /// have written it.
    pub mark: Option<Mark>,
    /// Whether it can only be what `CREATE DATABASE` of a restore has left: it has no comment, belongs to
    /// the role of restores, and nobody could connect to it yet.
    pub is_unmarked: bool,
}

/// A database of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseRow {
    pub name: String,
    pub found: Found,
    pub comment: Option<String>,
}

/// What has the names that a restore uses for one database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Under its name.
    pub present: Option<Found>,
    /// Under the name that it is restored under.
    pub restored: Option<Found>,
    /// Under the name that the present one is kept under.
    pub kept: Option<Found>,
}

/// What is left to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// All of it. What an earlier start has begun is dropped first.
    Restore {
        /// Object id of what is dropped.
        begun: Option<i64>,
        /// Object id of what was created and not marked yet.
        unmarked: Option<i64>,
    },
    /// It is restored and compared; it is to take the name.
    Swap {
        /// Object id of the restored one.
        restored: i64,
        /// Object id of the one in its place, and whether it was open before.
        present: Option<(i64, bool)>,
        /// Object id of one that was renamed already.
        kept: Option<i64>,
    },
    /// Nothing.
    Nothing {
        /// Object id of the restored one.
        restored: i64,
        /// Object id of the one that was in its place.
        kept: Option<i64>,
    },
    /// The restored one is gone and nothing has the name: the one that was kept gets it again.
    PutBack {
        /// Its object id.
        kept: i64,
    },
    /// Another database has a name that is needed.
    Taken {
        /// Whether it is the name to restore under; else the one to keep the present one under.
        is_restored: bool,
    },
}

/// What is left to do to replace a database. `done` is the object id of the restored one, as an earlier
/// start has reported it before it swapped: comments on what is in its place prove nothing.
#[must_use]
pub fn left_to_replace(places: &Places, restore_uid: &str, done: Option<i64>) -> Left {
    let own = |found: &Option<Found>| {
        let mark = found.as_ref()?.mark.as_ref()?;
        (mark.restore_uid == restore_uid).then(|| mark.state.clone())
    };
    let kept = match (&places.kept, own(&places.kept)) {
        (None, _) => None,
        (Some(kept), Some(MarkState::Kept)) => Some(kept.oid),
        (Some(_), _) => return Left::Taken { is_restored: false },
    };
    let Some(restored) = &places.restored else {
        return match (kept, &places.present) {
            (kept, Some(present)) if done == Some(present.oid) => Left::Nothing {
                restored: present.oid,
                kept,
            },
            (Some(kept), None) => Left::PutBack { kept },
            (Some(_), Some(_)) => Left::Taken { is_restored: false },
            (None, _) => nothing_begun(),
        };
    };
    let state = own(&places.restored);
    match (&state, kept, &places.present) {
        (None, _, _) if !restored.is_unmarked => Left::Taken { is_restored: true },
        (None | Some(MarkState::Making), Some(kept), None) => Left::PutBack { kept },
        // The one that was kept is there, and so is another one in its place: it is not known which of
        // them was to be replaced.
        (_, Some(_), Some(_)) => Left::Taken { is_restored: false },
        (None, None, _) => Left::Restore {
            begun: None,
            unmarked: Some(restored.oid),
        },
        (Some(MarkState::Making), None, _) => Left::Restore {
            begun: Some(restored.oid),
            unmarked: None,
        },
        (Some(MarkState::Kept | MarkState::Done), _, _) => Left::Taken { is_restored: true },
        (Some(state), kept, present) => Left::Swap {
            restored: restored.oid,
            present: present
                .as_ref()
                .map(|present| (present.oid, was_open(state, present))),
            kept,
        },
    }
}

/// What is left to do to restore a database beside the present one.
#[must_use]
pub fn left_to_restore_beside(restored: Option<&Found>, restore_uid: &str) -> Left {
    let Some(found) = restored else {
        return nothing_begun();
    };
    let own = found
        .mark
        .as_ref()
        .filter(|mark| mark.restore_uid == restore_uid);
    match own.map(|mark| &mark.state) {
        Some(MarkState::Making) => Left::Restore {
            begun: Some(found.oid),
            unmarked: None,
        },
        Some(MarkState::Verified | MarkState::Swapping { .. }) => Left::Nothing {
            restored: found.oid,
            kept: None,
        },
        None if found.is_unmarked => Left::Restore {
            begun: None,
            unmarked: Some(found.oid),
        },
        _ => Left::Taken { is_restored: true },
    }
}

/// A database that a restore has closed and did not open again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Door<'a> {
    pub name: &'a str,
    /// The restored one that was to take the name, and its restore.
    pub restored_as: &'a str,
    pub restore_uid: &'a str,
    /// Number of the lock of that restore: whoever has it knows that it is not at work any more.
    pub lock: i64,
}

/// The databases that restores have closed and did not open again. A swap that goes on closes them again.
/// A mark counts only on the very database that its restore makes, for the one that it replaces.
#[must_use]
pub fn doors_left_closed(databases: &[DatabaseRow]) -> Vec<Door<'_>> {
    let door_of = |row: &'_ DatabaseRow| {
        let mark = row.found.mark.clone()?;
        let MarkState::Swapping {
            oid,
            was_open: true,
            lock,
        } = mark.state
        else {
            return None;
        };
        let position = databases
            .iter()
            .position(|one| one.found.oid == oid && !one.found.is_open)?;
        let name = &databases[position].name;
        let is_its_own = row.name == restored_name(name, &mark.restore_uid)
            && mark.is_of(row.comment.as_deref()?, name);
        is_its_own.then_some((position, lock))
    };
    databases
        .iter()
        .filter_map(|row| {
            let (position, lock) = door_of(row)?;
            Some(Door {
                name: &databases[position].name,
                restored_as: &row.name,
                restore_uid: &row.found.mark.as_ref()?.restore_uid,
                lock,
            })
        })
        .collect()
}

const fn nothing_begun() -> Left {
    Left::Restore {
        begun: None,
        unmarked: None,
    }
}

/// Whether the present database was open before this restore closed it.
fn was_open(state: &MarkState, present: &Found) -> bool {
    match state {
        MarkState::Swapping { oid, was_open, .. } if *oid == present.oid => {
            *was_open || present.is_open
        }
        _ => present.is_open,
    }
}

#[cfg(test)]
#[path = "restore_swap_state_tests.rs"]
mod tests;
