//! Paths of directories as text, compared part by part.

/// Whether a directory is another one or lies below it. Slashes at the end, doubled ones and single
/// dots mean nothing.
#[must_use]
pub fn lies_under(directory: &str, above: &str) -> bool {
    let mut directory = parts(directory);
    parts(above).all(|part| directory.next() == Some(part))
}

/// What of a directory is left below another one, without a slash at the beginning.
#[must_use]
pub fn rest_below(directory: &str, above: &str) -> String {
    let rest: Vec<&str> = parts(directory).skip(parts(above).count()).collect();
    rest.join("/")
}

/// How many parts a path has.
#[must_use]
pub fn path_depth(path: &str) -> usize {
    parts(path).count()
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter(|part| !part.is_empty() && *part != ".")
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
        ] {
            assert_eq!(lies_under(directory, above), under, "{directory} {above}");
        }
        assert_eq!(rest_below("/a//b/c", "/a/"), "b/c");
        assert_eq!(rest_below("/a", "/a"), "");
    }
}
