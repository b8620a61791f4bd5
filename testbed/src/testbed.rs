//! The handle the command line and the tests use: one cluster of a checkout.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context as _, Result};
use kube::Client;

use crate::cache::{self, Cache};
use crate::cleanup;
use crate::client;
use crate::cluster::{self, Parts};
use crate::components::Component;
use crate::control;
use crate::images;
use crate::info::{Info, ObjectStoreInfo};
use crate::layout::Layout;
use crate::network;
use crate::packages;
use crate::process::State;
use crate::shell;
use crate::tools::{self, Selection};

/// One cluster of a checkout, up or not.
#[derive(Clone, Debug)]
pub struct Testbed {
    layout: Layout,
    cache: Cache,
}

impl Testbed {
    /// The testbed of the checkout that holds the current directory.
    pub fn discover() -> Result<Self> {
        Ok(Self {
            layout: Layout::discover()?,
            cache: Cache::open()?,
        })
    }

    /// The testbed of the checkout at `root`, with the machine's cache.
    pub fn at(root: &Path) -> Result<Self> {
        Ok(Self {
            layout: Layout::at(root)?,
            cache: Cache::open()?,
        })
    }

    /// Another cluster of the same checkout, by its name; it runs beside the others.
    pub fn named(&self, name: &str) -> Result<Self> {
        Ok(Self {
            layout: self.layout.named(name)?,
            cache: self.cache.clone(),
        })
    }

    /// The named clusters of the same checkout that were ever started.
    pub fn all_named(&self) -> Result<Vec<Self>> {
        let layouts = self.layout.all_named()?;
        Ok(layouts
            .into_iter()
            .map(|layout| Self {
                layout,
                cache: self.cache.clone(),
            })
            .collect())
    }

    /// The same with a cache of its own.
    pub fn with_cache(self, folder: &Path) -> Result<Self> {
        Ok(Self {
            cache: Cache::at(folder)?,
            ..self
        })
    }

    /// What there is of the testbed on the machine, in words: processes, mounts, cgroups, the
    /// network namespace. Nothing after `down`.
    #[must_use]
    pub fn leftovers(&self) -> Vec<String> {
        cleanup::leftovers(&self.layout)
    }

    /// What a component's process is doing.
    #[must_use]
    pub fn state_of(&self, component: Component) -> State {
        cluster::state_of(&self.layout, component)
    }

    /// Its places and names.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Makes sure that the cluster is up, building what is missing. Does next to nothing when it is
    /// up.
    pub fn up(&self, selection: Selection) -> Result<()> {
        let _lock = self.lock()?;
        packages::install_missing(selection)?;
        let (bin, image_files) = thread::scope(|scope| {
            let images = scope.spawn(|| images::image_files(&self.cache, selection));
            let bin = tools::build(&self.layout, &self.cache, selection);
            (
                bin,
                images
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            )
        });
        let (bin, images) = (bin?, image_files?);
        let store = images::build_store(&self.cache, &bin, &images)?;
        self.link_operator()?;
        cluster::up(&self.layout, &Parts { bin, store, images })
    }

    /// Stops the cluster and removes all of it but the logs.
    pub fn down(&self) -> Result<()> {
        let _lock = self.lock()?;
        cluster::down(&self.layout)
    }

    /// Takes this checkout's lock, so that two commands do not start or stop the cluster at once.
    fn lock(&self) -> Result<fs::File> {
        fs::create_dir_all(self.layout.state())?;
        cache::lock(&self.layout.state().join("lock"))
    }

    /// The folder of binaries: of the running cluster, else the one a start would use.
    pub fn bin(&self) -> Result<PathBuf> {
        cluster::recorded_bin(&self.layout)
            .map_or_else(|| tools::bin_folder(&self.layout, &self.cache), Ok)
    }

    /// A command inside the testbed's network, with `KUBECONFIG` and the tools, `holdfast` and
    /// `kubectl-holdfast` among them, on `PATH`.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Result<Command> {
        let mut command = network::command(&self.layout, program);
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!(
            "{}:{}:{path}",
            self.layout.links().display(),
            self.bin()?.display()
        );
        command
            .env("PATH", path)
            .env("KUBECONFIG", self.layout.kubeconfig("admin"));
        Ok(command)
    }

    /// Runs kubectl and returns what it printed; an error shows what it complained about.
    pub fn kubectl<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<String> {
        shell::run(self.command("kubectl")?.args(arguments))
    }

    /// Runs asynchronous work inside the testbed's network, on a thread and a runtime of its own.
    /// The caller's thread stays where it is.
    pub fn run_in_network<T, F, Work>(&self, work: F) -> Result<T>
    where
        T: Send,
        F: FnOnce() -> Work + Send,
        Work: Future<Output = Result<T>>,
    {
        network::inside(&self.layout, || {
            // Built inside: the runtime's threads are in the network of the thread that starts
            // them.
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()?;
            runtime.block_on(work())
        })?
    }

    /// A client with all rights. Works only inside the testbed's network.
    pub async fn client(&self) -> Result<Client> {
        client::fetch(&self.layout).await
    }

    /// Starts a component and waits until it answers.
    pub fn start(&self, component: Component) -> Result<()> {
        control::start(&self.layout, &self.bin()?, component)
    }

    /// Asks a component to end, and waits until it has.
    pub fn stop(&self, component: Component) -> Result<()> {
        control::stop(&self.layout, component)
    }

    /// Kills a component.
    pub fn kill(&self, component: Component) -> Result<()> {
        control::kill(&self.layout, component)
    }

    /// Freezes a component: it neither works nor answers, but its connections stay open.
    pub fn freeze(&self, component: Component) -> Result<()> {
        control::freeze(&self.layout, component)
    }

    /// Lets a frozen component go on.
    pub fn thaw(&self, component: Component) -> Result<()> {
        control::thaw(&self.layout, component)
    }

    /// Restarts the node as a power loss would: all containers die, what is on disk stays, and
    /// kubelet brings the pods back.
    pub fn restart_node(&self) -> Result<()> {
        control::restart_node(&self.layout, &self.bin()?)
    }

    /// Imports images from an OCI tar.
    pub fn load_image(&self, tar: &Path) -> Result<()> {
        images::import(&self.layout, &self.bin()?, tar)
    }

    /// What programs need to know to use the testbed.
    pub fn info(&self) -> Result<Info> {
        Ok(Info {
            kubeconfig: self.layout.kubeconfig("admin").display().to_string(),
            network_namespace: self.layout.network_namespace().display().to_string(),
            images: images::fetch_image_names(&self.layout, &self.bin()?)
                .context("the testbed is not up; run `cargo run -p testbed -- up`")?,
            s3: ObjectStoreInfo::default(),
        })
    }

    /// Puts `holdfast` and `kubectl-holdfast` on the PATH of commands; they are what cargo builds,
    /// when it has built them.
    fn link_operator(&self) -> Result<()> {
        let links = self.layout.links();
        fs::create_dir_all(&links)?;
        let binary = self.layout.operator_binary();
        for name in ["holdfast", "kubectl-holdfast"] {
            let link = links.join(name);
            if fs::read_link(&link).is_ok_and(|target| target == binary) {
                continue;
            }
            let _ = fs::remove_file(&link);
            symlink(&binary, &link).with_context(|| format!("{} can't be made", link.display()))?;
        }
        Ok(())
    }

    /// The cache this testbed takes its binaries and images from.
    #[must_use]
    pub fn cache(&self) -> &Cache {
        &self.cache
    }
}
