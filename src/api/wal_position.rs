//! A position in the write-ahead log, which only grows, whatever any clock says.

/// A timeline and a position in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct WalPosition {
    timeline: i64,
    bytes: u64,
}

impl WalPosition {
    /// Reads a timeline and a position as Postgres prints it, such as `16/B374D848`.
    #[must_use]
    pub fn parse(timeline: i64, position: &str) -> Option<Self> {
        let (high, low) = position.split_once('/')?;
        let half = |text: &str| u32::from_str_radix(text, 16).ok();
        let bytes = (u64::from(half(high)?) << 32) | u64::from(half(low)?);
        Some(Self { timeline, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_those_that_postgres_prints() {
        let position = |text| WalPosition::parse(1, text);
        assert!(position("1/0") > position("0/FFFFFFFF"));
        assert!(WalPosition::parse(2, "0/1") > position("F/1"));
        for wrong in ["", "1", "1/", "g/1", "1/100000000", "-1/0"] {
            assert_eq!(position(wrong), None, "{wrong}");
        }
    }
}
