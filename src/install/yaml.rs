//! Objects as YAML.

use serde_json::Value;

use super::InstallError;

/// Several documents, each after a `---` line, with keys in alphabetical order: the same input
/// gives the same bytes.
pub fn documents(objects: &[Value]) -> Result<String, InstallError> {
    objects
        .iter()
        .map(|object| Ok(format!("---\n{}", document(object)?)))
        .collect()
}

/// One document, ending with a line break.
pub fn document(object: &Value) -> Result<String, InstallError> {
    let options =
        serde_saphyr::ser_options! { compact_list_indent: true, prefer_block_scalars: false };
    let mut text = serde_saphyr::to_string_with_options(object, options)?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}
