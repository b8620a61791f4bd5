//! Where backup sets are, as the command line says it. Pure.

/// A bucket, and the prefix below which the sets are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub bucket: String,
    pub prefix: String,
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "s3://{}", self.bucket)?;
        if !self.prefix.is_empty() {
            write!(formatter, "/{}", self.prefix)?;
        }
        Ok(())
    }
}

/// Reads `s3://BUCKET/PREFIX`; the prefix may be left out.
pub fn parse_place(text: &str) -> Result<Place, String> {
    let wrong = || {
        format!(
            "`{text}` is not of the form s3://BUCKET/PREFIX; the prefix is that of spec.backup.storage, and \
             may be left out"
        )
    };
    let rest = text.strip_prefix("s3://").ok_or_else(wrong)?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err(wrong());
    }
    Ok(Place {
        bucket: bucket.to_owned(),
        prefix: prefix.trim_matches('/').to_owned(),
    })
}

/// Reads `NAMESPACE/NAME`.
pub fn parse_database(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((namespace, name))
            if !namespace.is_empty() && !name.is_empty() && !name.contains('/') =>
        {
            Ok((namespace.to_owned(), name.to_owned()))
        }
        _ => Err(format!(
            "`{text}` is not of the form NAMESPACE/NAME, such as prod/orders"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_and_printed() {
        for (text, printed) in [
            ("s3://backups", "s3://backups"),
            ("s3://backups/", "s3://backups"),
            ("s3://backups/prod/eu/", "s3://backups/prod/eu"),
        ] {
            assert_eq!(
                parse_place(text).map(|place| place.to_string()),
                Ok(printed.to_owned())
            );
        }
        for text in ["backups", "s3://", "s3:///prod", "https://backups"] {
            assert!(parse_place(text).is_err(), "{text}");
        }
        assert!(parse_database("prod/orders").is_ok());
        for text in ["prod", "/orders", "prod/", "a/b/c"] {
            assert!(parse_database(text).is_err(), "{text}");
        }
    }
}
