//! The images a cluster starts with: built once, unpacked once into a store that each start takes
//! by hard links.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::{PAUSE_IMAGE, POSTGRES_15_IMAGE, POSTGRES_17_IMAGE, pause, postgres};
use crate::cache::{self, Cache};
use crate::components::build_image_store_launch;
use crate::layout::Layout;
use crate::process::{Process, State};
use crate::progress;
use crate::shell;
use crate::tools::Selection;
use crate::versions::{POSTGRES_15, POSTGRES_17};

/// The namespace in which containerd keeps the images of Kubernetes.
const NAMESPACE: &str = "k8s.io";

/// An image in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFile {
    /// Its name.
    pub name: &'static str,
    /// The OCI tar.
    pub path: PathBuf,
}

/// One image: its name, what it depends on, and how it is made.
struct Recipe {
    name: &'static str,
    needed_by: Selection,
    key: String,
    build: fn(&Path, &Path) -> Result<()>,
}

fn recipes(selection: Selection) -> Vec<Recipe> {
    let recipe = |name, needed_by, key: String, build| Recipe {
        name,
        needed_by,
        key: cache::key(&[&key]),
        build,
    };
    let mut all = vec![
        recipe(PAUSE_IMAGE, Selection::Demo, pause::recipe(), pause::build),
        recipe(
            POSTGRES_15_IMAGE,
            Selection::Demo,
            postgres::recipe(POSTGRES_15),
            |target, work| postgres::build(POSTGRES_15, target, work),
        ),
        recipe(
            POSTGRES_17_IMAGE,
            Selection::All,
            postgres::recipe(POSTGRES_17),
            |target, work| postgres::build(POSTGRES_17, target, work),
        ),
    ];
    all.retain(|recipe| recipe.needed_by <= selection);
    all
}

/// Builds the images of a selection that are not in the cache yet.
pub fn image_files(cache: &Cache, selection: Selection) -> Result<Vec<ImageFile>> {
    let build = |recipe: Recipe| {
        let file = format!(
            "{}-{}.tar",
            recipe
                .name
                .trim_start_matches("localhost/")
                .replace(':', "-"),
            recipe.key
        );
        let path = cache.file("images", &file, |half, work| {
            progress::step(&format!("image {}", recipe.name), || {
                (recipe.build)(half, work)
            })
        })?;
        Ok(ImageFile {
            name: recipe.name,
            path,
        })
    };
    recipes(selection).into_iter().map(build).collect()
}

/// Unpacks images into an image store in the cache, by a containerd of its own, unless that was
/// done before.
pub fn build_store(cache: &Cache, bin: &Path, images: &[ImageFile]) -> Result<PathBuf> {
    let names: Vec<_> = images
        .iter()
        .map(|image| image.path.to_string_lossy().into_owned())
        .collect();
    let key = cache::key(
        &names
            .iter()
            .map(|name| name.rsplit('/').next().unwrap_or(name))
            .collect::<Vec<_>>(),
    );
    cache.folder(&format!("store-{key}"), |root| {
        progress::step("unpacking the images", || {
            // Not in the cache: the path of a Unix socket must be short.
            let work = tempfile::Builder::new().prefix("holdfast-").tempdir()?;
            let (configuration, launch) = build_image_store_launch(bin, root, work.path());
            fs::write(work.path().join("containerd.toml"), configuration)?;
            let log = work.path().join("log");
            let mut child = Command::new(&launch.program)
                .args(&launch.arguments)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(fs::File::create(&log)?)
                .spawn()
                .context("containerd can't be started")?;
            let process = Process::with_pid(i32::try_from(child.id())?);
            let socket = work.path().join("containerd.sock");
            let imported = wait_for_socket(&socket, process).and_then(|()| {
                images
                    .iter()
                    .try_for_each(|image| import_into(bin, &socket, &image.path))
            });
            process.stop(Duration::from_secs(10))?;
            child.wait()?;
            imported.with_context(|| {
                let text = fs::read_to_string(&log).unwrap_or_default();
                format!(
                    "last lines of containerd's log:\n{}",
                    shell::last_lines(&text, 15)
                )
            })
        })
    })
}

fn wait_for_socket(socket: &Path, process: Process) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(30);
    while std::os::unix::net::UnixStream::connect(socket).is_err() {
        if process.state() == State::Dead || Instant::now() > until {
            bail!("the containerd that unpacks images did not come up");
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Gives a cluster an image store of its own: files that never change as hard links where the file
/// system allows it.
pub fn copy_store(store: &Path, target: &Path) -> Result<()> {
    let content = store.join(".");
    fs::create_dir_all(target)?;
    let linked = shell::run(Command::new("cp").arg("-al").arg(&content).arg(target));
    if linked.is_err() {
        fs::remove_dir_all(target)?;
        fs::create_dir_all(target)?;
        shell::run(
            Command::new("cp")
                .args(["-a", "--reflink=auto"])
                .arg(&content)
                .arg(target),
        )?;
        return Ok(());
    }
    // The databases are written in place.
    let databases = shell::run(
        Command::new("find")
            .arg(&content)
            .args(["-name", "*.db", "-printf", "%P\\n"]),
    )?;
    for database in databases.lines() {
        fs::remove_file(target.join(database))?;
        fs::copy(store.join(database), target.join(database))?;
    }
    Ok(())
}

/// Imports an OCI tar into the running cluster.
pub fn import(layout: &Layout, bin: &Path, image: &Path) -> Result<()> {
    import_into(bin, &layout.containerd_socket(), image)
}

fn import_into(bin: &Path, socket: &Path, image: &Path) -> Result<()> {
    shell::run(ctr(bin, socket).args(["images", "import"]).arg(image)).map(drop)
}

/// The names of the images the running cluster has.
pub fn fetch_image_names(layout: &Layout, bin: &Path) -> Result<Vec<String>> {
    let listed =
        shell::run(ctr(bin, &layout.containerd_socket()).args(["images", "list", "--quiet"]))?;
    Ok(listed
        .lines()
        .filter(|name| !name.starts_with("sha256:"))
        .map(str::to_owned)
        .collect())
}

fn ctr(bin: &Path, socket: &Path) -> Command {
    let mut command = Command::new(bin.join("ctr"));
    command
        .arg("--address")
        .arg(socket)
        .args(["--namespace", NAMESPACE]);
    command
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_copied_store_shares_files_but_not_databases() {
        use std::os::unix::fs::MetadataExt as _;
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store");
        fs::create_dir_all(store.join("snapshots/1/fs")).unwrap();
        fs::write(store.join("snapshots/1/fs/file"), "layer").unwrap();
        fs::write(store.join("snapshots/metadata.db"), "before").unwrap();
        let copy = folder.path().join("copy");
        copy_store(&store, &copy).unwrap();
        fs::write(copy.join("snapshots/metadata.db"), "after").unwrap();
        assert_eq!(
            fs::read_to_string(store.join("snapshots/metadata.db")).unwrap(),
            "before"
        );
        let inode = |root: &Path| {
            fs::metadata(root.join("snapshots/1/fs/file"))
                .unwrap()
                .ino()
        };
        assert_eq!(inode(&store), inode(&copy));
    }

    #[test]
    fn the_demo_needs_only_one_postgres() {
        let names: Vec<_> = recipes(Selection::Demo)
            .iter()
            .map(|recipe| recipe.name)
            .collect();
        assert_eq!(names, [PAUSE_IMAGE, POSTGRES_15_IMAGE]);
    }
}
