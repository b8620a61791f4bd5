//! The node loses its power: every container dies at once, the operator's too, and all come back.

use crate::restart::assert_all_is_well;
use crate::support::{Server, alone};

#[test]
fn every_database_is_checked_once_when_the_node_is_back() {
    alone("node-restart", async |scene| {
        let server = Server::new(scene);
        let before = scene.protect_filled(&server).await;
        scene.testbed.restart_node().expect("the node to come back");
        let start = server.wait_ready(scene, Some(&before)).await;
        assert_all_is_well(scene, &server, &start).await;
    });
}
