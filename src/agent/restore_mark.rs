//! The comment on a database that says which restore it belongs to, and how far that is. Only what
//! carries the comment of a restore is ever dropped by it. Pure.

/// How every comment of a restore begins.
const BEGIN: &str = "holdfast restore ";

/// How far a database of a restore is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarkState {
    /// Something is being restored into it: it may be dropped.
    Making,
    /// All in it was compared with the manifest.
    Verified,
    /// The same, and it is about to take the name of that database, which may be closed for it.
    Swapping {
        /// Object id of the database in its place.
        oid: i64,
        /// Whether that one accepted connections before.
        was_open: bool,
        /// Number of the lock in the server that the restore has as long as it runs.
        lock: i64,
    },
    /// It was in the place of a restored one.
    Kept,
    /// It was restored, and nothing was in its place.
    Done,
}

/// The comment of a restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// UID of the `DatabaseRestore`.
    pub restore_uid: String,
    pub state: MarkState,
}

impl Mark {
    /// Joins the two.
    #[must_use]
    pub fn new(restore_uid: &str, state: MarkState) -> Self {
        Self {
            restore_uid: restore_uid.to_owned(),
            state,
        }
    }

    /// The comment. It has the database's whole name, which its own name may have only in part, and
    /// what was its comment before.
    #[must_use]
    pub fn write(&self, name: &str, before: Option<&str>) -> String {
        let state = match &self.state {
            MarkState::Making => "making".to_owned(),
            MarkState::Verified => "verified".to_owned(),
            MarkState::Swapping {
                oid,
                was_open,
                lock,
            } => {
                let door = if *was_open { "open" } else { "closed" };
                format!("swapping-{oid}-{door}-{lock}")
            }
            MarkState::Kept => "kept".to_owned(),
            MarkState::Done => "done".to_owned(),
        };
        let before = before.map_or_else(String::new, |before| format!("\n{before}"));
        format!("{BEGIN}{} {state} of {name}{before}", self.restore_uid)
    }

    /// Reads a comment; none if it is not of a restore.
    #[must_use]
    pub fn read(comment: &str) -> Option<Self> {
        let (restore_uid, rest) = comment.strip_prefix(BEGIN)?.split_once(' ')?;
        let (state, _) = rest.split_once(" of ")?;
        let state = match state {
            "making" => MarkState::Making,
            "verified" => MarkState::Verified,
            "kept" => MarkState::Kept,
            "done" => MarkState::Done,
            other => {
                let (oid, rest) = other.strip_prefix("swapping-")?.split_once('-')?;
                let (door, lock) = rest.split_once('-')?;
                MarkState::Swapping {
                    lock: lock.parse().ok()?,
                    oid: oid.parse().ok()?,
                    was_open: match door {
                        "open" => true,
                        "closed" => false,
                        _ => return None,
                    },
                }
            }
        };
        Some(Self::new(restore_uid, state))
    }

    /// Whether a comment is that of a restore of the database of this name.
    #[must_use]
    pub fn is_of(&self, comment: &str, name: &str) -> bool {
        let rest = comment.strip_prefix(&self.write(name, None));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('\n'))
    }

    /// Whether only the restore itself can have written it: it owns what is not in its place yet. What
    /// is kept or done belongs to the owner of the database, who can write any comment.
    #[must_use]
    pub const fn is_of_own_database(&self) -> bool {
        matches!(
            self.state,
            MarkState::Making | MarkState::Verified | MarkState::Swapping { .. }
        )
    }

    /// What the comment of a database of this name was before a restore wrote its own.
    #[must_use]
    pub fn before(comment: &str, name: &str) -> Option<String> {
        if Self::read(comment).is_none() {
            return Some(comment.to_owned()).filter(|comment| !comment.is_empty());
        }
        let (_, rest) = comment.split_once(" of ")?;
        let before = rest.strip_prefix(name)?.strip_prefix('\n')?;
        // There may have been several.
        Self::before(before, name)
    }

    /// Whether a restore may drop a database with this comment: it made it, and nobody uses it yet.
    #[must_use]
    pub fn may_be_dropped_by(&self, restore_uid: &str) -> bool {
        self.restore_uid == restore_uid && self.is_of_own_database()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        for state in [
            MarkState::Making,
            MarkState::Verified,
            MarkState::Swapping {
                oid: 16_384,
                was_open: true,
                lock: -7,
            },
            MarkState::Swapping {
                oid: 1,
                was_open: false,
                lock: i64::MIN,
            },
            MarkState::Kept,
            MarkState::Done,
        ] {
            let mark = Mark::new("uid-1", state);
            for name in ["shop", "a of b\n'\"", ""] {
                let text = mark.write(name, Some("holdfast restore x making of y"));
                assert_eq!(Mark::read(&text), Some(mark.clone()), "{text}");
                assert!(mark.is_of(&text, name) && !mark.is_of(&text, "sho"));
            }
        }
    }

    #[test]
    fn what_was_the_comment_before_is_known() {
        let mark = |name: &str, before: Option<&str>| {
            Mark::new("uid-1", MarkState::Kept).write(name, before)
        };
        for name in ["shop", "a of b\nc"] {
            for before in [None, Some("the shop"), Some("two\nlines of text")] {
                let once = mark(name, before);
                let twice = mark(name, Some(&once));
                assert_eq!(Mark::before(&once, name).as_deref(), before);
                assert_eq!(Mark::before(&twice, name).as_deref(), before);
            }
        }
        assert_eq!(
            Mark::before("the shop", "shop").as_deref(),
            Some("the shop")
        );
        assert_eq!(Mark::before("", "shop"), None);
    }

    #[test]
    fn only_its_own_database_that_nobody_uses_may_be_dropped() {
        let may = |text: &str| Mark::read(text).is_some_and(|mark| mark.may_be_dropped_by("uid-1"));
        assert!(may("holdfast restore uid-1 making of shop"));
        assert!(may("holdfast restore uid-1 verified of shop"));
        assert!(may("holdfast restore uid-1 swapping-7-open-1 of shop"));
        for other in [
            "holdfast restore uid-1 kept of shop",
            "holdfast restore uid-1 done of shop",
            "holdfast restore uid-2 making of shop",
            "holdfast restore uid-11 making of shop",
            "holdfast restore uid-1 swapping-7-ajar-1 of shop",
            "holdfast restore uid-1 making",
            " holdfast restore uid-1 making of shop",
            "the shop",
            "",
        ] {
            assert!(!may(other), "{other}");
        }
    }
}
