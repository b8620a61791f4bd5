//! A database restarts while no operator runs: the next one looks at the start that is there.

use super::operator::Operator;
use crate::support::{Server, in_shard};

#[test]
fn three_missed_restarts_get_one_check_for_the_newest_start() {
    in_shard("missed-restarts", async |scene| {
        let server = Server::new(scene);
        let operator = Operator::start(scene).await;
        let first = scene.protect_filled(&server).await;
        operator.kill().await;
        let missed = server.restart_pod(scene, &first).await;
        let again = server.restart_pod(scene, &missed).await;
        let newest = server.restart_pod(scene, &again).await;
        assert_eq!(
            scene.checks_but_of_backups().await.len(),
            1,
            "nobody is there to look"
        );
        let _operator = Operator::start(scene).await;
        scene.assert_checked_once(&newest).await;
        scene.wait_green().await;
        for gone in [missed, again] {
            assert!(
                scene.checks_of(&gone).await.is_empty(),
                "a start that is gone can't be looked at"
            );
        }
        assert_eq!(scene.checks_but_of_backups().await.len(), 2);
    });
}
