//! Which `DatabaseRestore`s were carried out for a database: noted on the `ProtectedDatabase`, so that
//! one which a tool creates again does nothing. Pure.

use super::is_object_name;

/// The longest note, in bytes: some hundred restores. None is ever forgotten, because a tool may create
/// any of them again.
const LIMIT: usize = 65_536;

/// A restore that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarriedOut {
    /// Name of the `DatabaseRestore`.
    pub restore: String,
    /// The volume that it was for, or `backup.NAME`, `backup.latest-good`, or `set.DIGITS` of a manifest.
    pub source: String,
    /// UID of the `DatabaseRestore`.
    pub uid: String,
}

impl CarriedOut {
    /// Reads the note: `RESTORE/SOURCE/UID`, with commas between. What is none of these is passed
    /// over.
    #[must_use]
    pub fn read(note: &str) -> Vec<Self> {
        let entries = note.split(',').filter_map(|entry| {
            let mut parts = entry.split('/');
            let names = [parts.next()?, parts.next()?, parts.next()?];
            let are_names = names.iter().all(|name| is_object_name(name));
            (are_names && parts.next().is_none()).then(|| Self {
                restore: names[0].to_owned(),
                source: names[1].to_owned(),
                uid: names[2].to_owned(),
            })
        });
        entries.collect()
    }

    /// The note with one more; the newest last. `None` if it is in it.
    #[must_use]
    pub fn add(note: &str, added: &Self) -> Option<String> {
        let mut all = Self::read(note);
        if all.contains(added) {
            return None;
        }
        all.push(added.clone());
        let entries = all
            .iter()
            .map(|entry| format!("{}/{}/{}", entry.restore, entry.source, entry.uid));
        Some(entries.collect::<Vec<_>>().join(","))
    }

    /// Whether the note has no space for one more: what could not be remembered is not to be begun.
    #[must_use]
    pub fn is_full(note: &str, added: &Self) -> bool {
        Self::add(note, added).is_some_and(|note| note.len() > LIMIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: usize) -> CarriedOut {
        CarriedOut {
            restore: format!("back-{number}"),
            source: "pv-1".to_owned(),
            uid: format!("u-{number}"),
        }
    }

    fn note(count: usize) -> String {
        let entries = (0..count).map(|number| format!("back-{number}/pv-1/u-{number}"));
        entries.collect::<Vec<_>>().join(",")
    }

    #[test]
    fn all_are_remembered_in_order_until_there_is_no_space() {
        let mut length = 0;
        let fits = |number: &usize| {
            length += format!(",back-{number}/pv-1/u-{number}").len();
            length <= LIMIT + 1
        };
        let count = (0..LIMIT).take_while(fits).count();
        assert!(count > 1_000, "{count}");
        let (before, full) = (note(count - 1), note(count));
        let last = entry(count - 1);
        assert!(!CarriedOut::is_full(&before, &last));
        assert_eq!(CarriedOut::add(&before, &last).as_ref(), Some(&full));
        assert!(CarriedOut::is_full(&full, &entry(count)));
        let read = CarriedOut::read(&full);
        assert_eq!(read, (0..count).map(entry).collect::<Vec<_>>());
        assert_eq!(CarriedOut::add(&full, &entry(0)), None);
        assert!(!CarriedOut::is_full(&full, &entry(0)), "it is in it");
    }

    #[test]
    fn what_is_no_note_is_passed_over() {
        let texts = [
            "",
            "back",
            "back/pv-1",
            "back/pv-1/u-1/more",
            "b k/pv-1/u-1",
            "a/b/$(rm)",
        ];
        for text in texts {
            assert_eq!(CarriedOut::read(text), [], "{text}");
        }
    }
}
