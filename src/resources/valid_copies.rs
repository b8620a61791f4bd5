//! The copies of backups, and how much of the sets is read back, as a spec asks for them. Pure.

use std::time::Duration;

use super::duration::parse_duration;
use super::spec_error::SpecError;
use super::valid_storage::{DEFAULT_RETRY, RETRY_RANGE, storage_errors};
use crate::api::{Backup, COPY_LIMIT, S3Storage};

/// A further bucket that gets a copy of every backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidCopy {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub storage: S3Storage,
    /// How long one copy waits in all for a storage that is unavailable or busy.
    pub retry_timeout: Duration,
}

/// Reads the copies; `parent` has the field `copies`.
pub(super) fn read_copies(parent: &str, backup: &Backup) -> Result<Vec<ValidCopy>, Vec<SpecError>> {
    let mut errors = Vec::new();
    let mut copies: Vec<ValidCopy> = Vec::new();
    let refusal = |field: String, message: &str| SpecError {
        field,
        message: message.to_owned(),
    };
    if backup.copies.len() > COPY_LIMIT {
        errors.push(refusal(
            format!("{parent}.copies"),
            &format!("there are more than {COPY_LIMIT} copies"),
        ));
    }
    for (place, copy) in backup.copies.iter().enumerate() {
        let field = |name: &str| format!("{parent}.copies[{place}].{name}");
        let storage = &copy.storage.s3;
        errors.extend(storage_errors(&field("storage.s3"), storage));
        if !is_name(&copy.name) {
            let message = "it must have 1 to 30 lowercase letters, digits and hyphens, and no hyphen at an end";
            errors.push(refusal(field("name"), message));
        }
        if copies.iter().any(|other| other.name == copy.name) {
            errors.push(refusal(field("name"), "another copy has this name"));
        }
        let mut others = copies.iter().map(|other| &other.storage);
        if storage.is_same_place(&backup.storage.s3)
            || others.any(|other| storage.is_same_place(other))
        {
            let message = "the backups themselves, or another copy, are in this bucket and below this prefix: \
                that is no copy. Name another bucket";
            errors.push(refusal(field("storage.s3"), message));
        }
        let retry = storage.retry_timeout.as_deref().unwrap_or(DEFAULT_RETRY);
        match parse_duration(retry, RETRY_RANGE) {
            Ok(retry_timeout) => copies.push(ValidCopy {
                name: copy.name.clone(),
                storage: storage.clone(),
                retry_timeout,
            }),
            Err(error) => errors.push(refusal(
                field("storage.s3.retryTimeout"),
                &error.to_string(),
            )),
        }
    }
    if errors.is_empty() {
        Ok(copies)
    } else {
        Err(errors)
    }
}

fn is_name(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=30).contains(&name.len())
        && name.bytes().all(is_inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// How many bytes are read back each day; 0 for none.
pub(super) fn read_sample(field: &str, text: &str) -> Result<u64, SpecError> {
    if text == "Off" {
        return Ok(0);
    }
    let units = [("Mi", 20), ("Gi", 30), ("Ti", 40)];
    let read = units.iter().find_map(|(unit, bits)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        (1..100_000).contains(&number).then_some(number << bits)
    });
    read.ok_or_else(|| SpecError {
        field: field.to_owned(),
        message: format!(
            "{text:?} is no amount of bytes, such as 500Mi, 10Gi or 1Ti, and not \"Off\""
        ),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use serde_json::{Value, json};

    use super::*;

    fn backup(copies: &Value) -> Backup {
        serde_json::from_value(json!({
            "schedule": "@daily", "storage": {"s3": {"bucket": "backups", "prefix": "prod"}}, "copies": copies,
        }))
        .unwrap()
    }

    fn fields(copies: &Value) -> Vec<String> {
        let errors = read_copies("spec.backup", &backup(copies)).unwrap_err();
        errors.into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn a_copy_is_somewhere_else_and_has_a_name_of_its_own() {
        let copy = |name: &str, bucket: &str, prefix: &str| json!({"name": name, "storage": {"s3": {"bucket": bucket, "prefix": prefix}}});
        let good = json!([
            copy("offsite", "copies", "prod"),
            copy("near", "backups", "copies")
        ]);
        let read = read_copies("spec.backup", &backup(&good)).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].retry_timeout, Duration::from_hours(1));
        for (copies, field) in [
            (json!([copy("offsite", "backups", "prod")]), "storage.s3"),
            (json!([copy("-", "copies", "")]), "name"),
            (json!([copy("Offsite", "copies", "")]), "name"),
            (
                json!([copy("offsite", "copies", "a/..")]),
                "storage.s3.prefix",
            ),
        ] {
            assert_eq!(fields(&copies), [format!("spec.backup.copies[0].{field}")]);
        }
        let twice = json!([copy("one", "copies", "a"), copy("two", "copies", "a")]);
        assert_eq!(fields(&twice), ["spec.backup.copies[1].storage.s3"]);
        let twice = json!([copy("one", "copies", "a"), copy("one", "copies", "b")]);
        assert_eq!(fields(&twice), ["spec.backup.copies[1].name"]);
    }

    #[test]
    fn an_amount_is_read_as_it_is_meant() {
        for (text, bytes) in [
            ("Off", 0),
            ("1Mi", 1 << 20),
            ("10Gi", 10 << 30),
            ("2Ti", 2 << 40),
        ] {
            assert_eq!(read_sample("f", text).unwrap(), bytes);
        }
        for wrong in ["", "0Gi", "10", "-1Gi", "10GB", "1e3Gi", "100000Ti"] {
            assert!(read_sample("f", wrong).is_err(), "{wrong}");
        }
    }
}
