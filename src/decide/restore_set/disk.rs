//! The disk that the data of the running server is on, for a restore that needs space beside it. Pure.

use super::super::judge::{Judged, is_of, order};
use super::super::running::Running;
use crate::api::DataDisk;
use crate::wording::{lies_under, path_depth};
use crate::world::{Observed, VolumeFact};

/// The volume that the server keeps its data on.
pub fn data_disk(observed: &Observed, judged: &Judged<'_>, start: &Running<'_>) -> DataDisk {
    let claim = match claim_of(judged, start) {
        Ok(claim) => claim,
        Err(why) => return DataDisk::unknown(None, why.to_owned()),
    };
    let unknown = |why: &str| DataDisk::unknown(Some(claim), why.to_owned());
    let claims = observed.claims_by_name();
    let Some(fact) = claims.get(claim) else {
        return unknown("the claim could not be read");
    };
    match &fact.volume {
        VolumeFact::Found(volume) if volume.storage.is_directory() => unknown(
            "the volume is a directory of a larger storage (hostPath, local, NFS and the like), whose size \
             its claim does not say",
        ),
        VolumeFact::Found(_) => match fact.capacity {
            Some(bytes) => DataDisk {
                claim: Some(claim.to_owned()),
                capacity_bytes: Some(bytes),
                unknown: None,
            },
            None => unknown("the status of the claim has no capacity"),
        },
        VolumeFact::NotBound | VolumeFact::Gone(_) | VolumeFact::Unknown(_) => {
            unknown("the volume of the claim could not be read")
        }
    }
}

/// The claim that the data is on, by what the server says of its directory; else the only claim there is.
fn claim_of<'a>(judged: &Judged<'_>, start: &Running<'a>) -> Result<&'a str, &'static str> {
    let (pod, container) = (start.pod, start.container);
    let mut checks: Vec<_> = judged
        .verdicts
        .values()
        .map(|judged| judged.check)
        .filter(|check| is_of(check, &pod.uid, &container.id))
        .collect();
    checks.sort_by_key(|check| std::cmp::Reverse(order(check)));
    let told = checks
        .iter()
        .filter_map(|check| check.own_evidence())
        .map(|evidence| evidence.identity.data_directory.as_str())
        .find(|directory| !directory.is_empty());
    let configured = Some(container.configured_directory.as_str());
    let configured = configured.filter(|directory| !directory.is_empty());
    let mounts = || {
        let all = pod.mounts.iter();
        all.filter(move |mount| mount.container == container.name)
    };
    if let Some(directory) = told.or(configured) {
        let others = pod.other_mounts.iter();
        let others = others.filter(|mount| mount.container == container.name);
        return mounts()
            .map(|mount| (mount.path.as_str(), Some(mount.claim.as_str())))
            .chain(others.map(|mount| (mount.path.as_str(), None)))
            .filter(|(path, _)| lies_under(directory, path))
            .max_by_key(|(path, _)| path_depth(path))
            .and_then(|(_, claim)| claim)
            .ok_or("the data directory is on no PersistentVolumeClaim");
    }
    let mut claims: Vec<&str> = mounts().map(|mount| mount.claim.as_str()).collect();
    claims.sort_unstable();
    claims.dedup();
    match claims.as_slice() {
        [only] => Ok(*only),
        [] => Err("the container mounts no PersistentVolumeClaim"),
        _ => Err(
            "it is not known which claim has the data: the role of checks may not read data_directory \
             (GRANT pg_read_all_settings)",
        ),
    }
}
