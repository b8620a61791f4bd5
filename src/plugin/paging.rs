//! Long lists in pages, so that a command's memory does not grow with the cluster.

use std::fmt::Debug;

use kube::Api;
use kube::api::ListParams;
use serde::de::DeserializeOwned;

/// How many objects are asked for at once.
const PAGE: u32 = 500;

/// Reads all objects, a page at a time, and hands each page on before the next is read.
pub async fn fetch_pages<K>(
    api: &Api<K>,
    mut page: impl AsyncFnMut(Vec<K>),
) -> Result<(), kube::Error>
where
    K: Clone + Debug + DeserializeOwned,
{
    let mut parameters = ListParams::default().limit(PAGE);
    loop {
        let list = api.list(&parameters).await?;
        let next = list.metadata.continue_.filter(|token| !token.is_empty());
        page(list.items).await;
        match next {
            Some(token) => parameters = parameters.continue_token(&token),
            None => return Ok(()),
        }
    }
}
