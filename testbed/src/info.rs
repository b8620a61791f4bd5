//! What programs need to know to use the testbed, as JSON.

use serde::Serialize;

use crate::components::{ACCESS_KEY, BUCKET, REGION, SECRET_KEY, endpoint};

/// What `testbed info` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    /// The kubeconfig with all rights.
    pub kubeconfig: String,
    /// The file that stands for the network namespace, for `nsenter --net=`.
    pub network_namespace: String,
    /// The names of the images the cluster has.
    pub images: Vec<String>,
    /// The S3 server.
    pub s3: ObjectStoreInfo,
}

/// How the S3 server is reached, from pods and from inside the testbed's network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectStoreInfo {
    /// Its address.
    pub endpoint: String,
    /// Its region.
    pub region: &'static str,
    /// The versioned bucket that is there.
    pub bucket: &'static str,
    /// The access key id.
    pub access_key_id: &'static str,
    /// The secret access key.
    pub secret_access_key: &'static str,
}

impl Default for ObjectStoreInfo {
    fn default() -> Self {
        Self {
            endpoint: endpoint(),
            region: REGION,
            bucket: BUCKET,
            access_key_id: ACCESS_KEY,
            secret_access_key: SECRET_KEY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_find_the_fields_they_were_promised() {
        let info = Info {
            kubeconfig: "/k".into(),
            network_namespace: "/n".into(),
            images: vec!["localhost/postgres:15".into()],
            s3: ObjectStoreInfo::default(),
        };
        let json = serde_json::json!(info);
        assert_eq!(json["kubeconfig"], "/k");
        assert_eq!(json["images"][0], "localhost/postgres:15");
        for field in [
            "endpoint",
            "region",
            "bucket",
            "accessKeyId",
            "secretAccessKey",
        ] {
            assert!(json["s3"][field].is_string(), "{field}");
        }
    }
}
