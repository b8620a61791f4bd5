//! Writes that have no effect, because something changes them on their way, as an admission webhook does,
//! or back at once: the next pass asks for the very same again. What was written is remembered for the
//! pauses and the words alone: nothing is decided by it.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use crate::plan::Step;

/// What the last pass of each database has written.
#[derive(Debug, Default)]
pub struct Written(Mutex<BTreeMap<(String, String), BTreeSet<u64>>>);

impl Written {
    /// Notes what a pass has written. Returns what of it the pass before has written just so.
    pub fn note<'a>(&self, namespace: &str, name: &str, steps: &[&'a Step]) -> Vec<&'a Step> {
        let written: BTreeSet<u64> = steps.iter().map(|step| digest(step)).collect();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (namespace.to_owned(), name.to_owned());
        let before = if written.is_empty() {
            all.remove(&key)
        } else {
            all.insert(key, written)
        };
        drop(all);
        let before = before.unwrap_or_default();
        let is_same = |step: &&&Step| before.contains(&digest(step));
        steps.iter().filter(is_same).copied().collect()
    }

    /// The database is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.note(namespace, name, &[]);
    }
}

/// A step with the object as it was read, which has another version when a write had an effect.
fn digest(step: &Step) -> u64 {
    let text = match step {
        // It says when, and that is another time in each pass.
        Step::SetGate(_) => step.describe(),
        _ => format!("{step:?}"),
    };
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    use super::*;

    fn mark(version: &str) -> Step {
        Step::MarkNamespace(Box::new(ObjectMeta {
            name: Some("atra".to_owned()),
            resource_version: Some(version.to_owned()),
            ..ObjectMeta::default()
        }))
    }

    #[test]
    fn the_same_write_of_two_passes_in_a_row_had_no_effect() {
        let written = Written::default();
        let (first, second, other) = (mark("1"), mark("2"), Step::EnsureAgentIdentity);
        let note = |name: &str, steps: &[&Step]| written.note("atra", name, steps).len();
        assert_eq!(note("a", &[&first]), 0);
        assert_eq!(note("b", &[&first]), 0, "another database");
        assert_eq!(note("a", &[&other, &first]), 1);
        assert_eq!(note("a", &[&second]), 0, "the object is another version");
        assert_eq!(note("a", &[]), 0);
        assert_eq!(note("a", &[&second]), 0, "a pass had nothing to write");
        written.forget("atra", "a");
        assert_eq!(note("a", &[&second]), 0);
    }
}
