//! Checks of which server has answered: what another pod has, or nobody can tell whose it is, verifies
//! nothing of the pod that is checked.

use crate::api::{AgentFailure, Answered, Finding, reasons};

use super::input::Input;

/// Make sure that the server of the pod that is checked has answered. What looks reset behind the host
/// is reported before: clients reach it.
pub(super) fn other_server(input: &Input<'_>, _: &[Finding]) -> Option<Finding> {
    let evidence = input.evidence?;
    let target = input.target;
    let host = target.host.as_deref()?;
    let pod = &target.pod;
    let found = match target.answered(evidence) {
        Answered::Itself => return None,
        Answered::Another => {
            let address = evidence.server_address.as_str();
            let address = if address.is_empty() {
                String::new()
            } else {
                format!(" ({address})")
            };
            format!(
                "spec.connection.host ({host}) leads to another server{address} than that of pod {pod}"
            )
        }
        Answered::NotKnown => format!(
            "it is not known whether the server that answered at spec.connection.host ({host}) is \
             that of pod {pod}"
        ),
    };
    Some(Finding::AgentFailed {
        failure: AgentFailure {
            reason: reasons::OTHER_SERVER_ANSWERED.to_owned(),
            message: format!(
                "{found}, so this check says nothing of the data of this pod. The next one asks the \
                 pod at its own address"
            ),
        },
    })
}
