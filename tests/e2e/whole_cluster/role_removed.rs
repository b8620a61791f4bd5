//! An installation without one of the operator's roles, for as long as a test wants it.

use crate::support::{Scene, reinstall};

/// The binding of a role taken away; put back when this is dropped.
pub struct RoleRemoved<'a>(&'a Scene);

impl<'a> RoleRemoved<'a> {
    pub fn begin(scene: &'a Scene, role: &str) -> Self {
        scene.kubectl(&format!("delete clusterrolebinding {role}"));
        Self(scene)
    }
}

impl Drop for RoleRemoved<'_> {
    fn drop(&mut self) {
        reinstall(self.0.testbed);
    }
}
