//! One certificate authority and the certificates of a small cluster, made anew at each start.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
};

use crate::layout::{NODE_ADDRESS, NODE_NAME, SERVICE_API_ADDRESS};

/// Who a certificate speaks for.
struct Subject {
    /// The name of the files.
    file: &'static str,
    /// The user, or the server's name.
    common_name: String,
    /// The group.
    organization: Option<&'static str>,
    addresses: &'static [&'static str],
    names: &'static [&'static str],
}

/// The users that get a kubeconfig: file name, user name, group.
pub const USERS: [(&str, &str, Option<&str>); 7] = [
    ("admin", "admin", Some(ADMINISTRATORS)),
    ("dns", "testbed-dns", Some(ADMINISTRATORS)),
    ("provisioner", "testbed-provisioner", Some(ADMINISTRATORS)),
    ("controller-manager", "system:kube-controller-manager", None),
    ("scheduler", "system:kube-scheduler", None),
    ("proxy", "system:kube-proxy", None),
    ("node", "system:node:node1", Some("system:nodes")),
];

/// The group that may do anything.
const ADMINISTRATORS: &str = "system:masters";

fn subjects() -> Vec<Subject> {
    let client =
        |(file, user, organization): (&'static str, &'static str, Option<&'static str>)| Subject {
            file,
            common_name: user.to_owned(),
            organization,
            addresses: &[],
            names: &[],
        };
    let mut subjects: Vec<_> = USERS.into_iter().map(client).collect();
    subjects.push(client((
        "apiserver-kubelet",
        "kube-apiserver-kubelet-client",
        Some(ADMINISTRATORS),
    )));
    subjects.push(Subject {
        file: "apiserver",
        common_name: "kube-apiserver".to_owned(),
        organization: None,
        addresses: &["127.0.0.1", NODE_ADDRESS, SERVICE_API_ADDRESS],
        names: &[
            "localhost",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
        ],
    });
    subjects.push(Subject {
        file: "kubelet",
        common_name: NODE_NAME.to_owned(),
        organization: None,
        addresses: &[NODE_ADDRESS],
        names: &[NODE_NAME],
    });
    subjects
}

/// Writes the authority, all certificates and the key that signs service account tokens into a
/// folder.
pub fn write(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let mut authority = CertificateParams::default();
    authority.distinguished_name = build_name("holdfast-testbed", None);
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)
        .context("the certificate authority can't be made")?;
    fs::write(folder.join("ca.crt"), authority.pem())?;
    for subject in subjects() {
        let key = KeyPair::generate()?;
        let certificate = build_parameters(&subject)?
            .signed_by(&key, &authority)
            .with_context(|| format!("the certificate of {} can't be made", subject.file))?;
        fs::write(
            folder.join(format!("{}.crt", subject.file)),
            certificate.pem(),
        )?;
        write_key(&folder.join(format!("{}.key", subject.file)), &key)?;
    }
    let service_accounts = KeyPair::generate()?;
    fs::write(
        folder.join("service-accounts.pub"),
        service_accounts.public_key_pem(),
    )?;
    write_key(&folder.join("service-accounts.key"), &service_accounts)
}

fn write_key(path: &Path, key: &KeyPair) -> Result<()> {
    fs::write(path, key.serialize_pem())?;
    Ok(fs::set_permissions(
        path,
        fs::Permissions::from_mode(0o600),
    )?)
}

fn build_parameters(subject: &Subject) -> Result<CertificateParams> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = build_name(&subject.common_name, subject.organization);
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let purpose = if subject.addresses.is_empty() {
        ExtendedKeyUsagePurpose::ClientAuth
    } else {
        ExtendedKeyUsagePurpose::ServerAuth
    };
    parameters.extended_key_usages = vec![purpose];
    for address in subject.addresses {
        parameters
            .subject_alt_names
            .push(SanType::IpAddress(address.parse::<IpAddr>()?));
    }
    for name in subject.names {
        parameters
            .subject_alt_names
            .push(SanType::DnsName((*name).try_into()?));
    }
    Ok(parameters)
}

fn build_name(common_name: &str, organization: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    if let Some(organization) = organization {
        name.push(DnType::OrganizationName, organization);
    }
    name
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn every_user_gets_a_certificate_and_a_private_key() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        for (file, ..) in USERS {
            assert!(folder.path().join(format!("{file}.crt")).is_file());
            let mode = fs::metadata(folder.path().join(format!("{file}.key")))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
