//! Paths of directories as text, compared part by part.

/// Whether a directory is another one or lies below it. Slashes at the end, doubled ones and single
/// dots mean nothing, and two dots go back.
#[must_use]
pub fn lies_under(directory: &str, above: &str) -> bool {
    parts(directory).starts_with(&parts(above))
}

/// Whether two paths are of one directory.
#[must_use]
pub fn is_same_path(one: &str, other: &str) -> bool {
    parts(one) == parts(other)
}

/// What of a directory is left below another one, without a slash at the beginning.
#[must_use]
pub fn rest_below(directory: &str, above: &str) -> String {
    let directory = parts(directory);
    let rest = directory.get(parts(above).len()..).unwrap_or_default();
    rest.join("/")
}

/// How many parts a path has.
#[must_use]
pub fn path_depth(path: &str) -> usize {
    parts(path).len()
}

/// Like the container runtime, which cleans a path before it mounts anything there: nothing is above
/// the root.
fn parts(path: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_part_by_part() {
        for (directory, above, under) in [
            ("/a/b", "/a", true),
            ("/a/b", "/a/", true),
            ("/a//b/.", "/a/b", true),
            ("/a", "/", true),
            ("/ab", "/a", false),
            ("/a", "/a/b", false),
            ("/x/../a/b", "/a", true),
            ("/a/../b", "/a", false),
            ("/../a", "/a", true),
        ] {
            assert_eq!(lies_under(directory, above), under, "{directory} {above}");
        }
        assert_eq!(rest_below("/a//b/c", "/a/"), "b/c");
        assert_eq!(rest_below("/a", "/a"), "");
        assert_eq!(rest_below("/x/../a/b", "/./a/"), "b");
        assert!(is_same_path("/x/..//a/.", "/a/"));
        assert!(!is_same_path("/a/b", "/a"));
    }
}
