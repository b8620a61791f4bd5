//! Uploads to a storage in memory whose parts end when the test says so.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;

use super::super::{PartRules, SMALLEST_PART};
use super::*;

/// A storage in memory.
#[derive(Clone)]
struct Memory {
    shared: Arc<Shared>,
}

struct Shared {
    rules: PartRules,
    /// One permit for each part that may end.
    may_end: Semaphore,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    parts: BTreeMap<i32, Bytes>,
    begun: i32,
    on_their_way: usize,
    most: usize,
    completed: Option<Vec<i32>>,
    aborted: usize,
    /// How many parts were on their way at the abort.
    left_at_abort: usize,
    whole: Option<Whole>,
    refuse_part: Option<i32>,
}

impl Memory {
    fn new(permits: usize) -> Self {
        let rules = PartRules {
            limit: 10_000,
            are_equal: false,
        };
        Self {
            shared: Arc::new(Shared {
                rules,
                may_end: Semaphore::new(permits),
                state: Mutex::default(),
            }),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }
}

impl ObjectStore for Memory {
    fn part_rules(&self) -> PartRules {
        self.shared.rules
    }

    async fn put(&self, _: &str, body: impl Into<Bytes> + Send) -> Result<String, StoreError> {
        self.state().parts.insert(0, body.into());
        Ok("put".to_owned())
    }

    async fn begin(&self, key: &str) -> Result<PendingUpload, StoreError> {
        self.state().begun += 1;
        Ok(PendingUpload {
            key: key.to_owned(),
            id: "1".to_owned(),
        })
    }

    async fn put_part(
        &self,
        _: &PendingUpload,
        number: i32,
        body: Bytes,
    ) -> Result<StoredPart, StoreError> {
        {
            let mut state = self.state();
            state.on_their_way += 1;
            state.most = state.most.max(state.on_their_way);
        }
        self.shared.may_end.acquire().await.unwrap().forget();
        let mut state = self.state();
        state.on_their_way -= 1;
        if state.refuse_part == Some(number) {
            return Err(StoreError::new(StoreErrorKind::Full, "full"));
        }
        state.parts.insert(number, body);
        Ok(StoredPart {
            number,
            tag: number.to_string(),
            crc64: 0,
        })
    }

    async fn complete(
        &self,
        _: &PendingUpload,
        parts: &[StoredPart],
        whole: Whole,
    ) -> Result<String, StoreError> {
        let mut state = self.state();
        state.completed = Some(parts.iter().map(|part| part.number).collect());
        state.whole = Some(whole);
        Ok("whole".to_owned())
    }

    async fn abort(&self, _: &PendingUpload) -> Result<(), StoreError> {
        let mut state = self.state();
        state.aborted += 1;
        state.left_at_abort = state.on_their_way;
        Ok(())
    }
}

fn content(length: usize) -> Vec<u8> {
    (0..length)
        .map(|place| u8::try_from(place % 251).unwrap())
        .collect()
}

#[tokio::test]
async fn four_parts_are_on_their_way_and_never_more() {
    let store = Memory::new(0);
    let all = content(7 * SMALLEST_PART + 5);
    let mut upload = Upload::new(store.clone(), "key".to_owned(), 0);
    let writing = async {
        for piece in all.chunks(1 << 20) {
            upload.write(piece).await.unwrap();
        }
        upload.complete().await.unwrap()
    };
    let ending = async {
        // Each round lets one part end once no more of them are sent.
        for _ in 0..8 {
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            store.shared.may_end.add_permits(1);
        }
    };
    let (stored, ()) = tokio::join!(writing, ending);
    let state = store.state();
    assert_eq!(state.most, 4);
    assert_eq!(state.completed, Some((1..=8).collect::<Vec<_>>()));
    let joined: Vec<u8> = state
        .parts
        .values()
        .flat_map(|part| part.to_vec())
        .collect();
    assert!(joined == all, "the parts are the object, in its order");
    assert_eq!(stored.sha256, hex::encode(Sha256::digest(&all)));
    let whole = state.whole.unwrap();
    assert_eq!(
        (whole.size, whole.crc64),
        (all.len() as u64, crc_fast::crc64_nvme(&all))
    );
}

/// A storage may keep a part that arrives after the abort.
#[tokio::test]
async fn parts_that_are_arriving_are_waited_for_before_the_abort() {
    let store = Memory::new(0);
    let mut upload = Upload::new(store.clone(), "key".to_owned(), 0);
    upload.write(&content(3 * SMALLEST_PART + 1)).await.unwrap();
    let arriving = async {
        while store.state().on_their_way < 3 {
            tokio::task::yield_now().await;
        }
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        store.shared.may_end.add_permits(3);
    };
    tokio::join!(upload.abort(), arriving);
    let state = store.state();
    assert_eq!((state.aborted, state.left_at_abort), (1, 0));
    assert_eq!(state.parts.len(), 3, "they arrived");
}

#[tokio::test]
async fn a_part_that_fails_ends_the_upload_and_an_abort_ends_those_on_their_way() {
    let store = Memory::new(2);
    store.state().refuse_part = Some(2);
    let mut upload = Upload::new(store.clone(), "key".to_owned(), 0);
    let failure = async {
        for piece in content(20 * SMALLEST_PART).chunks(1 << 20) {
            upload.write(piece).await?;
        }
        Ok::<(), StoreError>(())
    };
    let failure = failure.await.unwrap_err();
    assert_eq!(failure.kind, StoreErrorKind::Full);
    upload.abort().await;
    let state = store.state();
    assert_eq!((state.begun, state.aborted), (1, 1));
    assert_eq!(state.completed, None);
    drop(state);
    let strong = Arc::strong_count(&store.shared);
    assert_eq!(strong, 1, "no part is on its way any more");
}

#[tokio::test]
async fn what_is_small_is_one_request_and_nothing_is_begun() {
    let store = Memory::new(0);
    let mut upload = Upload::new(store.clone(), "key".to_owned(), 0);
    upload.write(&content(1000)).await.unwrap();
    upload.seal().await.unwrap();
    upload.complete().await.unwrap();
    let state = store.state();
    assert_eq!((state.begun, state.parts[&0].len()), (0, 1000));
}
