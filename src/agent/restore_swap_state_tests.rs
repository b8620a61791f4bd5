//! Every state that the three names can be in: nothing foreign is ever dropped, and the name never stays
//! without a database.

use super::*;

const UID: &str = "uid-1";

fn found(oid: i64, uid: &str, state: Option<MarkState>) -> Found {
    Found {
        oid,
        is_open: true,
        mark: state.map(|state| Mark::new(uid, state)),
        is_unmarked: false,
    }
}

/// Everything that can be under a name.
fn everything(oid: i64) -> Vec<Option<Found>> {
    let states = || {
        vec![
            None,
            Some(MarkState::Making),
            Some(MarkState::Verified),
            Some(MarkState::Swapping {
                oid: 1,
                was_open: true,
                lock: 7,
            }),
            Some(MarkState::Swapping {
                oid: 99,
                was_open: true,
                lock: 7,
            }),
            Some(MarkState::Kept),
            Some(MarkState::Done),
        ]
    };
    let mut all = vec![None];
    for uid in [UID, "uid-2"] {
        for state in states() {
            for is_open in [true, false] {
                all.push(Some(Found {
                    is_open,
                    ..found(oid, uid, state.clone())
                }));
            }
        }
    }
    all.push(Some(Found {
        is_unmarked: true,
        is_open: false,
        ..found(oid, UID, None)
    }));
    all
}

#[test]
fn in_every_state_the_name_is_answered_and_nothing_foreign_is_dropped() {
    let mut seen = 0;
    for present in everything(1) {
        for restored in everything(2) {
            for kept in everything(3) {
                let places = Places {
                    present: present.clone(),
                    restored: restored.clone(),
                    kept,
                };
                let own = |found: &Option<Found>| {
                    let mark = found.as_ref()?.mark.as_ref()?;
                    (mark.restore_uid == UID).then(|| mark.state.clone())
                };
                let kept_is_own = own(&places.kept) == Some(MarkState::Kept);
                for done in [None, Some(1), Some(99)] {
                    match left_to_replace(&places, UID, done) {
                        Left::Restore { begun, unmarked } => {
                            if begun.is_some() {
                                assert_eq!(
                                    (begun, own(&restored)),
                                    (Some(2), Some(MarkState::Making))
                                );
                            }
                            assert_eq!(
                                unmarked.is_some(),
                                restored.as_ref().is_some_and(|one| one.is_unmarked)
                            );
                            assert_eq!(begun.is_some() || unmarked.is_some(), restored.is_some());
                            assert!(
                                !kept_is_own || present.is_some(),
                                "the name would stay empty: {places:?}"
                            );
                            assert!(places.kept.is_none());
                        }
                        Left::Swap {
                            restored: 2,
                            present: old,
                            kept,
                        } => {
                            assert!(matches!(
                                own(&restored),
                                Some(MarkState::Verified | MarkState::Swapping { .. })
                            ));
                            assert_eq!(
                                old.map(|(oid, _)| oid),
                                present.as_ref().map(|one| one.oid)
                            );
                            assert!(
                                old.is_none() || kept.is_none(),
                                "two would be kept: {places:?}"
                            );
                        }
                        Left::Nothing { restored: 1, kept } => {
                            assert!(restored.is_none() && present.is_some());
                            assert_eq!(kept.is_some(), kept_is_own);
                            assert_eq!(done, Some(1), "comments prove nothing");
                        }
                        Left::PutBack { kept: 3 } => assert!(kept_is_own && present.is_none()),
                        Left::Taken { is_restored } => assert!(if is_restored {
                            restored.is_some()
                        } else {
                            places.kept.is_some()
                        }),
                        other => panic!("{other:?} of {places:?}"),
                    }
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 20_000, "{seen}");
}

#[test]
fn what_was_closed_for_the_swap_is_known_to_have_been_open() {
    let swap = |state: MarkState, is_open: bool| {
        let places = Places {
            present: Some(Found {
                is_open,
                ..found(1, "", None)
            }),
            restored: Some(found(2, UID, Some(state))),
            kept: None,
        };
        match left_to_replace(&places, UID, None) {
            Left::Swap {
                present: Some((1, was_open)),
                ..
            } => was_open,
            other => panic!("{other:?}"),
        }
    };
    let swapping = |oid, was_open| MarkState::Swapping {
        oid,
        was_open,
        lock: 7,
    };
    assert!(swap(swapping(1, true), false));
    assert!(
        !swap(swapping(1, false), false),
        "somebody else has closed it"
    );
    assert!(!swap(swapping(7, true), false), "it is another one");
    assert!(!swap(MarkState::Verified, false));
    assert!(swap(MarkState::Verified, true));
}

#[test]
fn beside_nothing_foreign_is_dropped_and_what_is_compared_is_done() {
    for restored in everything(2) {
        let own = restored
            .as_ref()
            .and_then(|one| one.mark.clone())
            .filter(|mark| mark.restore_uid == UID);
        match left_to_restore_beside(restored.as_ref(), UID) {
            Left::Restore { begun: Some(2), .. } => {
                assert_eq!(own.map(|mark| mark.state), Some(MarkState::Making));
            }
            Left::Restore {
                begun: None,
                unmarked,
            } => assert_eq!(unmarked.is_some(), restored.is_some()),
            Left::Nothing {
                restored: 2,
                kept: None,
            } => {
                assert!(own.is_some_and(|mark| mark.may_be_dropped_by(UID)));
            }
            Left::Taken { is_restored: true } => assert!(restored.is_some()),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn doors_that_were_left_closed_are_opened() {
    let row = |name: &str, found: Found, comment: Option<String>| DatabaseRow {
        name: name.to_owned(),
        found,
        comment,
    };
    let closed = |name: &str| {
        let found = Found {
            is_open: false,
            ..found(1, "", None)
        };
        row(name, found, None)
    };
    let marked = |name: &str, of: &str, state: MarkState| {
        let mark = Mark::new(UID, state);
        let comment = mark.write(of, None);
        let found = Found {
            mark: Some(mark),
            ..found(2, UID, None)
        };
        row(name, found, Some(comment))
    };
    let swapping = |was_open| MarkState::Swapping {
        oid: 1,
        was_open,
        lock: -7,
    };
    let restored_as = restored_name("shop", UID);
    let rows = [closed("shop"), marked(&restored_as, "shop", swapping(true))];
    let door = Door {
        name: "shop",
        restored_as: &restored_as,
        restore_uid: UID,
        lock: -7,
    };
    assert_eq!(doors_left_closed(&rows), [door]);
    let none: [Door<'_>; 0] = [];
    let mut open = closed("shop");
    open.found.is_open = true;
    let mut untrusted = marked(&restored_as, "shop", swapping(true));
    untrusted.found.mark = None;
    for (present, restored) in [
        (
            closed("shop"),
            marked(&restored_as, "shop", swapping(false)),
        ),
        (open, marked(&restored_as, "shop", swapping(true))),
        (closed("shop"), untrusted),
        (
            closed("shop"),
            marked(&restored_as, "shop", MarkState::Verified),
        ),
        // Somebody has closed another one.
        (
            closed("other"),
            marked(&restored_as, "shop", swapping(true)),
        ),
        (
            closed("shop"),
            marked(&restored_as, "other", swapping(true)),
        ),
        (closed("shop"), marked("mine", "shop", swapping(true))),
    ] {
        assert_eq!(doors_left_closed(&[present, restored]), none);
    }
}
