//! Specs from before the definition's schema refused them: what depends on them waits, the message
//! names the field, and the guard is never weakened.

use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::sample::Sample;
use super::sample_objects::{reset, unjudged};
use super::sample_parts::known;
use crate::api::{
    ConditionStatus, ConditionType, Encryption, ProtectedDatabaseSpec, WhenUnverifiable, reasons,
};
use crate::decide::decide;
use crate::plan::{Plan, Step};
use crate::world::{Fact, GateFact};

type Change = fn(&mut ProtectedDatabaseSpec);

const INVALID_VERIFICATION: &[(&str, Change)] = &[
    ("spec.verification.timeout", |spec| {
        spec.verification.timeout = "soon".to_owned();
    }),
    ("spec.verification.countingBudget", |spec| {
        spec.verification.counting_budget = "0ms".to_owned();
    }),
    ("spec.verification.gate.timeout", |spec| {
        spec.verification.gate.timeout = "25h".to_owned();
    }),
    ("spec.verification.baseline.maxDropPercent", |spec| {
        spec.verification.baseline.max_drop_percent = IntOrString::Int(900);
    }),
    ("spec.verification.tables[0].name", |spec| {
        spec.verification.tables[0].name = "experts".to_owned();
    }),
    ("spec.connection.port", |spec| spec.connection.port = 0),
];

const INVALID_BACKUP: &[(&str, Change)] = &[
    ("spec.backup.schedule", |spec| {
        spec.backup
            .iter_mut()
            .for_each(|backup| backup.schedule = "never".to_owned());
    }),
    ("spec.backup.timeZone", |spec| {
        spec.backup
            .iter_mut()
            .for_each(|backup| backup.time_zone = Some("Mars".to_owned()));
    }),
    ("spec.backup.window", |spec| {
        spec.backup
            .iter_mut()
            .for_each(|backup| backup.window = Some("25h".to_owned()));
    }),
    ("spec.backup.deadline", |spec| {
        spec.backup
            .iter_mut()
            .for_each(|backup| backup.deadline = "8d".to_owned());
    }),
    ("spec.backup.storage.s3.endpoint", |spec| {
        spec.backup.iter_mut().for_each(|backup| {
            backup.storage.s3.endpoint = Some("s3.storage".to_owned());
        });
    }),
];

#[expect(
    clippy::needless_pass_by_value,
    reason = "samples are built where they are planned for"
)]
fn plan(sample: Sample) -> Plan {
    decide(&sample.0)
}

fn is_a_check(step: &Step) -> bool {
    matches!(
        step,
        Step::CreateCheck(_)
            | Step::SetCheckTarget { .. }
            | Step::CreateJob(_)
            | Step::WriteVerdict { .. }
    )
}

fn said(plan: &Plan, condition: ConditionType) -> (ConditionStatus, &'static str, &str) {
    let found = plan
        .conditions
        .iter()
        .find(|found| found.condition == condition)
        .unwrap();
    (found.status, found.reason, &found.message)
}

#[test]
fn an_invalid_field_of_the_verification_is_named_and_holds_checks() {
    let valid = plan(Sample::settled().restarted());
    assert!(valid.steps.iter().any(is_a_check), "a restart is checked");
    for (field, change) in INVALID_VERIFICATION {
        let held = plan(Sample::settled().restarted().wanted(change));
        assert!(!held.steps.iter().any(is_a_check), "{field}: {held:#?}");
        let (status, reason, message) = said(&held, ConditionType::Stalled);
        assert_eq!(
            (status, reason),
            (ConditionStatus::True, reasons::INVALID_SPEC)
        );
        assert!(
            message.starts_with(&format!("{field}: ")),
            "{field}: {message}"
        );
        let (status, reason, _) = said(&held, ConditionType::DataVerified);
        assert_eq!(
            (status, reason),
            (ConditionStatus::Unknown, reasons::INVALID_SPEC)
        );
    }
}

#[test]
fn a_schedule_that_can_not_be_used_is_named_and_holds_only_itself() {
    for line in ["every day", "0 0 31 2 *"] {
        let wrong = |sample: Sample| {
            plan(sample.wanted(|spec| spec.verification.schedule = Some(line.to_owned())))
        };
        let restarted = wrong(Sample::settled().restarted());
        assert!(restarted.steps.iter().any(is_a_check), "{line}");
        let (status, reason, message) = said(&restarted, ConditionType::Stalled);
        assert_eq!(
            (status, reason),
            (ConditionStatus::True, reasons::INVALID_SPEC)
        );
        assert!(
            message.starts_with("spec.verification.schedule: "),
            "{message}"
        );
        let (_, reason, _) = said(&restarted, ConditionType::DataVerified);
        assert_eq!(reason, reasons::CHECKING);
    }
}

#[test]
fn an_invalid_field_of_the_backup_is_named_and_changes_no_cron_job() {
    for (field, change) in INVALID_BACKUP {
        let held = plan(Sample::settled().wanted(change));
        let is_backup = |step: &Step| {
            matches!(
                step,
                Step::ApplyCronJob(_) | Step::CreateJob(_) | Step::DeleteCronJob(_)
            )
        };
        assert!(!held.steps.iter().any(is_backup), "{field}: {held:#?}");
        let (status, reason, message) = said(&held, ConditionType::BackupFresh);
        assert_eq!(
            (status, reason),
            (ConditionStatus::False, reasons::INVALID_SPEC)
        );
        assert!(
            message.starts_with(&format!("{field}: ")),
            "{field}: {message}"
        );
        let (status, ..) = said(&held, ConditionType::Stalled);
        assert_eq!(status, ConditionStatus::True, "{field}");
    }
}

const RECIPIENT: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";

/// What is planned for the CronJob of backups while their schedule is invalid.
fn planned_with_typo(cron_job: CronJob, recipients: &'static [&'static str]) -> Vec<Step> {
    let sample = Sample::settled()
        .with(|observed| observed.cron_job = Fact::Known(Some(cron_job)))
        .wanted(|spec| {
            let backup = spec.backup.as_mut().unwrap();
            backup.schedule = "never".to_owned();
            backup.encryption = Some(encrypted_for(recipients));
        });
    let planned = plan(sample).steps.into_iter();
    planned
        .filter(|step| matches!(step, Step::ApplyCronJob(_) | Step::DeleteCronJob(_)))
        .collect()
}

fn encrypted_for(recipients: &[&str]) -> Encryption {
    Encryption {
        age_recipients: recipients.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn no_backup_goes_on_that_others_could_read_than_the_spec_says() {
    let present = |sample: &Sample| sample.0.cron_job.known().unwrap().clone().unwrap();
    // Those without a recipient are as an earlier version wrote them.
    for recipients in [&[RECIPIENT] as &[&str], &["age1wrong"], &[]] {
        let unencrypted = present(&Sample::settled());
        let planned = planned_with_typo(unencrypted, recipients);
        assert!(
            matches!(planned.as_slice(), [Step::DeleteCronJob(_)]),
            "backups that are not encrypted do not go on: {recipients:?}"
        );
    }
    let wanted = Sample::settled().wanted(|spec| {
        spec.backup.as_mut().unwrap().encryption = Some(encrypted_for(&[RECIPIENT]));
    });
    let applied = plan(wanted).steps.into_iter().find_map(|step| match step {
        Step::ApplyCronJob(cron_job) => Some(*cron_job),
        _ => None,
    });
    let encrypted = CronJob {
        metadata: present(&Sample::settled()).metadata,
        ..applied.unwrap()
    };
    assert!(
        planned_with_typo(encrypted.clone(), &[RECIPIENT]).is_empty(),
        "those for the same recipients do"
    );
    assert!(
        matches!(
            planned_with_typo(encrypted, &["age1wrong"]).as_slice(),
            [Step::DeleteCronJob(_)]
        ),
        "those for others do not"
    );
}

#[test]
fn an_invalid_spec_never_weakens_the_guard() {
    let marks = |sample: Sample| -> Vec<Step> {
        let guards = |step: &Step| {
            matches!(
                step,
                Step::MarkDatabase(_)
                    | Step::RetainVolume(_)
                    | Step::MarkVolume(_)
                    | Step::MarkClaim(_)
                    | Step::MarkWorkload(..)
                    | Step::MarkNamespace(_)
                    | Step::ReleaseClaim(_)
                    | Step::ReleaseVolume(_)
                    | Step::ReleaseWorkload(..)
                    | Step::ReleaseNamespace(_)
                    | Step::ReleaseLedger(_)
            )
        };
        plan(sample).steps.into_iter().filter(guards).collect()
    };
    assert!(!marks(Sample::first_sight()).is_empty());
    assert_eq!(marks(Sample::settled()), []);
    for (field, change) in INVALID_VERIFICATION.iter().chain(INVALID_BACKUP) {
        // The generation is that of the valid spec, so that the writes can be compared whole.
        let invalid = |sample: Sample| sample.database(|database| change(&mut database.spec));
        assert_eq!(
            marks(invalid(Sample::first_sight())),
            marks(Sample::first_sight()),
            "{field}: what is not guarded yet is guarded anyway"
        );
        assert_eq!(
            marks(invalid(Sample::settled())),
            [],
            "{field}: what is guarded stays so"
        );
        let (status, ..) = said(&plan(invalid(Sample::settled())), ConditionType::Guarded);
        assert_eq!(status, ConditionStatus::True, "{field}");
    }
}

#[test]
fn a_gate_whose_timeout_can_not_be_read_stays_closed() {
    let gated = |timeout: &str| {
        let restarted = Sample::settled().restarted().wanted(|spec| {
            timeout.clone_into(&mut spec.verification.gate.timeout);
            spec.verification.gate.when_unverifiable = WhenUnverifiable::Open;
        });
        let restarted = restarted.with(|observed| {
            for pod in known(&mut observed.pods) {
                pod.gate = Some(GateFact::default());
            }
        });
        plan(restarted)
            .steps
            .iter()
            .any(|step| matches!(step, Step::SetGate(step) if step.gate.is_open))
    };
    assert!(gated("1s"), "the person prefers traffic to knowing");
    assert!(!gated("soon"));
}

#[test]
fn nothing_is_judged_by_rules_that_can_not_be_read() {
    let looks_reset =
        || Sample::settled().and_check(unjudged(reset("knowledge-2", "2026-02-01T09:29:00Z")));
    let judges = |plan: &Plan| {
        plan.steps
            .iter()
            .any(|step| matches!(step, Step::WriteVerdict { .. }))
    };
    assert!(judges(&plan(looks_reset())));
    for (field, change) in INVALID_VERIFICATION {
        let is_rule = field.contains(".baseline.") || field.contains(".tables[");
        let invalid = plan(looks_reset().wanted(change));
        assert_eq!(judges(&invalid), !is_rule, "{field}");
    }
}
