//! The directories of a set: archived after its databases, when nothing of the server is held any more. What
//! rows name when they are dumped is older than the rows, and so it is there.

use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;

use crate::api::{AgentFailure, claim_mount, claims_of};
use crate::store::{S3Store, Upload, directory_object_name};

use super::directory_archive::archive_directory;
use super::encryption::Recipients;
use super::filled::{Filled, InFlight, Place};
use super::set_order::SetOrder;

/// The most bytes that are expected of a directory: for more the parts of its upload grow.
const EXPECTED: u64 = 100 << 30;

/// Archives every directory that is asked for. What could not be read makes the set suspect.
pub async fn archive_directories(
    order: &SetOrder<'_>,
    store: &S3Store,
    filled: &mut Filled,
    in_flight: &mut Vec<InFlight>,
) -> Result<(), AgentFailure> {
    let request = order.request;
    let recipients = Recipients::read(&request.age_recipients)?;
    let claims = claims_of(&request.directories);
    for asked in &request.directories {
        let place = claims.iter().position(|claim| *claim == asked.claim);
        let all = order.files.claims.to_string_lossy();
        let claim = PathBuf::from(claim_mount(&all, place.unwrap_or_default()));
        let name = recipients.name_object(&directory_object_name(&asked.claim, &asked.path));
        let expected = bytes_of_volume(&claim);
        in_flight.push(InFlight {
            upload: Upload::new(store.clone(), order.path.key(&name), expected),
            name: name.clone(),
            raw_size: 0,
            place: Place::default(),
            frames: Vec::new(),
        });
        let last = in_flight.len() - 1;
        let object = &mut in_flight[last];
        let shown = (name.as_str(), &order.meter);
        let archived =
            archive_directory(asked, claim, &recipients, shown, &mut object.upload).await?;
        object.raw_size = archived.raw_size;
        object.frames = archived.frames;
        filled.suspicions.extend(archived.directory.fault.clone());
        filled.directories.push(archived.directory);
    }
    Ok(())
}

/// How much is on the volume: a hint only.
fn bytes_of_volume(claim: &Path) -> u64 {
    let Ok(found) = statvfs(claim) else { return 0 };
    let used = found.blocks().saturating_sub(found.blocks_free());
    used.saturating_mul(found.fragment_size()).min(EXPECTED)
}
