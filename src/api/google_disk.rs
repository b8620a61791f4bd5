//! A persistent disk of Google Cloud, as the older kind of volume and the CSI driver name it: the older one
//! says no project, and the zone by its labels alone. Pure.

/// How the handles of its CSI driver start.
const OF_DRIVER: &str = "pd.csi.storage.gke.io/projects/";
/// What stands for a project that is not said.
const UNSPECIFIED: &str = "UNSPECIFIED";

/// A disk by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GoogleDisk<'a> {
    pub name: &'a str,
    /// Project and zone, or region, where a handle says them.
    place: Option<(&'a str, &'a str)>,
}

impl<'a> GoogleDisk<'a> {
    /// Reads `gce:NAME#PARTITION`, or `…/projects/PROJECT/zones/ZONE/disks/NAME`.
    pub fn of(text: &'a str) -> Option<Self> {
        if let Some(disk) = text.strip_prefix("gce:") {
            let name = disk.split('#').next().unwrap_or_default();
            return Some(Self { name, place: None });
        }
        let parts: Vec<&str> = text.strip_prefix(OF_DRIVER)?.split('/').collect();
        let &[project, "zones" | "regions", zone, "disks", name] = parts.as_slice() else {
            return None;
        };
        Some(Self {
            name,
            place: Some((project, zone)),
        })
    }

    /// Whether nothing says if both are the same disk.
    pub fn may_be(&self, other: &Self) -> bool {
        let is_untold = match (self.place, other.place) {
            (None, None) => false,
            (None, Some(_)) | (Some(_), None) => true,
            (Some((one, zone)), Some((other, other_zone))) => {
                zone == other_zone && one != other && [one, other].contains(&UNSPECIFIED)
            }
        };
        is_untold && self.name == other.name
    }
}
