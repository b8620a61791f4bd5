//! Writes OCI images: a tar of a few JSON files and one uncompressed layer. What goes into the
//! layer is decided elsewhere.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek as _, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

use crate::digest;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIGURATION: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// This machine's processor, in the words of the image specification.
const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") {
    "arm64"
} else {
    "amd64"
};

/// How containers of an image are run, in the words of the OCI image specification.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// The names it gets, each with its tag.
    pub names: Vec<String>,
    /// The command that always runs.
    pub entrypoint: Vec<String>,
    /// Its arguments, unless others are given.
    pub arguments: Vec<String>,
    /// `NAME=value`.
    pub environment: Vec<String>,
    /// The user, by number where the pod's security settings shall be able to tell that it is not
    /// root.
    pub user: String,
    /// The signal that asks the program to end.
    pub stop_signal: Option<String>,
    /// Folders that are volumes.
    pub volumes: Vec<String>,
    /// Ports, like `5432/tcp`.
    pub ports: Vec<String>,
}

/// A file system layer being written.
pub struct Layer {
    builder: Builder<Hashing<BufWriter<File>>>,
}

/// A finished layer: a temporary file, its size and digest.
pub struct FinishedLayer {
    file: File,
    size: u64,
    digest: String,
}

impl Layer {
    /// An empty layer, in a temporary file in `folder`.
    pub fn begin(folder: &Path) -> Result<Self> {
        let file = tempfile::tempfile_in(folder)
            .with_context(|| format!("no temporary file can be made in {}", folder.display()))?;
        let writer = Hashing {
            inner: BufWriter::with_capacity(1 << 20, file),
            hasher: Sha256::new(),
            size: 0,
        };
        Ok(Self {
            builder: Builder::new(writer),
        })
    }

    /// Adds a folder owned by root.
    pub fn add_folder(&mut self, path: &str, mode: u32) -> Result<()> {
        let mut header = build_header(EntryType::Directory, mode, 0);
        Ok(self
            .builder
            .append_data(&mut header, format!("{path}/"), io::empty())?)
    }

    /// Adds a file owned by root.
    pub fn add_file(&mut self, path: &str, mode: u32, source: &Path) -> Result<()> {
        let file =
            File::open(source).with_context(|| format!("{} can't be read", source.display()))?;
        let mut header = build_header(EntryType::Regular, mode, file.metadata()?.len());
        Ok(self.builder.append_data(&mut header, path, file)?)
    }

    /// Adds everything below `root`, with its owners, modes and links, except the folders named in
    /// `without`.
    pub fn add_tree(&mut self, root: &Path, without: &[&str]) -> Result<()> {
        let mut links: HashMap<(u64, u64), PathBuf> = HashMap::new();
        let mut waiting = vec![PathBuf::new()];
        while let Some(folder) = waiting.pop() {
            let mut entries: Vec<_> =
                fs::read_dir(root.join(&folder))?.collect::<io::Result<_>>()?;
            entries.sort_by_key(fs::DirEntry::file_name);
            for entry in entries {
                let path = folder.join(entry.file_name());
                if without.iter().any(|name| path == Path::new(name)) {
                    continue;
                }
                let metadata = entry.metadata()?;
                self.add_entry(root, &path, &metadata, &mut links)
                    .with_context(|| format!("{} can't be added to the image", path.display()))?;
                if metadata.is_dir() {
                    waiting.push(path);
                }
            }
        }
        Ok(())
    }

    fn add_entry(
        &mut self,
        root: &Path,
        path: &Path,
        metadata: &fs::Metadata,
        links: &mut HashMap<(u64, u64), PathBuf>,
    ) -> Result<()> {
        let mut header = Header::new_gnu();
        header.set_metadata(metadata);
        if metadata.is_symlink() {
            return Ok(self.builder.append_link(
                &mut header,
                path,
                fs::read_link(root.join(path))?,
            )?);
        }
        if metadata.is_file() {
            if metadata.nlink() > 1 {
                if let Some(first) = links.get(&(metadata.dev(), metadata.ino())) {
                    header.set_entry_type(EntryType::Link);
                    header.set_size(0);
                    return Ok(self.builder.append_link(&mut header, path, first)?);
                }
                links.insert((metadata.dev(), metadata.ino()), path.to_owned());
            }
            return Ok(self.builder.append_data(
                &mut header,
                path,
                File::open(root.join(path))?,
            )?);
        }
        if metadata.is_dir() {
            return Ok(self.builder.append_data(&mut header, path, io::empty())?);
        }
        // Devices and sockets: a container gets its own.
        Ok(())
    }

    /// Ends the layer.
    pub fn finish(self) -> Result<FinishedLayer> {
        let mut writer = self.builder.into_inner()?;
        writer.flush()?;
        let digest = digest::in_hexadecimal(&writer.hasher.finalize());
        let mut file = writer
            .inner
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(FinishedLayer {
            file,
            size: writer.size,
            digest,
        })
    }
}

/// Writes an image with one layer as an OCI tar.
pub fn write(image: &Image, layer: FinishedLayer, target: &Path) -> Result<()> {
    let configuration = build_configuration(image, &layer.digest).to_string();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": build_descriptor(CONFIGURATION, &digest::of_text(&configuration), configuration.len() as u64),
        "layers": [build_descriptor(LAYER, &layer.digest, layer.size)],
    })
    .to_string();
    let manifests: Vec<Value> = image
        .names
        .iter()
        .map(|name| {
            let mut descriptor =
                build_descriptor(MANIFEST, &digest::of_text(&manifest), manifest.len() as u64);
            let tag = name.rsplit_once(':').map_or("latest", |(_, tag)| tag);
            descriptor["annotations"] =
                json!({"io.containerd.image.name": name, "org.opencontainers.image.ref.name": tag});
            descriptor
        })
        .collect();
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).to_string();

    let file =
        File::create(target).with_context(|| format!("{} can't be written", target.display()))?;
    let mut tar = Builder::new(BufWriter::with_capacity(1 << 20, file));
    append(&mut tar, "oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#)?;
    append(&mut tar, "index.json", &index)?;
    append(
        &mut tar,
        &format!("blobs/sha256/{}", digest::of_text(&manifest)),
        &manifest,
    )?;
    append(
        &mut tar,
        &format!("blobs/sha256/{}", digest::of_text(&configuration)),
        &configuration,
    )?;
    let mut header = build_header(EntryType::Regular, 0o644, layer.size);
    tar.append_data(
        &mut header,
        format!("blobs/sha256/{}", layer.digest),
        layer.file,
    )?;
    tar.into_inner()?.flush()?;
    Ok(())
}

fn append(tar: &mut Builder<impl Write>, path: &str, text: &str) -> Result<()> {
    let mut header = build_header(EntryType::Regular, 0o644, text.len() as u64);
    Ok(tar.append_data(&mut header, path, text.as_bytes())?)
}

fn build_header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header
}

fn build_descriptor(media_type: &str, digest: &str, size: u64) -> Value {
    json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": size})
}

fn build_configuration(image: &Image, layer_digest: &str) -> Value {
    let set = |names: &[String]| {
        names
            .iter()
            .map(|name| (name.clone(), json!({})))
            .collect::<serde_json::Map<_, _>>()
    };
    let mut config =
        json!({"User": image.user, "Env": image.environment, "Entrypoint": image.entrypoint});
    if !image.arguments.is_empty() {
        config["Cmd"] = json!(image.arguments);
    }
    if let Some(signal) = &image.stop_signal {
        config["StopSignal"] = json!(signal);
    }
    if !image.volumes.is_empty() {
        config["Volumes"] = Value::Object(set(&image.volumes));
    }
    if !image.ports.is_empty() {
        config["ExposedPorts"] = Value::Object(set(&image.ports));
    }
    json!({
        "architecture": ARCHITECTURE,
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{layer_digest}")]},
    })
}

/// Counts and digests what passes through.
struct Hashing<W> {
    inner: W,
    hasher: Sha256,
    size: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn read_entry(image: &Path, path: &str) -> String {
        let mut archive = tar::Archive::new(File::open(image).unwrap());
        let mut entries = archive.entries().unwrap().map(Result::unwrap);
        let mut entry = entries
            .find(|entry| entry.path().unwrap() == Path::new(path))
            .unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        text
    }

    fn write_example(folder: &Path) -> PathBuf {
        let tree = folder.join("tree");
        fs::create_dir_all(tree.join("bin")).unwrap();
        fs::create_dir_all(tree.join("proc/1")).unwrap();
        fs::write(tree.join("bin/program"), "#!/bin/sh\n").unwrap();
        fs::hard_link(tree.join("bin/program"), tree.join("bin/second")).unwrap();
        std::os::unix::fs::symlink("program", tree.join("bin/link")).unwrap();
        let mut layer = Layer::begin(folder).unwrap();
        layer.add_tree(&tree, &["proc/1"]).unwrap();
        let image = Image {
            names: vec!["localhost/example:1".into(), "localhost/example:dev".into()],
            entrypoint: vec!["/bin/program".into()],
            user: "65532".into(),
            ..Image::default()
        };
        let target = folder.join("image.tar");
        write(&image, layer.finish().unwrap(), &target).unwrap();
        target
    }

    #[test]
    fn every_descriptor_leads_to_a_blob_with_its_digest() {
        let folder = tempfile::tempdir().unwrap();
        let target = write_example(folder.path());
        let index: Value = serde_json::from_str(&read_entry(&target, "index.json")).unwrap();
        assert_eq!(
            index["manifests"].as_array().unwrap().len(),
            2,
            "one manifest under two names"
        );
        assert_eq!(
            index["manifests"][1]["annotations"]["io.containerd.image.name"],
            "localhost/example:dev"
        );
        let blob = |descriptor: &Value| {
            let digest = descriptor["digest"]
                .as_str()
                .unwrap()
                .strip_prefix("sha256:")
                .unwrap()
                .to_owned();
            let text = read_entry(&target, &format!("blobs/sha256/{digest}"));
            assert_eq!(digest::of_text(&text), digest);
            assert_eq!(descriptor["size"], text.len());
            text
        };
        let manifest: Value = serde_json::from_str(&blob(&index["manifests"][0])).unwrap();
        let configuration: Value = serde_json::from_str(&blob(&manifest["config"])).unwrap();
        assert_eq!(
            configuration["rootfs"]["diff_ids"][0],
            manifest["layers"][0]["digest"]
        );
        assert_eq!(configuration["config"]["User"], "65532");
        blob(&manifest["layers"][0]);
    }

    #[test]
    fn links_stay_links_and_left_out_folders_stay_out() {
        let folder = tempfile::tempdir().unwrap();
        let mut layer = Layer::begin(folder.path()).unwrap();
        write_example(folder.path());
        layer
            .add_tree(&folder.path().join("tree"), &["proc/1"])
            .unwrap();
        let mut archive = tar::Archive::new(layer.finish().unwrap().file);
        let kinds: std::collections::BTreeMap<String, EntryType> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                (
                    entry.path().unwrap().display().to_string(),
                    entry.header().entry_type(),
                )
            })
            .collect();
        assert_eq!(kinds["bin/link"], EntryType::Symlink);
        assert_eq!(kinds["bin/program"], EntryType::Regular);
        assert_eq!(kinds["bin/second"], EntryType::Link);
        assert!(kinds.contains_key("proc") || kinds.contains_key("proc/"));
        assert!(!kinds.keys().any(|path| path.starts_with("proc/1")));
    }
}
