//! A confirmation ends while no operator runs: the API server refuses what rests on it, and the next
//! operator removes it.

use std::time::Duration;

use holdfast::api::{CONFIRMATION_LIMIT, ConfirmedVerb, names};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;

use super::operator::Operator;
use crate::support::{Scene, Server, assert_tells, confirmation_before, in_shard};

/// How long before their end the confirmations of this test are written.
const LEFT: Duration = Duration::from_secs(20);

#[test]
fn what_has_ended_is_refused_without_an_operator_and_removed_by_the_next() {
    in_shard("confirmation-ended", async |scene| {
        let server = Server::new(scene);
        let operator = Operator::start(scene).await;
        scene.protect_plainly(&server).await;
        scene.settle().await;
        operator.kill().await;
        let claim = server.claim();
        let uid = scene
            .get::<PersistentVolumeClaim>(&claim)
            .await
            .uid()
            .expect("a UID");
        let written = confirmation_before(&uid, CONFIRMATION_LIMIT.saturating_sub(LEFT));
        for verb in ConfirmedVerb::ALL {
            scene.kubectl(&format!(
                "annotate pvc {claim} {}={written}",
                verb.annotation()
            ));
        }
        let attempts = [
            format!("delete pvc {claim} --wait=false --dry-run=server"),
            format!(
                "label pvc {claim} {}- --dry-run=server",
                names::PROTECTED_LABEL
            ),
        ];
        for words in &attempts {
            scene.kubectl(words);
        }
        for words in &attempts {
            wait_ended(scene, words).await;
        }
        // Nothing else of it is refused.
        scene.kubectl(&format!("annotate pvc {claim} note=1 --dry-run=server"));
        let _operator = Operator::start(scene).await;
        scene
            .wait("both to be removed", async || {
                let claim = scene.get::<PersistentVolumeClaim>(&claim).await;
                let left = ConfirmedVerb::ALL
                    .map(|verb| claim.annotations().get(verb.annotation()).cloned());
                if left == [None, None] {
                    Ok(())
                } else {
                    Err(format!("{left:?}"))
                }
            })
            .await;
        scene.wait_green().await;
    });
}

async fn wait_ended(scene: &Scene, words: &str) {
    scene
        .wait(&format!("{words} to be refused"), async || {
            match scene.try_kubectl(words) {
                Err(complaint) => {
                    assert_tells(
                        &complaint,
                        &[
                            "it was confirmed, and that has ended",
                            "Without the plugin: ",
                        ],
                    );
                    Ok(())
                }
                Ok(printed) => Err(printed),
            }
        })
        .await;
}
