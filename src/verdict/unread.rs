//! Checks of a server that nobody could log in to. What is left to compare are the volume, the
//! directory, and the salts that the server gives before a login.

use crate::api::{AgentFailure, ClusterState, Finding, MountedVolume, WithoutLogin, reasons};

use super::identity;
use super::input::{Baseline, Input};
use super::mounts::{DataPlace, Mounts};
use super::volumes::{
    DataVolumes, Directories, cluster_state, is_same_volume, mounts_before, unread_state,
};

/// How often a start has been looked at in vain before a failure that often passes by itself counts
/// as one that does not: some minutes.
const PATIENT_ATTEMPTS: i32 = 3;

/// What is known of a server that nothing could be read of.
struct Unread<'a> {
    baseline: Baseline<'a>,
    failure: &'a AgentFailure,
    volumes: DataVolumes<'a>,
    directories: Directories<'a>,
}

impl<'a> Unread<'a> {
    fn of(input: &Input<'a>) -> Option<Self> {
        let (None, Some(baseline), Some(failure)) = (input.evidence, input.baseline, input.failure)
        else {
            return None;
        };
        Some(Self {
            volumes: DataVolumes::compare_unread(input, &baseline),
            directories: Directories::unread(input, &baseline),
            baseline,
            failure,
        })
    }

    /// Whether the database cluster is that of the last good check; `None` if that is not known.
    fn is_same_cluster(&self, input: &Input<'_>) -> Option<bool> {
        let (before, now) = (self.baseline.without_login?, input.without_login?);
        let known = before.cluster_digest.as_ref()?;
        match &now.cluster_digest {
            Some(found) => Some(known == found),
            None => listens_at_default_port(before, now)
                .filter(|_| self.is_final(input))
                .map(|found| known == found),
        }
    }

    /// Whether the server has had the time that a start may take. One that recovers answers later,
    /// and then says more than its volume does.
    fn is_final(&self, input: &Input<'_>) -> bool {
        !passes(&self.failure.reason) || input.target.attempt >= PATIENT_ATTEMPTS
    }

    /// Whether the data is on no claim: something else is mounted there, or the data was on a claim
    /// and its directory is on none now.
    fn is_off_volume(&self, input: &Input<'a>) -> bool {
        let Directories { before, now } = self.directories;
        match Mounts::of(input.target, input.image).place_of(now) {
            DataPlace::Claim(_) => false,
            DataPlace::ImageVolume(_) | DataPlace::OtherMount(_) => true,
            DataPlace::Container => mounts_before(input, &self.baseline)
                .claim_under(before)
                .is_some(),
        }
    }

    fn states(&self) -> (ClusterState, ClusterState) {
        let mut before = cluster_state(self.baseline.evidence, self.volumes.before);
        if !self.directories.before.is_empty() {
            self.directories
                .before
                .clone_into(&mut before.data_directory);
        }
        (before, unread_state(self.directories.now, self.volumes.now))
    }
}

/// The digest of a server that answers at the default port where nothing listened before.
fn listens_at_default_port<'a>(before: &WithoutLogin, now: &'a WithoutLogin) -> Option<&'a String> {
    let was_free = before.default_port_digest.as_deref() == Some("");
    now.default_port_digest
        .as_ref()
        .filter(|digest| was_free && !digest.is_empty())
}

fn passes(reason: &str) -> bool {
    [
        reasons::CONNECTION_FAILED,
        reasons::SERVER_STARTING,
        reasons::TOO_MANY_CONNECTIONS,
        reasons::TIMEOUT,
        reasons::JOB_FAILED,
        reasons::AGENT_NOT_STARTED,
    ]
    .contains(&reason)
}

/// Whether no server has answered anything about itself.
fn is_silent(reason: &str) -> bool {
    [
        reasons::CONNECTION_FAILED,
        reasons::SERVER_STARTING,
        reasons::JOB_FAILED,
        reasons::AGENT_NOT_STARTED,
    ]
    .contains(&reason)
}

/// Make sure that the server makes up the salt of a role that does not exist as it did at the last
/// good check: it makes it of a secret of its database cluster.
pub(super) fn other_cluster(input: &Input<'_>, _: &[Finding]) -> Option<Finding> {
    let unread = Unread::of(input)?;
    if unread.is_same_cluster(input)? {
        return None;
    }
    let is_off_volume = unread.is_off_volume(input);
    let is_elsewhere = unread.directories.differ_on(&unread.volumes);
    let (before, now) = unread.states();
    Some(identity::other_cluster(
        input,
        unread.volumes,
        is_off_volume,
        is_elsewhere,
        before,
        now,
    ))
}

/// Make sure that the server does not say that a database is missing which the last good check
/// found. It says that only to a role that it has let in.
pub(super) fn database_missing(input: &Input<'_>, _: &[Finding]) -> Option<Finding> {
    let unread = Unread::of(input)?;
    if unread.failure.reason != reasons::DATABASE_NOT_FOUND {
        return None;
    }
    // Of the others nothing is known: the agent has asked for this one first.
    let known = unread.baseline.evidence;
    let before = identity::find_database(known, &input.spec.connection.database)?;
    Some(Finding::DatabaseMissing {
        databases: vec![identity::describe_loss(known, before, None)],
        left_out: 0,
    })
}

/// Make sure that the pod runs on the volume with the data, or on one where the data can be read.
pub(super) fn other_volume(input: &Input<'_>, found: &[Finding]) -> Option<Finding> {
    let unread = Unread::of(input)?;
    if !found.is_empty() || !unread.volumes.moved || !unread.is_final(input) {
        return None;
    }
    let is_of_replica = |now: &MountedVolume| {
        input
            .replica_volumes
            .iter()
            .any(|known| is_same_volume(known, now))
    };
    let is_sibling = unread
        .volumes
        .before
        .zip(unread.volumes.now)
        .is_some_and(|(before, now)| {
            other_ordinal(&input.target.pod, before, now).is_some()
                || is_other_instance(input, before, now)
        });
    // A replica has a volume of its own, with a copy of the same database cluster. While it is made,
    // which may take hours, nothing answers.
    let may_be_replica =
        unread.is_same_cluster(input) == Some(true) || is_silent(&unread.failure.reason);
    if unread.volumes.now.is_some_and(is_of_replica) || (is_sibling && may_be_replica) {
        return None;
    }
    let (before, now) = unread.states();
    Some(Finding::OtherVolumeUnread { before, now })
}

/// Make sure that Postgres runs in the directory with the data, or in one where the data can be
/// read.
pub(super) fn other_directory(input: &Input<'_>, found: &[Finding]) -> Option<Finding> {
    let unread = Unread::of(input)?;
    let is_elsewhere = unread.directories.differ_on(&unread.volumes);
    let is_same = unread.is_same_cluster(input) == Some(true);
    if !found.is_empty() || !is_elsewhere || is_same || !unread.is_final(input) {
        return None;
    }
    let (before, now) = unread.states();
    Some(Finding::OtherDataDirectory { before, now })
}

/// Make sure that a login that is refused is refused because of the Secret: the salt of a role stays
/// as long as its password in the database does.
pub(super) fn role_changed(input: &Input<'_>, _: &[Finding]) -> Option<Finding> {
    let unread = Unread::of(input)?;
    let is_same_cluster = unread.is_same_cluster(input);
    if unread.failure.reason != reasons::AUTHENTICATION_FAILED || is_same_cluster == Some(false) {
        return None;
    }
    let (before, now) = (unread.baseline.without_login?, input.without_login?);
    let has_changed =
        is_same_role(before, now) && (now.role_missing || has_other_salt(before, now));
    has_changed.then_some(Finding::RoleChanged {
        same_cluster: is_same_cluster == Some(true),
        role_missing: now.role_missing,
    })
}

/// Whether the Secret names the role that it named at the last good check.
fn is_same_role(before: &WithoutLogin, now: &WithoutLogin) -> bool {
    before.role.is_some() && before.role == now.role
}

fn has_other_salt(before: &WithoutLogin, now: &WithoutLogin) -> bool {
    matches!((&before.role_digest, &now.role_digest), (Some(before), Some(now)) if before != now)
}

/// What the salts say of a login that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The role and its password in the database are as they were: the Secret is wrong.
    SecretWrong,
    /// The database cluster is as it was, and of the role nothing is known.
    SameCluster,
    /// Nothing is known.
    Unknown,
}

/// Says why a login was refused, as far as that can be known.
pub(super) fn explain_refusal(input: &Input<'_>) -> Refusal {
    let Some(unread) = Unread::of(input) else {
        return Refusal::Unknown;
    };
    let is_same_cluster = unread.is_same_cluster(input) == Some(true);
    match (unread.baseline.without_login, input.without_login) {
        (Some(before), Some(now))
            if is_same_role(before, now)
                && before.role_digest.is_some()
                && before.role_digest == now.role_digest =>
        {
            Refusal::SecretWrong
        }
        _ if is_same_cluster => Refusal::SameCluster,
        _ => Refusal::Unknown,
    }
}

/// Whether pods are selected by their labels, so that each is an instance with a claim of its own, and
/// this one has another claim than the instance with the data.
pub(super) fn is_other_instance(
    input: &Input<'_>,
    before: &MountedVolume,
    now: &MountedVolume,
) -> bool {
    input.spec.workload.selector.is_some() && before.claim != now.claim
}

/// The ordinal of the pod that had the claim before, if one claim template has made both claims for
/// different pods of one StatefulSet.
pub(super) fn other_ordinal<'a>(
    pod: &str,
    before: &'a MountedVolume,
    now: &MountedVolume,
) -> Option<&'a str> {
    let template = now.claim.strip_suffix(pod)?;
    let (name, is) = split_ordinal(pod)?;
    let (other, was) = split_ordinal(before.claim.strip_prefix(template)?)?;
    (template.ends_with('-') && name == other && was != is).then_some(was)
}

/// `knowledge-postgres-0` as its name and its ordinal.
fn split_ordinal(pod: &str) -> Option<(&str, &str)> {
    let (name, ordinal) = pod.rsplit_once('-')?;
    let is_number = !ordinal.is_empty() && ordinal.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some((name, ordinal))
}
