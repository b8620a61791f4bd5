//! Whether a text is a name that Kubernetes accepts. Only such a text is quoted where somebody else
//! may have written it: a command in a message must be that command and no other. Pure.

/// The longest name of a namespace.
const LABEL_LIMIT: usize = 63;
/// The longest name of an object.
const NAME_LIMIT: usize = 253;

/// Whether a text can be the name of a namespace: a DNS label.
#[must_use]
pub fn is_namespace_name(text: &str) -> bool {
    text.len() <= LABEL_LIMIT && is_label(text)
}

/// Whether a text can be the name of an object: a DNS subdomain.
#[must_use]
pub fn is_object_name(text: &str) -> bool {
    text.len() <= NAME_LIMIT && text.split('.').all(is_label)
}

/// The two names of `NAMESPACE/NAME`, if they are names.
#[must_use]
pub fn split_owner(text: &str) -> Option<(&str, &str)> {
    let (namespace, name) = text.split_once('/')?;
    (is_namespace_name(namespace) && is_object_name(name)).then_some((namespace, name))
}

fn is_label(text: &str) -> bool {
    let is_end = |character: Option<char>| {
        character.is_some_and(|end| end.is_ascii_lowercase() || end.is_ascii_digit())
    };
    is_end(text.chars().next())
        && is_end(text.chars().last())
        && text.chars().all(|character| {
            character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-'
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_names() {
        for name in ["a", "data-pg-0", "pvc-1.2", "0"] {
            assert!(is_object_name(name), "{name}");
        }
        let long = "a".repeat(254);
        for text in [
            "",
            "A",
            "-a",
            "a-",
            "a..b",
            ".a",
            "a b",
            "a;b",
            "$(reboot)",
            "a/b",
            "../a",
            "a\nb",
            "ä",
            &long,
        ] {
            assert!(!is_object_name(text), "{text}");
        }
        assert!(!is_namespace_name("a.b"));
        assert_eq!(split_owner("atra/knowledge"), Some(("atra", "knowledge")));
        for text in [
            "atra",
            "/knowledge",
            "atra/",
            "a.b/c",
            "atra/a/b",
            "x; rm -rf ~ #/y",
        ] {
            assert_eq!(split_owner(text), None, "{text}");
        }
    }
}
