//! The components of the cluster, one file each: its configuration files and how it is started.

mod apiserver;
mod component;
mod configuration_file;
mod containerd;
mod controller_manager;
mod dns;
mod etcd;
mod kubelet;
mod object_store;
mod provisioner;
mod proxy;
mod scheduler;

pub use component::Component;
pub use configuration_file::ConfigurationFile;
pub use containerd::build_image_store_launch;
pub use object_store::{ACCESS_KEY, BUCKET, REGION, SECRET_KEY, endpoint};
