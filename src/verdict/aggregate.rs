//! One verdict for a database of several pods.

use crate::api::{CheckOutcome, reasons};

use super::input::Verdict;

/// Joins the verdicts of the newest checks of all running pods: a suspected reset of any one wins,
/// then a good verdict (which only a primary gets), then the reason why nothing can be said, that
/// of a replica last.
#[must_use]
pub fn aggregate(verdicts: &[Verdict]) -> Verdict {
    let of = |outcome: CheckOutcome| verdicts.iter().find(|verdict| verdict.outcome == outcome);
    of(CheckOutcome::Suspected)
        .or_else(|| of(CheckOutcome::Verified))
        .or_else(|| {
            verdicts
                .iter()
                .find(|verdict| verdict.reason != reasons::IN_RECOVERY)
        })
        .or_else(|| verdicts.first())
        .cloned()
        .unwrap_or_else(|| Verdict {
            outcome: CheckOutcome::Unverifiable,
            reason: reasons::NO_RUNNING_POD,
            message: "no pod runs, so nothing can be checked; start the workload".to_owned(),
            findings: Vec::new(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use CheckOutcome::{Suspected, Unverifiable, Verified};

    fn verdict(outcome: CheckOutcome, reason: &'static str) -> Verdict {
        Verdict {
            outcome,
            reason,
            message: String::new(),
            findings: Vec::new(),
        }
    }

    #[test]
    fn suspicion_wins_then_a_primary_then_the_reason_that_a_person_can_act_on() {
        let (good, bad) = (
            verdict(Verified, reasons::VERIFIED),
            verdict(Suspected, reasons::ROWS_DROPPED),
        );
        let (replica, refused) = (
            verdict(Unverifiable, reasons::IN_RECOVERY),
            verdict(Unverifiable, reasons::AUTHENTICATION_FAILED),
        );
        let join = |verdicts: &[&Verdict]| {
            aggregate(
                &verdicts
                    .iter()
                    .map(|verdict| (*verdict).clone())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(join(&[&good, &bad, &replica]), bad);
        assert_eq!(join(&[&replica, &refused, &good]), good);
        assert_eq!(join(&[&replica, &refused]), refused);
        assert_eq!(join(&[&replica]), replica);
        assert_eq!(join(&[]).reason, reasons::NO_RUNNING_POD);
    }
}
