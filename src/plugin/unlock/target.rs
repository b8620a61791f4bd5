//! What there is to say about the object itself: whether anything refuses its deletion, and the
//! command that deletes it. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Kind;
use crate::api::ConfirmedVerb;
use crate::api::names::GROUP;
use crate::guard::is_labelled;

/// The object whose deletion, or change, is to be confirmed.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    pub kind: &'static Kind,
    /// Its metadata, as read.
    pub metadata: ObjectMeta,
    /// What is to be confirmed.
    pub verb: ConfirmedVerb,
    /// The context of the command line, as a flag with a blank before it.
    pub context_flag: String,
}

impl Target {
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    pub fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }

    /// Whether the API server refuses its deletion: by the label, or by the name of one of our
    /// definitions.
    pub fn is_guarded(&self) -> bool {
        if self.kind.kind == "CustomResourceDefinition" {
            return self.name().ends_with(&format!(".{GROUP}"));
        }
        is_labelled(&self.metadata)
    }

    /// `PersistentVolumeClaim data in namespace atra`.
    pub fn title(&self) -> String {
        let place = self
            .metadata
            .namespace
            .as_ref()
            .map(|namespace| format!(" in namespace {namespace}"))
            .unwrap_or_default();
        format!("{} {}{place}", self.kind.kind, self.name())
    }

    /// The command that deletes it.
    pub fn delete_command(&self) -> String {
        format!(
            "kubectl delete {} {}{}",
            self.kind.word,
            self.name(),
            self.scope()
        )
    }

    /// The command that revokes a confirmation.
    pub fn revoke_command(&self) -> String {
        format!(
            "kubectl holdfast unlock {}/{}{} --revoke",
            self.kind.word,
            self.name(),
            self.scope()
        )
    }

    /// The command with which a script confirms what it has seen.
    pub fn script_command(&self) -> String {
        format!(
            "kubectl holdfast unlock {}/{}{}{} --yes --uid {}",
            self.kind.word,
            self.name(),
            self.scope(),
            match self.verb {
                ConfirmedVerb::Delete => "",
                ConfirmedVerb::Change => " --change",
            },
            self.uid()
        )
    }

    fn scope(&self) -> String {
        let namespace = self
            .metadata
            .namespace
            .as_ref()
            .map(|namespace| format!(" -n {namespace}"))
            .unwrap_or_default();
        format!("{namespace}{}", self.context_flag)
    }
}
