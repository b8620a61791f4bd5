//! The rows of a dump by several sessions of `pg_restore`, each of which reads an archive of its own that is made
//! from the one stream out of the bucket. However it ends, all of them end, too.

use futures::future::try_join_all;
use tokio::sync::mpsc;

use crate::api::AgentFailure;
use crate::postgres::{ArchivePart, ArchiveSummary};

use super::restore_decode::{Broken, Decoding, Outlet, WAITING, fetch_decoded};
use super::restore_errors::Said;
use super::restore_fetch::StoredDump;
use super::restore_rows_plan::RowsPlan;
use super::restore_rows_split::RowSplitter;
use super::restore_stream::{Part, Program, failed, run_program};

/// Rows go to the sessions that restore them.
struct Shared {
    splitter: RowSplitter,
    sessions: Vec<mpsc::Sender<Vec<u8>>>,
}

impl Outlet for Shared {
    fn see(&mut self, part: ArchivePart<'_>) {
        self.splitter.take(part);
    }

    fn take(&mut self, _: Vec<u8>) -> Result<(), Broken> {
        for (session, ready) in self.splitter.take_ready() {
            self.sessions[session]
                .blocking_send(ready)
                .map_err(|_| Broken::Abandoned)?;
        }
        Ok(())
    }
}

/// Restores the rows of a dump whose tables are there, by the sessions of a plan. Returns what the dump held, too.
pub async fn restore_rows(
    dump: &StoredDump<'_>,
    (sessions, plan): (Vec<Program>, RowsPlan),
    decoding: Decoding,
) -> Result<(ArchiveSummary, Part), AgentFailure> {
    let (senders, inputs): (Vec<_>, Vec<_>) =
        sessions.iter().map(|_| mpsc::channel(WAITING)).unzip();
    let shared = Shared {
        splitter: RowSplitter::new(plan),
        sessions: senders,
    };
    let fetching = Box::pin(fetch_decoded(dump, decoding, shared));
    let programs = sessions.into_iter().zip(inputs);
    let running = try_join_all(programs.map(|(session, input)| run_program(session, input)));
    // A set that is another one by now makes programs fail, too: that is what is reported then.
    let (fetched, ran) = tokio::join!(fetching, running);
    let (fetched, ran) = (fetched?, ran?);
    let Some(dumped) = fetched else {
        let said = Said::default();
        return Err(failed("ended before it had read all rows", &said, ""));
    };
    let parts = ran.into_iter().map(|ran| ran.part);
    Ok((dumped, parts.fold(Part::default(), Part::and)))
}
