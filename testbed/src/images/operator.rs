//! The operator's image: one static binary and nothing else.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::oci::{self, Image, Layer};
use crate::digest;
use crate::shell;

/// The name of the operator's image that always means the newest.
pub const OPERATOR_IMAGE: &str = "localhost/holdfast:dev";

/// The operator's image of one particular binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorImage {
    /// A name that changes with the binary, so that a Deployment that names it is rolled when the
    /// binary changes.
    pub name: String,
}

impl OperatorImage {
    /// The image a binary would get.
    pub fn of(binary: &Path) -> Result<Self> {
        let digest = digest::of_file(binary).with_context(|| {
            format!(
                "{} can't be read: build it with `cargo build -p holdfast`",
                binary.display()
            )
        })?;
        Ok(Self {
            name: format!("localhost/holdfast:{}", &digest[..12]),
        })
    }
}

/// Packs a static binary as the operator's image, under its own name and as
/// `localhost/holdfast:dev`.
pub fn build_operator_image(
    binary: &Path,
    image: &OperatorImage,
    target: &Path,
    work: &Path,
) -> Result<()> {
    let small = work.join("holdfast");
    // Without symbols it is a third of the size, which the import feels; a machine without strip
    // does without.
    let stripped = shell::run(Command::new("strip").arg("-o").arg(&small).arg(binary)).is_ok();
    let mut layer = Layer::begin(work)?;
    layer.add_folder("tmp", 0o1777)?;
    layer.add_file("holdfast", 0o755, if stripped { &small } else { binary })?;
    let image = Image {
        names: vec![image.name.clone(), OPERATOR_IMAGE.to_owned()],
        entrypoint: vec!["/holdfast".to_owned()],
        user: "65532:65532".to_owned(),
        ..Image::default()
    };
    oci::write(&image, layer.finish()?, target)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn the_name_follows_the_content() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        std::fs::write(&one, "a").unwrap();
        std::fs::write(&other, "b").unwrap();
        let name = OperatorImage::of(&one).unwrap();
        assert_eq!(OperatorImage::of(&one).unwrap(), name);
        assert_ne!(OperatorImage::of(&other).unwrap(), name);
    }

    #[test]
    fn a_missing_binary_says_how_to_build_it() {
        let error = OperatorImage::of(Path::new("/nonexistent/holdfast"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("cargo build -p holdfast"), "{error}");
    }
}
