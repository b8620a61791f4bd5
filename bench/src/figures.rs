//! Smallest, middle and largest of several measurements, and what one costs beside another. Pure.

/// What several measurements of the same thing gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The smallest.
    pub minimum: f64,
    /// The one in the middle, or the mean of the two there.
    pub median: f64,
    /// The largest.
    pub maximum: f64,
}

impl Spread {
    /// Of these; none of nothing.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (minimum, maximum) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        } else {
            sorted[middle]
        };
        Some(Self {
            minimum,
            median,
            maximum,
        })
    }
}

/// How much less there was each time, in percent; what is less than nothing was noise.
pub fn losses(without: &[f64], with: &[f64]) -> Vec<f64> {
    without
        .iter()
        .zip(with)
        .map(|(without, with)| (1.0 - with / without) * 100.0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(
            Spread::of([3.0, 1.0, 2.0]),
            Some(Spread {
                minimum: 1.0,
                median: 2.0,
                maximum: 3.0
            })
        );
        assert_eq!(
            Spread::of([4.0, 1.0, 2.0, 3.0]),
            Some(Spread {
                minimum: 1.0,
                median: 2.5,
                maximum: 4.0
            })
        );
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn a_loss_is_told_of_each_pair() {
        assert_eq!(losses(&[100.0, 200.0], &[75.0, 250.0]), [25.0, -25.0]);
    }
}
