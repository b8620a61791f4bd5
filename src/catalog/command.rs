//! What `holdfast backup` does: reads the bucket and prints, or writes files.

use std::path::{Path, PathBuf};

use super::bucket::{BucketAccess, fetch_sets};
use super::decrypt::{check_readable, decrypt_files, read_identities};
use super::fetch::fetch_files;
use super::plan::plan_retention;
use super::text;
use crate::store::{self, RetentionRules, S3Store, SetFacts, fetch_set};

/// Where the bucket is, and what to do with its sets.
#[derive(Clone, Debug, clap::Args)]
pub struct CatalogCommand {
    /// Name of the bucket.
    #[arg(
        long,
        env = "HOLDFAST_BUCKET",
        global = true,
        default_value = "",
        hide_default_value = true
    )]
    bucket: String,
    /// Path in the bucket below which the backups are: `spec.backup.storage.s3.prefix`.
    #[arg(
        long,
        env = "HOLDFAST_PREFIX",
        global = true,
        default_value = "",
        hide_default_value = true
    )]
    prefix: String,
    #[command(flatten)]
    access: BucketAccess,
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Action {
    /// List the sets of all databases in the bucket, or of one.
    List {
        /// `NAMESPACE/NAME` of a ProtectedDatabase.
        #[arg(value_name = "NAMESPACE/NAME")]
        database: Option<String>,
    },
    /// Say what retention would keep and why, and what it would remove. Removes nothing.
    Plan {
        /// `NAMESPACE/NAME` of a ProtectedDatabase.
        #[arg(value_name = "NAMESPACE/NAME")]
        database: String,
        /// The newest so many confirmed sets, at least 1.
        #[arg(long, value_name = "SETS", default_value_t = 1)]
        keep_last: usize,
        /// Those of so many days before the newest.
        #[arg(long, value_name = "DAYS", default_value_t = 0)]
        keep_days: u32,
        /// The newest of each of so many weeks.
        #[arg(long, value_name = "WEEKS", default_value_t = 0)]
        keep_weekly: u32,
        /// The newest of each of so many months.
        #[arg(long, value_name = "MONTHS", default_value_t = 0)]
        keep_monthly: u32,
    },
    /// Show what one set holds.
    Show {
        /// The set's directory in the bucket, as `list` prints it.
        set: String,
    },
    /// Read every object of a set and compare its digest with the manifest's.
    Verify {
        /// The set's directory in the bucket, as `list` prints it.
        set: String,
        /// A file of private keys, as age-keygen writes it: also make sure that it reads all of an
        /// encrypted set.
        #[arg(long, env = "HOLDFAST_IDENTITY", value_name = "FILE")]
        identity: Option<PathBuf>,
    },
    /// Write the files of a set into a new directory. Files that exist are never replaced.
    Fetch {
        /// The set's directory in the bucket, as `list` prints it.
        set: String,
        /// The directory; it must not exist.
        #[arg(long, value_name = "DIRECTORY")]
        to: PathBuf,
        /// A file of private keys, as age-keygen writes it: decrypt an encrypted set. The files can then
        /// be read by whoever can read the directory.
        #[arg(long, env = "HOLDFAST_IDENTITY", value_name = "FILE")]
        identity: Option<PathBuf>,
    },
}

/// Runs the command. Returns whether everything is as it should be.
pub async fn run(command: CatalogCommand) -> anyhow::Result<bool> {
    if command.bucket.is_empty() {
        anyhow::bail!("the bucket is not known; name it with --bucket");
    }
    let store = command.access.open(&command.bucket, &command.prefix)?;
    match command.action {
        Action::List { database } => list(&store, &command.prefix, database.as_deref()).await,
        Action::Plan {
            database,
            keep_last,
            keep_days,
            keep_weekly,
            keep_monthly,
        } => {
            let rules = RetentionRules {
                last: keep_last,
                days: keep_days,
                weekly: keep_weekly,
                monthly: keep_monthly,
            };
            let sets = fetch_sets(&store, &command.prefix, Some(&database)).await?;
            let facts: Vec<SetFacts> = sets.into_iter().map(|set| set.facts).collect();
            print!("{}", text::plan(&plan_retention(&facts, rules)));
            Ok(true)
        }
        Action::Show { set } => {
            let set = fetch_set(&store, &set).await?;
            print!("{}", text::show(&set));
            Ok(set.faults.is_empty() && set.manifest.is_some())
        }
        Action::Verify { set, identity } => verify(&store, &set, identity.as_deref()).await,
        Action::Fetch { set, to, identity } => {
            let set = fetch_set(&store, &set).await?;
            let identities = read_identities(identity.as_deref(), &set)?;
            let mut written = fetch_files(&store, &set, &to).await?;
            if let Some(identities) = &identities {
                written = decrypt_files(&set, written, identities)?;
            }
            let is_decrypted = identities.is_some();
            print!("{}", text::fetched(&set, &to, &written, is_decrypted));
            Ok(true)
        }
    }
}

async fn list(store: &S3Store, prefix: &str, database: Option<&str>) -> anyhow::Result<bool> {
    print!(
        "{}",
        text::list(&fetch_sets(store, prefix, database).await?)
    );
    Ok(true)
}

async fn verify(store: &S3Store, set: &str, identity: Option<&Path>) -> anyhow::Result<bool> {
    let set = fetch_set(store, set).await?;
    let identities = read_identities(identity, &set)?;
    let Some((manifest, _)) = &set.manifest else {
        print!("{}", text::show(&set));
        return Ok(false);
    };
    let mut faults = store::verify_set(store, &set.facts.path, manifest).await?;
    let is_decrypted = identities.is_some() && faults.is_empty();
    if let (Some(identities), true) = (&identities, is_decrypted) {
        faults = check_readable(store, &set, identities).await?;
    }
    print!("{}", text::verified(&set, &faults, is_decrypted));
    Ok(faults.is_empty())
}
