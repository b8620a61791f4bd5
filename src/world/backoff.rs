//! How long to wait before something is restored once more: whoever changes it again and again, such as
//! a tool that applies an older manifest, would fight the operator for ever. Pure.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How many times in a row something is restored at once.
const AT_ONCE: u32 = 5;
/// How long to wait after that; twice as long each time.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// The longest wait. Until then `Guarded` is False.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// After how long without a change the next one is a first one again.
const PEACE: Duration = Duration::from_mins(2);

/// Why something is not restored at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepairPause {
    /// How many times in a row it was restored.
    pub times: u32,
    /// How long it is not restored again.
    pub wait: Duration,
}

/// What was restored how many times in a row.
#[derive(Debug, Default)]
pub struct Backoff(BTreeMap<String, Fight>);

#[derive(Debug)]
struct Fight {
    repairs: u32,
    last: Instant,
}

impl Backoff {
    /// How long to wait before something is restored; nothing most of the time.
    #[must_use]
    pub fn wait(&self, name: &str, now: Instant) -> Duration {
        let pause = self.pause(name, now);
        pause.map_or(Duration::ZERO, |pause| pause.wait)
    }

    /// What whoever restores something waits for, if it has to wait.
    #[must_use]
    pub fn pause(&self, name: &str, now: Instant) -> Option<RepairPause> {
        self.pause_up_to(name, now, LONGEST_WAIT)
    }

    /// The same for what may not wait longer than that.
    #[must_use]
    pub fn pause_up_to(&self, name: &str, now: Instant, longest: Duration) -> Option<RepairPause> {
        let fight = self.in_a_row(name, now)?;
        let until = fight.last + pause(fight.repairs).min(longest);
        let wait = until.saturating_duration_since(now);
        (!wait.is_zero()).then_some(RepairPause {
            times: fight.repairs,
            wait,
        })
    }

    /// Notes that something was restored. Says how many times in a row, and how long to wait before the
    /// next, if at all.
    pub fn note(&mut self, name: &str, now: Instant) -> Option<(u32, Duration)> {
        self.0
            .retain(|_, fight| now.saturating_duration_since(fight.last) <= PEACE);
        let repairs = self.in_a_row(name, now).map_or(0, |fight| fight.repairs) + 1;
        self.0.insert(name.to_owned(), Fight { repairs, last: now });
        let pause = pause(repairs);
        (!pause.is_zero()).then_some((repairs, pause))
    }

    fn in_a_row(&self, name: &str, now: Instant) -> Option<&Fight> {
        let fight = self.0.get(name)?;
        let is_over = now.saturating_duration_since(fight.last) > PEACE;
        (!is_over).then_some(fight)
    }
}

/// How long to wait after so many times.
fn pause(repairs: u32) -> Duration {
    match repairs.checked_sub(AT_ONCE) {
        None => Duration::ZERO,
        Some(more) => LONGEST_WAIT.min(FIRST_WAIT * 2_u32.saturating_pow(more.min(8))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fight_is_waited_out_longer_and_longer() {
        let (mut backoff, mut now) = (Backoff::default(), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..11 {
            let wait = backoff.wait("policy", now);
            waits.push(wait.as_secs());
            now += wait;
            let _ = backoff.note("policy", now);
        }
        assert_eq!(waits, [0, 0, 0, 0, 0, 5, 10, 20, 40, 60, 60]);
        assert_eq!(backoff.wait("other", now), Duration::ZERO);
        assert_eq!(backoff.pause("other", now), None);
        let pause = backoff.pause("policy", now).map(|pause| pause.times);
        assert_eq!(pause, Some(11));
        let shorter = backoff.pause_up_to("policy", now, FIRST_WAIT);
        assert_eq!(shorter.map(|pause| pause.wait), Some(FIRST_WAIT));
    }

    #[test]
    fn after_a_time_of_peace_it_is_restored_at_once() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        for _ in 0..9 {
            let _ = backoff.note("policy", now);
        }
        let later = now + PEACE + Duration::from_secs(1);
        assert_eq!(backoff.wait("policy", later), Duration::ZERO);
        assert_eq!(backoff.note("other", later), None);
        assert_eq!(backoff.0.len(), 1, "what has ended is forgotten");
        assert_eq!(backoff.note("policy", later), None);
    }
}
