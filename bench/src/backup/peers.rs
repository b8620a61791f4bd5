//! pgBackRest and Barman from Debian, as their documentation says how a full backup to an S3 bucket is
//! made, with two processes each.

use anyhow::{Result, ensure};
use tokio::process::Command;

use super::setting::{ACCOUNT, REGION, Route, Setting};
use crate::server::MAINTENANCE;

/// pgBackRest's repository of this database; made anew before each backup, since each leaves nothing.
pub async fn create_stanza(setting: &Setting, route: Route) -> Result<()> {
    let mut command = prepare_pgbackrest(setting, route);
    let output = command.arg("stanza-create").output().await?;
    ensure!(
        output.status.success(),
        "pgBackRest can't make a stanza: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// A full backup of pgBackRest.
pub fn pgbackrest(setting: &Setting, route: Route) -> Command {
    let mut command = prepare_pgbackrest(setting, route);
    // Nothing archives the log here; a backup that is kept needs it, too.
    command.args([
        "--type=full",
        "--start-fast",
        "--no-archive-check",
        "--compress-type=zst",
        "--compress-level=1",
        "--process-max=2",
        // Small files are stored together: else each is a request.
        "--repo1-bundle",
        "backup",
    ]);
    command
}

fn prepare_pgbackrest(setting: &Setting, route: Route) -> Command {
    let server = &setting.server;
    let folder = |name: &str| setting.work(name).display().to_string();
    let mut command = Command::new("pgbackrest");
    command
        .args(["--no-config", "--stanza=bench", "--log-level-console=warn"])
        .args(["--log-level-file=off", "--pg1-user=postgres"])
        .arg(format!("--pg1-database={MAINTENANCE}"))
        .arg(format!("--pg1-path={}", server.file("data").display()))
        .arg(format!("--pg1-socket-path={}", server.file("").display()))
        .arg(format!("--pg1-port={}", server.port()))
        .args(["--repo1-type=s3", "--repo1-path=/pgbackrest"])
        .args(["--repo1-s3-uri-style=path", "--no-repo1-storage-verify-tls"])
        .arg(format!("--repo1-s3-bucket={}", ACCOUNT.bucket))
        .arg(format!("--repo1-s3-region={REGION}"))
        .args([
            "--repo1-s3-endpoint=127.0.0.1",
            "--repo1-storage-host=127.0.0.1",
        ])
        .arg(format!("--repo1-storage-port={}", setting.tls_port(route)))
        .arg(format!("--lock-path={}", folder("lock")))
        .arg(format!("--log-path={}", folder("log")))
        .env("PGBACKREST_REPO1_S3_KEY", ACCOUNT.access_key)
        .env("PGBACKREST_REPO1_S3_KEY_SECRET", ACCOUNT.secret_key)
        .env("PGPASSFILE", server.password_file());
    command
}

/// A full backup of Barman to object storage.
pub fn barman(setting: &Setting, route: Route) -> Command {
    let server = &setting.server;
    let mut command = Command::new("barman-cloud-backup");
    command
        .args([
            "--cloud-provider=aws-s3",
            "--immediate-checkpoint",
            "--gzip",
        ])
        .args(["--jobs=2", "--host=127.0.0.1", "--user=postgres"])
        .arg(format!("--port={}", server.port()))
        .arg(format!("--dbname={MAINTENANCE}"))
        .arg(format!(
            "--endpoint-url=http://127.0.0.1:{}",
            setting.port(route)
        ))
        .arg(format!("s3://{}/barman", ACCOUNT.bucket))
        .arg("bench")
        .env("AWS_ACCESS_KEY_ID", ACCOUNT.access_key)
        .env("AWS_SECRET_ACCESS_KEY", ACCOUNT.secret_key)
        .env("AWS_DEFAULT_REGION", REGION)
        .env("PGPASSFILE", server.password_file());
    command
}
