//! The `CustomResourceDefinition`s of all kinds, as JSON.

use serde_json::Value;

use super::InstallError;
use crate::guard::definitions;

/// All of them, the one that users write first.
pub fn build_definitions() -> Result<Vec<Value>, InstallError> {
    definitions()
        .iter()
        .map(|definition| Ok(serde_json::to_value(definition)?))
        .collect()
}
