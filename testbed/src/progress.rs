//! What the person sees while the testbed works: a line per step on standard error, with the
//! seconds it took.

use std::time::{Duration, Instant};

/// Says something, on standard error: standard output belongs to what a command was asked for.
pub fn say(text: &str) {
    eprintln!("testbed: {text}");
}

/// Does one step: says when it is done and how long it took.
pub fn step<T, E>(name: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let begun = Instant::now();
    let outcome = work();
    match &outcome {
        Ok(_) => say(&format!("{name}: {}", in_words(begun.elapsed()))),
        Err(_) => say(&format!(
            "{name}: failed after {}",
            in_words(begun.elapsed())
        )),
    }
    outcome
}

/// A duration as a person would say it: `0.4 s`, `38 s`, `6 min 40 s`.
#[must_use]
pub fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        _ => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(in_words(Duration::from_millis(420)), "0.4 s");
        assert_eq!(in_words(Duration::from_secs(38)), "38 s");
        assert_eq!(in_words(Duration::from_secs(400)), "6 min 40 s");
    }
}
