//! The sandbox image: a few lines of C, linked statically.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::oci::{self, Image, Layer};
use crate::shell;

/// The name of the sandbox image.
pub const PAUSE_IMAGE: &str = "localhost/pause:1";

const SOURCE: &str = include_str!("pause.c");

/// What the image depends on.
pub fn recipe() -> String {
    SOURCE.to_owned()
}

/// Compiles the program and writes the image.
pub fn build(target: &Path, work: &Path) -> Result<()> {
    let (source, program) = (work.join("pause.c"), work.join("pause"));
    fs::write(&source, SOURCE)?;
    shell::run(
        Command::new("cc")
            .args(["-Os", "-static", "-s", "-o"])
            .arg(&program)
            .arg(&source),
    )?;
    let mut layer = Layer::begin(work)?;
    layer.add_file("pause", 0o755, &program)?;
    let image = Image {
        names: vec![PAUSE_IMAGE.to_owned()],
        entrypoint: vec!["/pause".to_owned()],
        user: "65535".to_owned(),
        ..Image::default()
    };
    oci::write(&image, layer.finish()?, target)
}
