//! Amounts of resources as Kubernetes writes them, compared with each other. Pure.
//! <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>

use std::cmp::Ordering;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// What each suffix multiplies by.
const SUFFIXES: &[(&str, f64)] = &[
    ("Ki", 1024.0),
    ("Mi", 1024.0 * 1024.0),
    ("Gi", 1024.0 * 1024.0 * 1024.0),
    ("Ti", 1024.0 * 1024.0 * 1024.0 * 1024.0),
    ("Pi", 1024.0 * 1024.0 * 1024.0 * 1024.0 * 1024.0),
    ("Ei", 1024.0 * 1024.0 * 1024.0 * 1024.0 * 1024.0 * 1024.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
    ("", 1.0),
];

/// An amount as it is written.
pub(super) fn written(amount: &IntOrString) -> String {
    match amount {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(text) => text.clone(),
    }
}

/// Whether it is an amount that somebody can have: 0 or more.
pub(super) fn is_amount(text: &str) -> bool {
    let is_plain = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".+-".contains(&byte))
    };
    text.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && is_plain(text)
        && amount(text).is_some()
}

/// How one amount compares with another; `None` if one of them is none.
pub(super) fn compare(left: &str, right: &str) -> Option<Ordering> {
    amount(left)?.partial_cmp(&amount(right)?)
}

/// An amount of bytes; none if it is no amount.
#[must_use]
pub fn bytes_of(text: &str) -> Option<u64> {
    /// What a number of this type is exact to.
    const MOST: f64 = 9_007_199_254_740_992.0;
    let bytes = amount(text)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is in bounds"
    )]
    (0.0..=MOST).contains(&bytes).then_some(bytes as u64)
}

fn amount(text: &str) -> Option<f64> {
    // With an exponent it is a number as it stands.
    let parsed = |number: &str| {
        number
            .parse::<f64>()
            .ok()
            .filter(|amount| amount.is_finite())
    };
    if text.chars().any(|character| matches!(character, 'e' | 'E'))
        && let Some(amount) = parsed(text)
    {
        return Some(amount);
    }
    let (number, factor) = SUFFIXES
        .iter()
        .find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, factor)))?;
    Some(parsed(number)? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_compared_as_kubernetes_means_them() {
        for (left, right, expected) in [
            ("100m", "0.1", Ordering::Equal),
            ("1", "1000m", Ordering::Equal),
            ("64Mi", "64M", Ordering::Greater),
            ("1Gi", "1024Mi", Ordering::Equal),
            ("1e3", "1k", Ordering::Equal),
            ("1E", "1e18", Ordering::Equal),
            ("32Mi", "64Mi", Ordering::Less),
            ("5n", "1u", Ordering::Less),
        ] {
            assert_eq!(compare(left, right), Some(expected), "{left} {right}");
        }
        assert_eq!(bytes_of("1.5Gi"), Some(1_610_612_736));
        assert_eq!(bytes_of("20G"), Some(20_000_000_000));
        assert_eq!(bytes_of("-1"), None);
        assert_eq!(bytes_of("1E"), None, "no disk");
        for none in ["", "m", "x", "1 Mi", "nan", "inf"] {
            assert_eq!(compare(none, "1"), None, "{none}");
        }
    }
}
