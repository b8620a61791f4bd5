//! Which sets are read whole today, so that all are read in turn and no more than is permitted. Pure.

use jiff::Timestamp;

/// A set that may be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleCandidate {
    /// Its directory.
    pub path: String,
    /// Bytes of all its objects.
    pub bytes: u64,
    /// When it was last known to be whole: when it was read, or else stored.
    pub known_whole_at: Timestamp,
    /// Whether it is the newest that counts, and was never read.
    pub is_new: bool,
}

/// What is read today.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// The directories, in the order in which they are read.
    pub paths: Vec<String>,
    /// Bytes that are left for the next days.
    pub credit: u64,
}

/// Chooses what is read today: `daily` bytes, and what was not needed before. The newest set that counts is
/// read once, if half of a day's bytes are enough for it. The other half, at least, is for the set that was
/// read longest ago; where it is not enough it is added up, and nothing else is read before that set. So every
/// set has its turn, however many new ones come.
#[must_use]
pub fn choose_sample(mut candidates: Vec<SampleCandidate>, daily: u64, credit: u64) -> Sample {
    let mut sample = Sample::default();
    let mut left = daily;
    let new = candidates
        .iter()
        .position(|one| one.is_new && one.bytes <= daily / 2);
    if let Some(place) = new {
        let new = candidates.swap_remove(place);
        left -= new.bytes;
        sample.paths.push(new.path);
    }
    left = left.saturating_add(credit);
    candidates.sort_by(|one, other| {
        let order = |of: &SampleCandidate| (of.known_whole_at, of.path.clone());
        order(one).cmp(&order(other))
    });
    for candidate in candidates {
        if candidate.bytes > left {
            sample.credit = left;
            break;
        }
        left -= candidate.bytes;
        sample.paths.push(candidate.path);
    }
    sample
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const DAILY: u64 = 100;

    fn day(number: i64) -> Timestamp {
        Timestamp::from_second(number * 86_400).unwrap_or_default()
    }

    fn candidate(path: &str, bytes: u64, known: i64) -> SampleCandidate {
        SampleCandidate {
            path: path.to_owned(),
            bytes,
            known_whole_at: day(known),
            is_new: false,
        }
    }

    #[test]
    fn a_set_that_is_larger_than_a_day_is_saved_for() {
        let large = || vec![candidate("large", 250, 1), candidate("small", 10, 2)];
        let mut credit = 0;
        for _ in 0..2 {
            let sample = choose_sample(large(), DAILY, credit);
            assert_eq!(sample.paths, Vec::<String>::new(), "none is read before it");
            credit = sample.credit;
        }
        let sample = choose_sample(large(), DAILY, credit);
        assert_eq!(
            (sample.paths, sample.credit),
            (vec!["large".into(), "small".into()], 0)
        );
    }

    #[test]
    fn the_newest_is_read_once_and_takes_no_more_than_half_of_a_day() {
        let new = |bytes| SampleCandidate {
            is_new: true,
            ..candidate("new", bytes, 9)
        };
        let of = |bytes| choose_sample(vec![candidate("old", 50, 1), new(bytes)], DAILY, 0).paths;
        assert_eq!(of(50), ["new", "old"]);
        assert_eq!(of(51), ["old"]);
    }

    proptest! {
        /// A backup each day, of any size, beside sets that were there before: every one of those is read, in
        /// as many days as half of the daily bytes take for all of them; and never more than is permitted.
        #[test]
        fn every_set_has_its_turn(
            sizes in prop::collection::vec(0_u64..400, 1..12), new_size in 0_u64..400, daily in 1_u64..200,
        ) {
            let mut sets: BTreeMap<String, (u64, i64)> = sizes
                .iter()
                .enumerate()
                .map(|(number, bytes)| (format!("old-{number}"), (*bytes, 0)))
                .collect();
            let (all, mut unread) = (sizes.iter().sum::<u64>(), sizes.len());
            let days = i64::try_from(all / daily.div_ceil(2) + 2).unwrap();
            let (mut credit, mut read) = (0, 0);
            for today in 1..=days {
                let new = format!("new-{today}");
                sets.insert(new.clone(), (new_size, today));
                let candidates = sets.iter().map(|(path, (bytes, known))| SampleCandidate {
                    is_new: *path == new,
                    ..candidate(path, *bytes, *known)
                });
                let sample = choose_sample(candidates.collect(), daily, credit);
                credit = sample.credit;
                for path in sample.paths {
                    let (bytes, known) = sets.get_mut(&path).unwrap();
                    unread -= usize::from(*known == 0);
                    *known = today;
                    read += *bytes;
                }
                prop_assert!(read <= daily * u64::try_from(today).unwrap());
            }
            prop_assert_eq!(unread, 0);
        }
    }
}
