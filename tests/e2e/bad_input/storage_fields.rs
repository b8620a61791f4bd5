//! What the API server refuses of a storage, naming the field.

use serde_json::{Value, json};

/// Where in the spec (a JSON pointer), what is written there, and what the answer says.
pub fn storage_mistakes() -> Vec<(&'static str, Value, Vec<&'static str>)> {
    let mut mistakes = vec![
        (
            "/backup/storage/s3/bucket",
            json!("No_Such_Bucket"),
            vec!["spec.backup.storage.s3.bucket"],
        ),
        (
            "/backup/storage/s3/credentialsSecret",
            json!({"name": ""}),
            vec!["spec.backup.storage.s3.credentialsSecret.name"],
        ),
        (
            "/backup/storage/s3/objectLock",
            json!({"mode": "Governance", "days": 0}),
            vec!["spec.backup.storage.s3.objectLock.days"],
        ),
        (
            "/backup/storage/s3/profile",
            json!("Azure"),
            vec!["spec.backup.storage.s3.profile", "Generic"],
        ),
        (
            "/backup/storage/s3/storageClass",
            json!("cold storage"),
            vec!["spec.backup.storage.s3.storageClass"],
        ),
        (
            "/backup/storage/s3/serverSideEncryption",
            json!({"algorithm": "Aes256", "kmsKeyId": "key-1"}),
            vec!["serverSideEncryption.kmsKeyId needs the algorithm Kms"],
        ),
        (
            "/backup/encryption",
            json!({"ageRecipients": ["AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33"]}),
            vec!["spec.backup.encryption.ageRecipients has a private key"],
        ),
        (
            "/backup/encryption",
            json!({"ageRecipients": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5"]}),
            vec!["spec.backup.encryption.ageRecipients must be public keys of age"],
        ),
        (
            "/backup/encryption",
            json!({"ageRecipients": []}),
            vec!["spec.backup.encryption.ageRecipients"],
        ),
        (
            "/backup/window",
            json!("an hour"),
            vec!["spec.backup.window"],
        ),
        (
            "/backup/directories",
            json!([{"claim": "uploads", "path": "a/../b"}]),
            vec!["spec.backup.directories: path must not contain"],
        ),
        (
            "/backup/directories",
            json!([{"claim": "uploads"}, {"claim": "uploads", "path": ""}]),
            vec!["spec.backup.directories names a directory of a claim twice"],
        ),
        (
            "/backup/directories",
            json!([{"claim": "uploads", "runAsUser": 1000}, {"claim": "receipts"}]),
            vec!["runAsUser and runAsGroup must be the same for all directories"],
        ),
        (
            "/backup/storage/s3/retryTimeout",
            json!("an hour"),
            vec!["spec.backup.storage.s3.retryTimeout"],
        ),
        // The endpoint of the tests is `http`.
        (
            "/backup/storage/s3/caSecret",
            json!({"name": "s3-ca", "key": "ca.crt"}),
            vec!["storage.s3.caSecret asks for TLS", "clear text"],
        ),
    ];
    let prefixes = ["/absolute", ".", "..", "a/..", "../b", "a/./b", "a/../b"];
    mistakes.extend(prefixes.map(|prefix| {
        (
            "/backup/storage/s3/prefix",
            json!(prefix),
            vec!["spec.backup.storage.s3", "storage.s3.prefix"],
        )
    }));
    let endpoints = [
        "s3.storage:9000",
        "http://user:password@s3.storage",
        "http://169.254.169.254",
        "http://[fe80::1]:80",
        "http://[fd00:ec2::254]",
        "http://2852039166",
        "http://0xa9fea9fe",
        "http://metadata.google.internal",
        "https://kubernetes.default.svc",
        "https://kubernetes.default.svc.cluster.local:443",
    ];
    mistakes.extend(endpoints.map(|endpoint| {
        (
            "/backup/storage/s3/endpoint",
            json!(endpoint),
            vec!["spec.backup.storage.s3", "storage.s3.endpoint"],
        )
    }));
    mistakes
}
