//! How large each part of an upload is: fixed where the storage wants it, growing where more comes
//! than was expected. Pure.

use super::PartRules;

/// The smallest part: S3 asks for 5 MiB, and fewer requests are faster.
pub const SMALLEST_PART: usize = 8 << 20;
/// The largest part that S3 takes.
const LARGEST_PART: u64 = 5 << 30;
/// Parts that wait for the storage or are on their way, in bytes. One is filled meanwhile.
const IN_FLIGHT_BYTES: usize = 32 << 20;
/// The most parts that are on their way at the same time.
const IN_FLIGHT: usize = 4;
/// After the first half, parts double this often until the last one.
const DOUBLINGS: i32 = 10;
/// How often the expected bytes fit into parts of one size, where these can't grow.
const RESERVE: u64 = 4;

/// The sizes of the parts of one upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartSizes {
    rules: PartRules,
    first: u64,
}

impl PartSizes {
    /// Sizes for an object of which `expected` bytes are expected; it may well become larger.
    #[must_use]
    pub fn new(rules: PartRules, expected: u64) -> Self {
        let limit = u64::from(rules.limit.unsigned_abs());
        let parts = if rules.are_equal {
            limit / RESERVE
        } else {
            limit / 2
        };
        let mebibytes = expected.div_ceil(parts.max(1)).div_ceil(1 << 20);
        Self {
            rules,
            first: (mebibytes << 20).clamp(SMALLEST_PART as u64, LARGEST_PART),
        }
    }

    /// Size of the part of that number, from 1; none if there may be no such part.
    #[must_use]
    pub fn of(&self, number: i32) -> Option<usize> {
        if number > self.rules.limit {
            return None;
        }
        let half = self.rules.limit / 2;
        let doublings = if self.rules.are_equal || number <= half {
            0
        } else {
            let step = (half / DOUBLINGS).max(1);
            (number - half - 1) / step + 1
        };
        let factor = 1_u64 << doublings.clamp(0, DOUBLINGS);
        usize::try_from((self.first * factor).min(LARGEST_PART)).ok()
    }

    /// How many parts of a size may be on their way.
    #[must_use]
    pub const fn in_flight(size: usize) -> usize {
        let fit = IN_FLIGHT_BYTES / size;
        if fit < 1 {
            1
        } else if fit > IN_FLIGHT {
            IN_FLIGHT
        } else {
            fit
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: PartRules = PartRules {
        limit: 10_000,
        are_equal: false,
    };
    const FEW: PartRules = PartRules {
        limit: 1_000,
        are_equal: false,
    };
    const EQUAL: PartRules = PartRules {
        limit: 10_000,
        are_equal: true,
    };

    fn capacity(sizes: &PartSizes) -> u64 {
        (1..)
            .map_while(|number| sizes.of(number))
            .map(|size| size as u64)
            .sum()
    }

    #[test]
    fn what_is_expected_fits_several_times_and_no_part_is_too_large() {
        for expected in [0, 10 << 30, 100 << 30, 1_u64 << 40, 10 << 40] {
            for (rules, times) in [(ANY, 10), (FEW, 10), (EQUAL, RESERVE)] {
                let sizes = PartSizes::new(rules, expected);
                let capacity = capacity(&sizes);
                let most = u64::from(rules.limit.unsigned_abs()) * LARGEST_PART;
                // Parts of 5 GiB can't grow any more.
                let wanted = (expected * times).min(most / 4);
                assert!(capacity >= wanted, "{rules:?} {expected} {capacity}");
                assert_eq!(sizes.of(rules.limit + 1), None);
                assert!((1..=rules.limit).all(|number| {
                    sizes
                        .of(number)
                        .is_some_and(|size| size as u64 <= LARGEST_PART)
                }));
            }
        }
    }

    #[test]
    fn a_large_upload_goes_on_where_parts_of_one_size_would_end() {
        let (growing, equal) = (PartSizes::new(ANY, 0), PartSizes::new(EQUAL, 0));
        assert_eq!(capacity(&equal), 10_000 * (8 << 20));
        assert!(capacity(&growing) > 5 << 40, "5 TiB, S3's largest object");
        assert!(capacity(&PartSizes::new(FEW, 0)) > 500 << 30);
        assert!((1..=9_999).all(|number| equal.of(number) == equal.of(number + 1)));
    }

    #[test]
    fn memory_is_bounded_however_many_parts_are_on_their_way() {
        for size in [8 << 20, 10 << 20, 16 << 20, 32 << 20, 200 << 20] {
            let parts = PartSizes::in_flight(size) + 1;
            assert!(parts >= 2);
            assert!(parts * size <= (48 << 20).max(2 * size), "{size}");
        }
        assert_eq!(PartSizes::in_flight(8 << 20), IN_FLIGHT);
    }
}
