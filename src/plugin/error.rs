//! Why a command of the plugin failed: what was asked for, what the cluster answered, and the
//! command to check it.

use std::fmt;
use std::path::PathBuf;

use kube::core::Status;

use crate::execute::{WriteError, is_precondition};
use crate::plan::RuleViolation;

/// A request to the cluster, in the words of `kubectl auth can-i`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterRequest {
    /// `get`, `list` or `patch`.
    pub verb: &'static str,
    /// Plural of the kind, with its group where it has one: `protecteddatabases.holdfast.dev`.
    pub resource: String,
    /// One object; none for all.
    pub name: Option<String>,
    /// Its namespace; none for all, and for kinds outside of namespaces.
    pub namespace: Option<String>,
    /// The context that was asked for on the command line.
    pub context: Option<String>,
}

impl ClusterRequest {
    /// A question about all objects of a kind.
    pub fn list(resource: &str, namespace: Option<&str>, context: Option<&str>) -> Self {
        Self {
            verb: "list",
            resource: resource.to_owned(),
            name: None,
            namespace: namespace.map(ToOwned::to_owned),
            context: context.map(ToOwned::to_owned),
        }
    }

    /// A question about one object.
    pub fn about(
        verb: &'static str,
        resource: &str,
        name: &str,
        namespace: Option<&str>,
        context: Option<&str>,
    ) -> Self {
        Self {
            verb,
            name: Some(name.to_owned()),
            ..Self::list(resource, namespace, context)
        }
    }

    /// Why it can't be answered.
    pub fn failed(self, source: kube::Error) -> PluginError {
        PluginError::Request {
            question: Box::new(self),
            source: Box::new(source),
        }
    }

    /// That it does not exist.
    pub fn absent(self) -> PluginError {
        self.failed(kube::Error::Api(Box::new(Status {
            code: 404,
            ..Status::default()
        })))
    }

    fn scope(&self) -> String {
        let context = self
            .context
            .as_ref()
            .map(|context| format!(" --context {context}"))
            .unwrap_or_default();
        match &self.namespace {
            Some(namespace) => format!(" -n {namespace}{context}"),
            None => context,
        }
    }

    fn can_i(&self) -> String {
        let name = self
            .name
            .as_ref()
            .map(|name| format!("/{name}"))
            .unwrap_or_default();
        let all = if self.namespace.is_none() && self.name.is_none() {
            " -A"
        } else {
            ""
        };
        format!(
            "kubectl auth can-i {} {}{name}{all}{}",
            self.verb,
            self.resource,
            self.scope()
        )
    }
}

impl fmt::Display for ClusterRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.verb, self.resource)?;
        if let Some(name) = &self.name {
            write!(formatter, " {name}")?;
        }
        match (&self.namespace, &self.name) {
            (Some(namespace), _) => write!(formatter, " in namespace {namespace}"),
            (None, None) => write!(formatter, " in the whole cluster"),
            (None, Some(_)) => Ok(()),
        }
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// There is no usable kubeconfig.
    #[error(
        "no cluster to talk to: {source}; look with `kubectl config get-contexts`, and choose a \
         context with --context or set KUBECONFIG"
    )]
    Kubeconfig {
        /// What is wrong with it.
        source: Box<kube::config::KubeconfigError>,
    },
    /// A client can't be made of the kubeconfig.
    #[error(
        "the kubeconfig can't be used: {}; check with `kubectl cluster-info`",
        chain(source)
    )]
    Client {
        /// What is wrong with it.
        source: Box<kube::Error>,
    },
    /// The cluster did not answer, or answered no.
    #[error("{}", explain(question, source))]
    Request {
        /// What was asked.
        question: Box<ClusterRequest>,
        /// What came of it.
        source: Box<kube::Error>,
    },
    /// What is there could not be read, so nothing was decided.
    #[error(
        "{0}; what was done so far stays done, and the command goes on from there: check with \
         `kubectl cluster-info`, then run it again"
    )]
    Read(String),
    /// The bucket did not answer, or answered no.
    #[error("{0}; check with `holdfast backup list --help`")]
    Bucket(String),
    /// A step of a recovery was refused.
    #[error(
        "{0}; what was done so far stays done, and the command goes on from there when it is run \
         again"
    )]
    Step(Box<WriteError>),
    /// A plan would have broken a rule of the engine.
    #[error("{0}. This is a bug in Holdfast, please report it")]
    Rule(RuleViolation),
    /// A recovery took longer than its timeout.
    #[error(
        "not finished after {seconds} s; the next step is: {next}. What was done so far stays \
         done. Look with `kubectl get pvc,pods`, then run the command again: it goes on from \
         there. --timeout gives it longer"
    )]
    OutOfTime {
        /// Its timeout.
        seconds: u64,
        /// The next step.
        next: String,
    },
    /// An object can't be written as JSON or YAML.
    #[error("the result can't be written: {0}; this is a bug in Holdfast, please report it")]
    Represent(String),
    /// A file already exists and was not to be overwritten.
    #[error(
        "{0:?} already exists and was not changed; choose another --file, or overwrite it with \
         --force"
    )]
    FileThere(PathBuf),
    /// A file can't be written.
    #[error(
        "can't write {path:?}: {source}; make sure that its directory exists and that you may \
         write to it, or choose another --file"
    )]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The standard input or output is broken.
    #[error("can't {doing}: {source}")]
    Terminal {
        /// What was tried.
        doing: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
}

impl PluginError {
    /// That the bucket can't be read.
    #[expect(clippy::needless_pass_by_value, reason = "it is the end of the error")]
    pub fn bucket(error: anyhow::Error) -> Self {
        Self::Bucket(format!("{error:#}"))
    }

    /// Whether the object was not as it had been read.
    pub fn is_precondition(&self) -> bool {
        matches!(self, Self::Request { source, .. } if is_precondition(source))
    }
}

/// What the cluster's answer means, and what to do.
fn explain(question: &ClusterRequest, error: &kube::Error) -> String {
    let kube::Error::Api(status) = error else {
        let scope = question
            .context
            .as_ref()
            .map(|context| format!(" --context {context}"))
            .unwrap_or_default();
        return format!(
            "can't {question}: the cluster can't be reached: {}; check with `kubectl \
             cluster-info{scope}`",
            chain(error)
        );
    };
    let said = status.message.as_str();
    match status.code {
        401 => {
            format!(
                "can't {question}: the cluster does not accept the login of the kubeconfig \
                 ({said}); check with `kubectl auth whoami`"
            )
        }
        403 => format!(
            "not allowed to {question}: {said}; check with `{}`, and ask for that permission",
            question.can_i()
        ),
        404 if question.name.is_none() && question.resource.ends_with(".holdfast.dev") => format!(
            "can't {question}: Holdfast is not installed in this cluster; check with `kubectl get \
             crd {}`, and install it as docs/install.md says",
            question.resource
        ),
        404 => format!(
            "can't {question}: it does not exist; look with `kubectl get {}{}`",
            question.resource,
            question.scope()
        ),
        409 | 422 => format!(
            "can't {question}: {said}; it may have changed in the meantime: run the command again"
        ),
        _ => format!(
            "can't {question}: {said}; check with `kubectl get {}{}`",
            question.resource,
            question.scope()
        ),
    }
}

/// An error with its causes, each said once.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let said = next.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u16, message: &str) -> kube::Error {
        kube::Error::Api(Box::new(Status {
            code,
            message: message.to_owned(),
            ..Status::default()
        }))
    }

    #[test]
    fn every_failure_says_what_happened_and_how_to_check_it() {
        let claim =
            || ClusterRequest::about("get", "persistentvolumeclaims", "data", Some("atra"), None);
        let databases =
            || ClusterRequest::list("protecteddatabases.holdfast.dev", None, Some("production"));
        let unreachable = || kube::Error::Service("tcp connect error: connection refused".into());
        let said: Vec<String> = [
            claim().failed(answer(403, "persistentvolumeclaims \"data\" is forbidden")),
            databases().failed(answer(403, "protecteddatabases is forbidden")),
            claim().failed(answer(404, "not found")),
            databases().failed(answer(
                404,
                "the server could not find the requested resource",
            )),
            claim().failed(answer(401, "Unauthorized")),
            claim().failed(answer(422, "the server rejected our request")),
            claim().failed(answer(500, "etcd is on holiday")),
            databases().failed(unreachable()),
        ]
        .iter()
        .map(ToString::to_string)
        .collect();
        insta::assert_snapshot!(said.join("\n\n"));
    }
}
