//! What repairing policies and repairing definitions share.

use kube::api::ObjectMeta;

use crate::api::names;
use crate::engine::Context;
use crate::execute::Writer;
use crate::guard;

/// The result of restoring something.
pub enum Repair {
    /// It is as built.
    Done,
    /// It can't be restored, for a reason that the drift itself says.
    Impossible,
}

/// What is reported of an object that is not as built, with who changed it last.
pub fn say_changed(what: &str, metadata: &ObjectMeta) -> String {
    let who = guard::last_other_manager(metadata).map_or_else(String::new, |who| {
        format!("; the last change on record is by {who}")
    });
    format!("{what} is not the one that this version installs{who}")
}

/// What is reported of an object that a newer version has installed, as it says itself. `does` is what
/// can't be told of it.
pub fn say_newer(what: &str, metadata: &ObjectMeta, does: &str) -> String {
    let version = guard::newer_version(metadata).unwrap_or_default();
    format!(
        "{what} says that Holdfast {version} has installed it, and is not the one of this operator, \
         {}, so what it {does} can't be told",
        env!("CARGO_PKG_VERSION")
    )
}

/// Writes what was built.
pub fn writer(context: &Context) -> Writer {
    Writer {
        client: context.client.clone(),
        manager: names::OPERATOR_MANAGER,
    }
}
