//! Measures what a check costs a database. `make bench-check` runs it; the README says what the
//! figures mean.

mod arguments;
mod comparison;
mod database_time;
mod figures;
mod layout;
mod load;
mod machine;
mod pgbench;
mod progress;
mod report;
mod run;
mod server;
mod throughput;

use std::process::ExitCode;

use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};

use arguments::Arguments;

/// What a shell says of a program that SIGINT ended.
const INTERRUPTED: u8 = 130;

// One thread: the server ends with the thread that started it.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let measured = tokio::select! {
        // First, so that signals are listened for before there is anything to clean up.
        biased;
        () = interruption() => None,
        measured = run::run(&arguments) => Some(measured),
    };
    match measured {
        Some(Ok(report)) => {
            print!("{report}");
            ExitCode::SUCCESS
        }
        None => {
            progress::say("interrupted; the server and its folder are gone");
            ExitCode::from(INTERRUPTED)
        }
        Some(Err(error)) => {
            progress::say(&format!("it could not be measured: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Returns when somebody wants this to end. What is under way is dropped then, the server and its
/// folder with it.
async fn interruption() {
    let kinds = [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ];
    let mut signals: Vec<_> = kinds
        .into_iter()
        .filter_map(|kind| signal(kind).ok())
        .collect();
    std::future::poll_fn(|context| {
        let is_told = signals
            .iter_mut()
            .any(|signal| signal.poll_recv(context).is_ready());
        if is_told {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}
