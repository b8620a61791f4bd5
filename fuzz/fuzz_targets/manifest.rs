//! A manifest of any content: it is refused by name, or nothing stands against it; and it can be written again.
#![no_main]

use holdfast::agent::problems_of_manifest;
use holdfast::store::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(manifest) = serde_json::from_slice::<Manifest>(bytes) else {
        return;
    };
    let problems = problems_of_manifest(&manifest);
    assert!(problems.iter().all(|problem| !problem.is_empty()));
    let written = serde_json::to_vec(&manifest).expect("what was read can be written");
    let again: Manifest = serde_json::from_slice(&written).expect("what was written can be read");
    assert!(problems == problems_of_manifest(&again));
});
