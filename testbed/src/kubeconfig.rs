//! Kubeconfigs: how people, tests and components reach the API server.

use std::path::Path;

use crate::layout::API_PORT;

/// The kubeconfig of a user whose certificate lies in `pki`. The address is loopback inside the
/// network namespace.
#[must_use]
pub fn build(pki: &Path, user: &str) -> String {
    let pki = pki.display();
    format!(
        "apiVersion: v1
kind: Config
clusters:
- name: testbed
  cluster:
    server: https://127.0.0.1:{API_PORT}
    certificate-authority: {pki}/ca.crt
users:
- name: {user}
  user:
    client-certificate: {pki}/{user}.crt
    client-key: {pki}/{user}.key
contexts:
- name: testbed
  context:
    cluster: testbed
    user: {user}
current-context: testbed
"
    )
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use kube::config::Kubeconfig;

    #[test]
    fn a_client_can_read_it() {
        let text = super::build(std::path::Path::new("/checkout/.testbed/pki"), "admin");
        let kubeconfig = Kubeconfig::from_yaml(&text).unwrap();
        assert_eq!(kubeconfig.current_context.as_deref(), Some("testbed"));
        let user = kubeconfig.auth_infos[0].auth_info.as_ref().unwrap();
        assert_eq!(
            user.client_key.as_deref(),
            Some("/checkout/.testbed/pki/admin.key")
        );
    }
}
