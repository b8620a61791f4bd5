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

/// Whether a text can be the key of a label: a name, after a domain and a slash if there is one.
#[must_use]
pub fn is_label_key(text: &str) -> bool {
    let (domain, name) = text
        .split_once('/')
        .map_or((None, text), |(domain, name)| (Some(domain), name));
    !name.is_empty() && is_label_value(name) && domain.is_none_or(is_object_name)
}

/// Whether a text can be the value of a label: letters and digits, with `-`, `_` and `.` between them,
/// or nothing.
#[must_use]
pub fn is_label_value(text: &str) -> bool {
    let is_inner = |one: u8| one.is_ascii_alphanumeric() || b"-_.".contains(&one);
    let is_outer = |one: Option<u8>| one.is_none_or(|one| one.is_ascii_alphanumeric());
    text.len() <= LABEL_LIMIT
        && text.bytes().all(is_inner)
        && is_outer(text.bytes().next())
        && is_outer(text.bytes().next_back())
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
    fn labels_have_the_form_that_the_api_server_wants() {
        for key in ["team", "a.b/c_d", "app.kubernetes.io/name", "A-1"] {
            assert!(is_label_key(key), "{key}");
        }
        let long = "a".repeat(64);
        for key in [
            "", "/a", "a/", "a/b/c", "-a", "a b", "A.b/c", "a..b/c", "_", &long,
        ] {
            assert!(!is_label_key(key), "{key}");
        }
        assert!(is_label_value("") && is_label_value("a_b.c-D"));
        assert!(!is_label_value("a b") && !is_label_value("-") && !is_label_value(&long));
    }

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
