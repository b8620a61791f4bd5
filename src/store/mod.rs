//! The bucket: where things are, what the manifest says, and uploads that are whole or not there.
//! Nothing here deletes a finished object.

mod error;
mod layout;
mod manifest;
mod object_store;
mod remembered;
mod s3;
mod upload;

pub use error::*;
pub use layout::*;
pub use manifest::*;
pub use object_store::*;
pub use remembered::*;
pub use s3::*;
pub use upload::*;
