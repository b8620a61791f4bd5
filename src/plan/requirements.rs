//! What each step requires: what pins it, what permits it, who may carry it out, what it disturbs.
//! Every match names every step, so that a new one does not compile until all four are answered.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{Release, Step};

/// What makes sure that a step changes the very object that was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pin<'a> {
    /// UID and resource version: the object as it was read, or nothing.
    Version(&'a ObjectMeta),
    /// The UID, and something that is as strong as the resource version, or a reason why the
    /// version does not matter.
    Uid(Option<&'a str>, &'static str),
    /// The object is created: where the name already exists nothing is changed.
    NewName,
    /// The object is of a kind and name that only Holdfast writes, in fields that only it owns.
    OwnFields,
    /// Nothing is written.
    NoWrite,
}

/// What permits a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Permission<'a> {
    /// It removes no protection and no object.
    NotNeeded,
    /// The release names what permits it.
    Release(&'a Release),
    /// The deletion that it confirms is under way, and can't be undone.
    Terminating(&'a ObjectMeta),
    /// The deletion of this object is confirmed by its UID, on the object or by an earlier step.
    Confirmation(&'a ObjectMeta),
    /// The same, and the object is being deleted.
    ConfirmedDeletion(&'a ObjectMeta),
    /// It deletes an object that is Holdfast's own, which the rules about evidence and ownership
    /// check.
    OwnObject,
}

/// Who carries out a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The operator, in its pass for one database.
    Operator,
    /// The operator, for a `DatabaseRestore`.
    Restore,
    /// A user of `kubectl holdfast recover`, with their own permissions.
    User,
}

/// Which running pods or existing objects a step removes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Disturbance<'a> {
    /// None.
    None,
    /// Pods of this workload stop.
    StopsPods(&'a ObjectMeta),
    /// This object is deleted.
    RemovesObject(&'a ObjectMeta),
}

const OPERATOR: &[Actor] = &[Actor::Operator];
const RECOVERY: &[Actor] = &[Actor::Restore, Actor::User];
const USER: &[Actor] = &[Actor::User];
const EVERYBODY: &[Actor] = &[Actor::Operator, Actor::Restore, Actor::User];

fn uid(metadata: &ObjectMeta) -> Option<&str> {
    metadata.uid.as_deref()
}

impl Step {
    /// What makes sure that the step changes the very object that was read.
    #[must_use]
    pub fn pin(&self) -> Pin<'_> {
        match self {
            Self::MarkDatabase(metadata)
            | Self::MarkClaim(metadata)
            | Self::MarkNamespace(metadata)
            | Self::DeleteRoleBinding(metadata)
            | Self::DeleteCronJob(metadata)
            | Self::DeleteBackup(metadata)
            | Self::DeleteFailedBackup(metadata)
            | Self::DeleteDrill(metadata)
            | Self::DeleteCheck(metadata)
            | Self::AssertDatabase(metadata)
            | Self::AssertVolume(metadata) => Pin::Version(metadata),
            Self::MarkVolume(volume) | Self::RetainTwin(volume) => Pin::Version(&volume.metadata),
            Self::MarkWorkload(step) => Pin::Version(&step.metadata),
            Self::ReleaseLedger(release)
            | Self::ReleaseClaim(release)
            | Self::ReleaseVolume(release)
            | Self::ReleaseWorkload(_, release)
            | Self::ReleaseNamespace(release)
            | Self::ReleaseDatabase(release) => Pin::Version(&release.metadata),
            Self::RetainVolume(volume) => Pin::Uid(
                uid(&volume.metadata),
                "Retain loses nothing, whatever else has changed",
            ),
            Self::LeaveBackup(metadata) => Pin::Uid(
                uid(metadata),
                "it goes with the ProtectedDatabase in any case, whatever of it has changed",
            ),
            Self::EndJob(metadata) => Pin::Uid(
                uid(metadata),
                "a Job's status changes all the time; its name and UID are never used again",
            ),
            Self::SetGate(step) => Pin::Uid(
                Some(step.pod_uid.as_str()).filter(|uid| !uid.is_empty()),
                "a pod's conditions change all the time",
            ),
            Self::ConfirmNamespaceDeletion(metadata)
            | Self::ConfirmClaimDeletion(metadata)
            | Self::ConfirmVolumeChange(metadata)
            | Self::ConfirmDatabaseDeletion(metadata) => {
                Pin::Uid(uid(metadata), "the confirmation names the UID")
            }
            Self::RevokeConfirmation(step) => {
                Pin::Uid(uid(&step.metadata), "the value that is removed is compared")
            }
            Self::DeleteClaim(metadata) | Self::FinishClaimDeletion(metadata) => Pin::Uid(
                uid(metadata),
                "claim and volume are read again right before, and the version read then is the \
                 precondition",
            ),
            Self::FinalizeNamespace(metadata) => Pin::Uid(
                uid(metadata),
                "read again right before, and replaced at the version read then",
            ),
            Self::FinishDatabaseDeletion(metadata) => {
                Pin::Uid(uid(metadata), "the finalizer is compared by place and name")
            }
            Self::ScaleDown(step) | Self::ScaleUp(step) => Pin::Uid(
                uid(&step.metadata),
                "the number of replicas, or the note of it, is compared",
            ),
            Self::ReserveVolume { metadata, .. } => Pin::Uid(
                uid(metadata),
                "the claim's UID that it replaces is compared, or the version where there is none",
            ),
            Self::NoteLoss { metadata, .. } | Self::TouchClaim { metadata, .. } => {
                Pin::Uid(uid(metadata), "a note loses nothing")
            }
            Self::NoteMountRepair(step) => Pin::Uid(uid(&step.metadata), "a note loses nothing"),
            Self::NoteRecreation { ledger, .. } => Pin::Uid(uid(ledger), "a note loses nothing"),
            Self::AcceptNamespace { ledger, .. } => Pin::Uid(
                uid(ledger),
                "the text that both have is compared and removed",
            ),
            Self::MountClaim { metadata, .. } => {
                Pin::Uid(uid(metadata), "the volume that it replaces is compared")
            }
            Self::CreateCheck(_)
            | Self::CreateJob(_)
            | Self::CreateBackup(_)
            | Self::CreateDrill(_)
            | Self::CreateNamespace(_)
            | Self::CreateVolume(_)
            | Self::CreateClaim(_)
            | Self::CreateDatabase(_) => Pin::NewName,
            Self::MarkLedger(_)
            | Self::WriteLedger { .. }
            | Self::EnsureAgentIdentity
            | Self::SetCheckTarget { .. }
            | Self::WriteVerdict { .. }
            | Self::FailFiles { .. }
            | Self::ApplyCronJob(_)
            | Self::FailBackup { .. }
            | Self::JudgeBackup { .. }
            | Self::NoteDrill { .. }
            | Self::NoteRead { .. } => Pin::OwnFields,
            Self::Await(_) => Pin::NoWrite,
        }
    }

    /// What permits the step.
    #[must_use]
    pub fn permission(&self) -> Permission<'_> {
        match self {
            Self::ReleaseLedger(release)
            | Self::ReleaseClaim(release)
            | Self::ReleaseVolume(release)
            | Self::ReleaseWorkload(_, release)
            | Self::ReleaseNamespace(release)
            | Self::ReleaseDatabase(release) => Permission::Release(release),
            Self::ConfirmNamespaceDeletion(metadata) | Self::ConfirmDatabaseDeletion(metadata) => {
                Permission::Terminating(metadata)
            }
            Self::DeleteClaim(metadata) => Permission::Confirmation(metadata),
            Self::FinishClaimDeletion(metadata)
            | Self::FinalizeNamespace(metadata)
            | Self::FinishDatabaseDeletion(metadata) => Permission::ConfirmedDeletion(metadata),
            Self::DeleteRoleBinding(_)
            | Self::DeleteCronJob(_)
            | Self::LeaveBackup(_)
            | Self::DeleteBackup(_)
            | Self::DeleteFailedBackup(_)
            | Self::DeleteDrill(_)
            | Self::DeleteCheck(_)
            | Self::EndJob(_) => Permission::OwnObject,
            Self::MarkDatabase(_)
            | Self::RetainVolume(_)
            | Self::RetainTwin(_)
            | Self::MarkVolume(_)
            | Self::MarkClaim(_)
            | Self::NoteLoss { .. }
            | Self::MarkLedger(_)
            | Self::WriteLedger { .. }
            | Self::NoteRecreation { .. }
            | Self::AcceptNamespace { .. }
            | Self::MarkWorkload(..)
            | Self::NoteMountRepair(_)
            | Self::MarkNamespace(_)
            | Self::SetGate(_)
            | Self::EnsureAgentIdentity
            | Self::CreateCheck(_)
            | Self::SetCheckTarget { .. }
            | Self::CreateJob(_)
            | Self::CreateBackup(_)
            | Self::WriteVerdict { .. }
            | Self::FailFiles { .. }
            | Self::ApplyCronJob(_)
            | Self::FailBackup { .. }
            | Self::JudgeBackup { .. }
            | Self::NoteDrill { .. }
            | Self::CreateDrill(_)
            | Self::NoteRead { .. }
            | Self::AssertDatabase(_)
            | Self::AssertVolume(_)
            | Self::CreateNamespace(_)
            | Self::CreateVolume(_)
            | Self::ScaleDown(_)
            | Self::ConfirmClaimDeletion(_)
            | Self::ReserveVolume { .. }
            | Self::ConfirmVolumeChange(_)
            | Self::RevokeConfirmation(_)
            | Self::CreateClaim(_)
            | Self::TouchClaim { .. }
            | Self::MountClaim { .. }
            | Self::CreateDatabase(_)
            | Self::ScaleUp(_)
            | Self::Await(_) => Permission::NotNeeded,
        }
    }

    /// Who may carry the step out. A list of those who may, so that a new step is for nobody.
    #[must_use]
    pub fn actors(&self) -> &'static [Actor] {
        match self {
            Self::MarkDatabase(_)
            | Self::RetainTwin(_)
            | Self::MarkClaim(_)
            | Self::NoteLoss { .. }
            | Self::MarkLedger(_)
            | Self::WriteLedger { .. }
            | Self::ReleaseLedger(_)
            | Self::MarkWorkload(..)
            | Self::NoteMountRepair(_)
            | Self::MarkNamespace(_)
            | Self::SetGate(_)
            | Self::EnsureAgentIdentity
            | Self::CreateCheck(_)
            | Self::SetCheckTarget { .. }
            | Self::CreateJob(_)
            | Self::EndJob(_)
            | Self::CreateBackup(_)
            | Self::WriteVerdict { .. }
            | Self::FailFiles { .. }
            | Self::ApplyCronJob(_)
            | Self::DeleteRoleBinding(_)
            | Self::DeleteCronJob(_)
            | Self::LeaveBackup(_)
            | Self::FailBackup { .. }
            | Self::JudgeBackup { .. }
            | Self::NoteDrill { .. }
            | Self::CreateDrill(_)
            | Self::DeleteDrill(_)
            | Self::NoteRead { .. }
            | Self::DeleteBackup(_)
            | Self::DeleteFailedBackup(_)
            | Self::DeleteCheck(_)
            | Self::AssertDatabase(_)
            | Self::AssertVolume(_)
            | Self::ReleaseClaim(_)
            | Self::ReleaseVolume(_)
            | Self::ReleaseWorkload(..)
            | Self::ReleaseNamespace(_)
            | Self::ReleaseDatabase(_) => OPERATOR,
            Self::RetainVolume(_)
            | Self::MarkVolume(_)
            | Self::RevokeConfirmation(_)
            | Self::Await(_) => EVERYBODY,
            Self::CreateVolume(_)
            | Self::ScaleDown(_)
            | Self::ConfirmClaimDeletion(_)
            | Self::DeleteClaim(_)
            | Self::FinishClaimDeletion(_)
            | Self::ReserveVolume { .. }
            | Self::CreateClaim(_)
            | Self::TouchClaim { .. }
            | Self::MountClaim { .. }
            | Self::ScaleUp(_) => RECOVERY,
            // The operator may not remove or create namespaces and ProtectedDatabases, accept none,
            // and it may confirm nothing about a volume.
            Self::NoteRecreation { .. }
            | Self::AcceptNamespace { .. }
            | Self::ConfirmNamespaceDeletion(_)
            | Self::FinalizeNamespace(_)
            | Self::CreateNamespace(_)
            | Self::ConfirmVolumeChange(_)
            | Self::ConfirmDatabaseDeletion(_)
            | Self::FinishDatabaseDeletion(_)
            | Self::CreateDatabase(_) => USER,
        }
    }

    /// What the step removes. A user who recovers a database is asked before it.
    #[must_use]
    pub fn disturbance(&self) -> Disturbance<'_> {
        match self {
            Self::ScaleDown(step) => Disturbance::StopsPods(&step.metadata),
            Self::MountClaim { metadata, .. } => Disturbance::StopsPods(metadata),
            Self::DeleteClaim(metadata)
            | Self::FinishClaimDeletion(metadata)
            | Self::FinalizeNamespace(metadata)
            | Self::FinishDatabaseDeletion(metadata)
            | Self::DeleteRoleBinding(metadata)
            | Self::DeleteCronJob(metadata)
            | Self::LeaveBackup(metadata)
            | Self::DeleteBackup(metadata)
            | Self::DeleteFailedBackup(metadata)
            | Self::DeleteDrill(metadata)
            | Self::DeleteCheck(metadata)
            | Self::EndJob(metadata) => Disturbance::RemovesObject(metadata),
            // An object that is being deleted is gone with its last finalizer.
            Self::ReleaseClaim(release)
            | Self::ReleaseVolume(release)
            | Self::ReleaseDatabase(release)
                if release.metadata.deletion_timestamp.is_some() =>
            {
                Disturbance::RemovesObject(&release.metadata)
            }
            Self::ReleaseClaim(_)
            | Self::ReleaseVolume(_)
            | Self::ReleaseDatabase(_)
            | Self::ReleaseLedger(_)
            | Self::ReleaseWorkload(..)
            | Self::ReleaseNamespace(_)
            | Self::MarkDatabase(_)
            | Self::RetainVolume(_)
            | Self::RetainTwin(_)
            | Self::MarkVolume(_)
            | Self::MarkClaim(_)
            | Self::NoteLoss { .. }
            | Self::MarkLedger(_)
            | Self::WriteLedger { .. }
            | Self::NoteRecreation { .. }
            | Self::AcceptNamespace { .. }
            | Self::MarkWorkload(..)
            | Self::NoteMountRepair(_)
            | Self::MarkNamespace(_)
            | Self::SetGate(_)
            | Self::EnsureAgentIdentity
            | Self::CreateCheck(_)
            | Self::SetCheckTarget { .. }
            | Self::CreateJob(_)
            | Self::CreateBackup(_)
            | Self::WriteVerdict { .. }
            | Self::FailFiles { .. }
            | Self::ApplyCronJob(_)
            | Self::FailBackup { .. }
            | Self::JudgeBackup { .. }
            | Self::NoteDrill { .. }
            | Self::CreateDrill(_)
            | Self::NoteRead { .. }
            | Self::AssertDatabase(_)
            | Self::AssertVolume(_)
            | Self::ConfirmNamespaceDeletion(_)
            | Self::CreateNamespace(_)
            | Self::CreateVolume(_)
            | Self::ConfirmClaimDeletion(_)
            | Self::ReserveVolume { .. }
            | Self::ConfirmVolumeChange(_)
            | Self::RevokeConfirmation(_)
            | Self::CreateClaim(_)
            | Self::TouchClaim { .. }
            | Self::ConfirmDatabaseDeletion(_)
            | Self::CreateDatabase(_)
            | Self::ScaleUp(_)
            | Self::Await(_) => Disturbance::None,
        }
    }

    /// What a user confirms who is asked before the step: what it does, and to which very object.
    /// None for a step that removes nothing.
    #[must_use]
    pub fn consent(&self) -> Option<String> {
        let (Disturbance::StopsPods(metadata) | Disturbance::RemovesObject(metadata)) =
            self.disturbance()
        else {
            return None;
        };
        let uid = uid(metadata).unwrap_or_default();
        Some(format!("{} (UID {uid})", self.describe()))
    }
}
