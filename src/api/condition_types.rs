//! The types of condition on a `ProtectedDatabase`, and the one table of what each means to the
//! rest of the program: for Ready, events, alerts, metrics and every list that users read.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::Serialize;

use super::{ConditionStatus, ProtectedDatabaseSpec, reasons};

/// The types and their order at once, so that none can be left out of [`ConditionType::ALL`].
macro_rules! condition_types {
    ($($name:ident),* $(,)?) => {
        /// The types of condition on a `ProtectedDatabase`, one owner each, in the order in which
        /// they are shown: what you should act on first comes first.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum ConditionType {
            $(#[allow(missing_docs, reason = "`ConditionRow::meaning` says it")] $name,)*
        }

        impl ConditionType {
            /// Every type, in the order in which they are shown.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The word in `status.conditions[].type`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

condition_types! {
    Ready,
    Stalled,
    DataReset,
    Guarded,
    DataVerified,
    DataChanged,
    FilesMatch,
    BackupFresh,
    RestoreProven,
    Reconciling,
}

/// What one type of condition means to the rest of the program.
#[derive(Clone, Copy, Debug)]
pub struct ConditionRow {
    /// What it means when it is True, as `docs/conditions.md` says it.
    pub meaning: &'static str,
    /// The good value.
    pub normal: ConditionStatus,
    /// Whether Ready needs it to be good, if the spec asks for it.
    pub is_required_for_ready: bool,
    /// Whether its message says what to do while it is not good.
    pub calls_for_action: bool,
    /// What it is about.
    pub subject: Subject,
    /// How a spec that does not ask for it is recognised in the status.
    pub unasked: Unasked,
    /// Whether it is a series of the metric `holdfast_database_condition`.
    pub is_metric: bool,
    /// The alert of the webhook that fires while it is not good.
    pub alert: Option<ConditionAlert>,
    /// Which event a change to each value makes.
    pub events: ConditionEvents,
}

/// What a condition is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// How far the operator is with its work, not the database itself.
    Operator,
    /// The data and the volumes under it.
    Data,
    /// The files that rows name.
    Files,
    /// The backups.
    Backups,
    /// Whether a restore has proven the backups.
    Restores,
}

/// How a spec that does not ask for a condition is recognised in the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unasked {
    /// It is always asked for.
    Never,
    /// The condition is not there.
    Withdrawn,
    /// The condition carries this reason.
    Reason(&'static str),
}

/// How urgent an alert is; the more urgent comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Data can be lost now.
    Critical,
    /// A user must do something soon.
    Warning,
}

/// The alert of a condition that is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConditionAlert {
    /// Its name.
    pub name: &'static str,
    /// How urgent it is.
    pub severity: Severity,
    /// What it says, after the name of the database.
    pub summary: &'static str,
    /// The one reason for which it fires, while the condition is Unknown. Without it it fires while
    /// the condition is the opposite of well, whatever the reason.
    pub only_for: Option<&'static str>,
}

/// Which event a change to each value makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConditionEvents {
    /// When it becomes True.
    pub on_true: TransitionEvent,
    /// When it becomes False.
    pub on_false: TransitionEvent,
    /// When it becomes Unknown.
    pub on_unknown: TransitionEvent,
}

/// Whether a transition is worth an event, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransitionEvent {
    /// None.
    Silent,
    /// A Normal one.
    Normal,
    /// A Normal one, if the condition existed before: the first value is no news.
    NormalUnlessFirst,
    /// A Warning.
    Warning,
    /// A Warning, unless the reason passes by itself ([`passes_by_itself`]).
    WarningUnlessPassing,
}

use ConditionStatus::{False, True};
use TransitionEvent::{Normal, NormalUnlessFirst, Silent, Warning, WarningUnlessPassing};

const NO_EVENTS: ConditionEvents = ConditionEvents {
    on_true: Silent,
    on_false: Silent,
    on_unknown: Silent,
};

impl ConditionType {
    /// The row of this type. A new type does not compile before each column is filled in.
    #[must_use]
    pub const fn row(self) -> ConditionRow {
        match self {
            Self::Ready => ConditionRow {
                meaning: "the data is guarded and verified, and backed up if `spec.backup` is set; \
                    computed from the others",
                normal: True,
                is_required_for_ready: false,
                calls_for_action: false,
                subject: Subject::Operator,
                unasked: Unasked::Never,
                is_metric: true,
                alert: None,
                events: NO_EVENTS,
            },
            Self::Stalled => ConditionRow {
                meaning: "the operator waits for you, or the data looks reset; never together with \
                    `Reconciling`",
                normal: False,
                is_required_for_ready: false,
                calls_for_action: true,
                subject: Subject::Operator,
                unasked: Unasked::Never,
                is_metric: true,
                alert: Some(ConditionAlert {
                    name: "HoldfastStalled",
                    severity: Severity::Warning,
                    summary: "Holdfast can't continue until you change something",
                    only_for: None,
                }),
                events: ConditionEvents {
                    on_true: Warning,
                    ..NO_EVENTS
                },
            },
            Self::DataReset => ConditionRow {
                meaning: "**bad**: the data looks reset; stays `True` until the data is restored \
                    or you accept the change",
                normal: False,
                is_required_for_ready: true,
                calls_for_action: true,
                subject: Subject::Data,
                unasked: Unasked::Never,
                is_metric: true,
                alert: Some(ConditionAlert {
                    name: "HoldfastDataReset",
                    severity: Severity::Critical,
                    summary: "the data looks reset",
                    only_for: None,
                }),
                events: ConditionEvents {
                    on_true: Warning,
                    on_false: NormalUnlessFirst,
                    on_unknown: Silent,
                },
            },
            Self::Guarded => ConditionRow {
                meaning: "deletions are refused and the volumes are on Retain, as read back",
                normal: True,
                is_required_for_ready: true,
                calls_for_action: true,
                subject: Subject::Data,
                unasked: Unasked::Never,
                is_metric: true,
                alert: Some(ConditionAlert {
                    name: "HoldfastNotGuarded",
                    severity: Severity::Warning,
                    summary: "the data is not fully guarded",
                    only_for: None,
                }),
                events: ConditionEvents {
                    on_true: Normal,
                    on_false: WarningUnlessPassing,
                    on_unknown: Silent,
                },
            },
            Self::DataVerified => ConditionRow {
                meaning: "the container that runs now has the data of the last good check",
                normal: True,
                is_required_for_ready: true,
                calls_for_action: true,
                subject: Subject::Data,
                unasked: Unasked::Never,
                is_metric: true,
                // DataReset alerts, and only a verdict makes it True. That no check runs is reported by
                // nothing else.
                alert: Some(ConditionAlert {
                    name: "HoldfastCheckOverdue",
                    severity: Severity::Warning,
                    summary: "nobody has checked the data for too long",
                    only_for: Some(reasons::CHECK_OVERDUE),
                }),
                events: ConditionEvents {
                    on_true: Normal,
                    // DataReset says it.
                    on_false: Silent,
                    on_unknown: WarningUnlessPassing,
                },
            },
            Self::DataChanged => ConditionRow {
                meaning: "a table without a rule lost its rows in the last 24 hours; by itself no reset",
                normal: False,
                is_required_for_ready: false,
                calls_for_action: true,
                subject: Subject::Data,
                unasked: Unasked::Never,
                is_metric: true,
                // Ordinary life does this every day.
                alert: None,
                events: ConditionEvents {
                    on_true: Normal,
                    ..NO_EVENTS
                },
            },
            Self::FilesMatch => ConditionRow {
                meaning: "there is a file for every path in the rows; only with \
                    `spec.verification.files`",
                normal: True,
                is_required_for_ready: true,
                calls_for_action: true,
                subject: Subject::Files,
                unasked: Unasked::Withdrawn,
                is_metric: true,
                alert: Some(ConditionAlert {
                    name: "HoldfastFilesMissing",
                    severity: Severity::Warning,
                    summary: "rows and files do not match any more",
                    only_for: None,
                }),
                events: ConditionEvents {
                    on_true: Normal,
                    on_false: WarningUnlessPassing,
                    on_unknown: WarningUnlessPassing,
                },
            },
            Self::BackupFresh => ConditionRow {
                meaning: "the newest good backup is not older than its schedule allows",
                normal: True,
                is_required_for_ready: true,
                calls_for_action: true,
                subject: Subject::Backups,
                unasked: Unasked::Reason(reasons::NO_BACKUP_CONFIGURED),
                is_metric: true,
                alert: Some(ConditionAlert {
                    name: "HoldfastBackupNotFresh",
                    severity: Severity::Warning,
                    summary: "there is no fresh backup",
                    only_for: None,
                }),
                events: ConditionEvents {
                    on_true: Normal,
                    on_false: WarningUnlessPassing,
                    on_unknown: Silent,
                },
            },
            Self::RestoreProven => ConditionRow {
                meaning: "a drill has restored a backup, and lately enough; only where drills were asked for",
                normal: True,
                is_required_for_ready: false,
                calls_for_action: true,
                subject: Subject::Restores,
                unasked: Unasked::Withdrawn,
                is_metric: true,
                alert: Some(ConditionAlert {
                    name: "HoldfastRestoreNotProven",
                    severity: Severity::Warning,
                    summary: "no drill has proven lately that a backup can be restored",
                    only_for: None,
                }),
                events: ConditionEvents {
                    on_true: Normal,
                    on_false: Warning,
                    on_unknown: Silent,
                },
            },
            Self::Reconciling => ConditionRow {
                meaning: "the operator is not done yet",
                normal: False,
                is_required_for_ready: false,
                calls_for_action: false,
                subject: Subject::Operator,
                unasked: Unasked::Never,
                is_metric: false,
                alert: None,
                events: NO_EVENTS,
            },
        }
    }

    /// Whether a spec asks for it. Ready depends only on what the spec asks for.
    #[must_use]
    pub fn is_asked_for(self, spec: &ProtectedDatabaseSpec) -> bool {
        match self {
            Self::BackupFresh => spec.backup.is_some(),
            Self::FilesMatch => !spec.verification.files.is_empty(),
            Self::RestoreProven => spec.drill.is_some(),
            Self::Ready
            | Self::Stalled
            | Self::DataReset
            | Self::Guarded
            | Self::DataVerified
            | Self::DataChanged
            | Self::Reconciling => true,
        }
    }

    /// Whether it is asked for, as the status says it: `found` is the condition of this type there.
    #[must_use]
    pub fn is_asked_for_by_status(self, found: Option<&Condition>) -> bool {
        match self.row().unasked {
            Unasked::Never => true,
            Unasked::Withdrawn => found.is_some(),
            Unasked::Reason(reason) => found.is_none_or(|found| found.reason != reason),
        }
    }

    /// Whether a value is the good one.
    #[must_use]
    pub fn is_normal(self, status: &str) -> bool {
        status == self.row().normal.as_str()
    }

    /// Whether a value is the opposite of the good one. Unknown is neither.
    #[must_use]
    pub fn is_abnormal(self, status: &str) -> bool {
        match self.row().normal {
            True => status == False.as_str(),
            _ => status == True.as_str(),
        }
    }

    /// Its position among those that are shown, by the word in `status.conditions[].type`; words
    /// that this version does not know come last.
    #[must_use]
    pub fn position(type_: &str) -> usize {
        Self::ALL
            .iter()
            .position(|known| known.as_str() == type_)
            .unwrap_or(Self::ALL.len())
    }
}

/// Whether a reason goes away by itself during every start. Warnings about these would hide the
/// others.
#[must_use]
pub fn passes_by_itself(reason: &str) -> bool {
    [
        reasons::GUARDING,
        reasons::CLAIM_NOT_BOUND,
        reasons::NEVER_SUCCEEDED,
        reasons::BACKUP_NOT_CONFIRMED,
        reasons::CHECKING,
        reasons::FILES_NOT_CHECKED,
        reasons::NO_RUNNING_POD,
        reasons::SUSPENDED,
        reasons::SERVER_STARTING,
    ]
    .contains(&reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ready_needs_calls_for_action_and_is_about_the_database() {
        for type_ in ConditionType::ALL {
            let row = type_.row();
            if row.is_required_for_ready {
                assert!(row.calls_for_action && row.is_metric, "{type_:?}");
                assert_ne!(row.subject, Subject::Operator, "{type_:?}");
            }
            assert!(
                row.normal != ConditionStatus::Unknown,
                "{type_:?}: Unknown is never good"
            );
        }
    }

    #[test]
    fn unknown_is_neither_normal_nor_abnormal() {
        for type_ in ConditionType::ALL {
            let told = ["True", "False", "Unknown"]
                .map(|status| (type_.is_normal(status), type_.is_abnormal(status)));
            assert_eq!(told[2], (false, false));
            assert_eq!(told[0].0, told[1].1, "{type_:?}");
            assert_ne!(told[0].0, told[1].0, "{type_:?}");
        }
    }
}
