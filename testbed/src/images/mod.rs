//! The container images: made from Debian packages and compiled programs, with no registry.

pub mod oci;
mod operator;
mod pause;
mod postgres;
mod store;

pub use operator::{OPERATOR_IMAGE, OperatorImage, build_operator_image};
pub use pause::PAUSE_IMAGE;
pub use postgres::{POSTGRES_15_IMAGE, POSTGRES_17_IMAGE};
pub use store::{ImageFile, build_store, copy_store, fetch_image_names, image_files, import};
