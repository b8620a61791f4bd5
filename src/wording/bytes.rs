//! Bytes, what was done of them, and how fast, as text.

use super::number::number;

const UNITS: [(i64, &str); 4] = [
    (1 << 40, "TiB"),
    (1 << 30, "GiB"),
    (1 << 20, "MiB"),
    (1 << 10, "KiB"),
];

/// `4.0 GiB`, `812 bytes`.
#[must_use]
pub fn say_bytes(bytes: i64) -> String {
    let (amount, unit) = in_unit(bytes);
    format!("{amount} {unit}")
}

/// `1.2 of ~4.0 GiB`, `80.0 MiB of ~4.0 GiB`: what was done of an estimate. What is more than the estimate says
/// nothing of it.
#[must_use]
pub fn say_part(done: i64, estimate: Option<i64>) -> String {
    let Some(all) = estimate.filter(|all| *all > done) else {
        return say_bytes(done);
    };
    let ((done, of_done), (all, of_all)) = (in_unit(done), in_unit(all));
    if of_done == of_all {
        format!("{done} of ~{all} {of_all}")
    } else {
        format!("{done} {of_done} of ~{all} {of_all}")
    }
}

/// `85 MiB/s`, `8.5 MiB/s`.
#[must_use]
pub fn say_pace(bytes_per_second: i64) -> String {
    let (amount, unit) = in_unit(bytes_per_second);
    let whole = amount.split('.').next().unwrap_or_default();
    if whole.len() > 1 {
        format!("{whole} {unit}/s")
    } else {
        format!("{amount} {unit}/s")
    }
}

/// Cut to a tenth of the largest unit of which there is at least one.
fn in_unit(bytes: i64) -> (String, &'static str) {
    let Some((size, unit)) = UNITS.into_iter().find(|(size, _)| bytes >= *size) else {
        return (number(bytes), "bytes");
    };
    let tenths = i128::from(bytes).saturating_mul(10) / i128::from(size);
    (format!("{}.{}", tenths / 10, tenths % 10), unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_said_in_the_largest_unit() {
        let said = [0, 812, 1 << 10, 1_288_490_189, 4 << 30, 3 << 40].map(say_bytes);
        let expected = [
            "0 bytes",
            "812 bytes",
            "1.0 KiB",
            "1.2 GiB",
            "4.0 GiB",
            "3.0 TiB",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn a_part_is_said_with_its_estimate_as_long_as_that_can_be_true() {
        let of = |done, all| say_part(done, all);
        assert_eq!(of(1_288_490_189, Some(4 << 30)), "1.2 of ~4.0 GiB");
        assert_eq!(of(80 << 20, Some(4 << 30)), "80.0 MiB of ~4.0 GiB");
        assert_eq!(of(5 << 30, Some(4 << 30)), "5.0 GiB");
        assert_eq!(of(5 << 30, None), "5.0 GiB");
    }

    #[test]
    fn a_pace_has_a_fraction_only_where_it_is_small() {
        let said = [512, 85 << 20, 8_912_896, 1 << 30].map(say_pace);
        assert_eq!(said, ["512 bytes/s", "85 MiB/s", "8.5 MiB/s", "1.0 GiB/s"]);
    }
}
