//! Whether what is remembered under the name of a namespace is of this very namespace: the name may be
//! used again by somebody else. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{Fact, LedgerFact};
use crate::api::names::ACCEPT_NAMESPACE_ANNOTATION;
use crate::api::{DatabaseLedger, DatabaseLedgerStatus, is_object_name};
use crate::guard;

/// A ledger that remembers another namespace of the name, or does not say which one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherNamespace {
    /// Name of the ledger.
    pub ledger: String,
    /// Name of both namespaces.
    pub namespace: String,
    /// UID of the namespace that it remembers; empty if it does not say.
    pub remembered: String,
    /// UID of the namespace that exists.
    pub present: String,
}

impl OtherNamespace {
    /// What happened, what it means, and the command for both cases.
    #[must_use]
    pub fn describe(&self) -> String {
        let Self {
            ledger,
            namespace,
            remembered,
            present,
        } = self;
        let said = if remembered.is_empty() {
            format!(
                "DatabaseLedger {ledger} is of an older version and does not say of which namespace \
                 it is, and nothing proves that it is of this Namespace {namespace} (UID {present})"
            )
        } else {
            format!(
                "DatabaseLedger {ledger} is of another Namespace {namespace} (UID {remembered}) than \
                 the one that exists (UID {present}): it was deleted, and the name is used again"
            )
        };
        format!(
            "{said}. What it remembers may be another owner's, so nothing of it is compared, shown or \
             restored, and nothing is checked or backed up. If it is the same owner's, accept the \
             namespace: kubectl annotate dbledger {ledger} --overwrite \
             {ACCEPT_NAMESPACE_ANNOTATION}={present}. If not, confirm the deletion of the ledger and \
             delete it: kubectl holdfast unlock dbledger/{ledger}"
        )
    }
}

/// Whose a ledger is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerOrigin {
    /// That of this namespace, or of one that is gone and has no successor.
    This,
    /// That of the namespace in whose place a recovery has created this one.
    Recreated,
    /// That of another namespace of the name, as far as anybody can tell.
    Other(OtherNamespace),
    /// It is not known, because of this.
    NotKnown(String),
}

impl LedgerOrigin {
    /// Whose a ledger is. `proofs` are objects that live in the namespace, for a ledger that does not
    /// say: the ProtectedDatabase and the claims.
    #[must_use]
    pub fn of<'a>(
        ledger: &DatabaseLedger,
        namespace: &Fact<Option<ObjectMeta>>,
        proofs: impl IntoIterator<Item = &'a ObjectMeta>,
    ) -> Self {
        let name = ledger.metadata.name.as_deref().unwrap_or_default();
        let Some(status) = ledger.status.as_ref().filter(|status| remembers(status)) else {
            return Self::This;
        };
        let metadata = match namespace {
            Fact::Unknown(why) => {
                return Self::NotKnown(format!(
                    "it is not known of which namespace DatabaseLedger {name} is: {why}"
                ));
            }
            Fact::Known(None) => return Self::This,
            Fact::Known(Some(metadata)) => metadata,
        };
        let Some(present) = metadata.uid.as_deref().filter(|uid| !uid.is_empty()) else {
            return Self::NotKnown("the namespace was read without its UID".to_owned());
        };
        let is_said = status.namespace_uid == present
            || guard::accepted_namespace(&ledger.metadata) == Some(present);
        let is_proven = status.namespace_uid.is_empty()
            && proofs
                .into_iter()
                .any(|proof| proves(status, metadata, proof));
        if is_said || is_proven {
            return Self::This;
        }
        let token = guard::recreation_token(&ledger.metadata);
        if token.is_some() && token == guard::recreation_token(metadata) {
            return Self::Recreated;
        }
        Self::Other(OtherNamespace {
            ledger: name.to_owned(),
            namespace: ledger.spec.namespace.clone(),
            remembered: status.namespace_uid.clone(),
            present: present.to_owned(),
        })
    }
}

/// Whether there is anything in a ledger. One that was created a moment ago is empty, and nobody's.
fn remembers(status: &DatabaseLedgerStatus) -> bool {
    *status != DatabaseLedgerStatus::default()
}

/// Whether an object that lives in the namespace shows that a ledger is of it: it is the
/// ProtectedDatabase or one of the claims that the ledger was written for. One that is older than its
/// namespace has survived another one, whose deletion was ended by force.
fn proves(status: &DatabaseLedgerStatus, namespace: &ObjectMeta, proof: &ObjectMeta) -> bool {
    let Some(uid) = proof.uid.as_deref().filter(|uid| !uid.is_empty()) else {
        return false;
    };
    let created = |metadata: &ObjectMeta| metadata.creation_timestamp.as_ref().map(|time| time.0);
    let is_younger = created(namespace)
        .zip(created(proof))
        .is_some_and(|(namespace, proof)| proof >= namespace);
    let is_remembered =
        status.database_uid == uid || status.volumes.iter().any(|volume| volume.claim_uid == uid);
    is_younger && is_remembered
}

/// The UIDs of the namespaces whose data this is: of the one that exists, and of those that the ledger
/// was accepted for before.
#[must_use]
pub fn namespace_uids<'a>(
    namespace: &'a Fact<Option<ObjectMeta>>,
    ledger: &'a Fact<Option<LedgerFact>>,
) -> Vec<&'a str> {
    let present = namespace.known().and_then(Option::as_ref);
    let present = present.and_then(|metadata| metadata.uid.as_deref());
    let status = ledger.known().and_then(Option::as_ref);
    let status = status.and_then(|fact| fact.ledger.status.as_ref());
    let remembered = status.into_iter().flat_map(|status| {
        let earlier = status.earlier_namespace_uids.iter().map(String::as_str);
        earlier.chain([status.namespace_uid.as_str()])
    });
    let uids = present.into_iter().chain(remembered);
    uids.filter(|uid| !uid.is_empty()).collect()
}

/// The name of a volume as a claim has it, if it can be one: the API server takes any text there.
#[must_use]
pub fn volume_name(text: Option<&str>) -> Option<String> {
    text.filter(|name| is_object_name(name))
        .map(ToOwned::to_owned)
}
