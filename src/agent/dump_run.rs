//! Running `pg_dump` and `pg_dumpall` into an upload. Success is exit code 0 and a stream that was
//! whole; nothing else. However the run ends, the program ends, too.

use std::collections::VecDeque;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::api::{AgentFailure, reasons};
use crate::postgres::bounded_line;
use crate::store::{ObjectStore, Upload};

use super::dump_stream::{self, Inspected, Inspector, StreamError};
use super::encryption::Recipients;
use super::meter::BackupMeter;

/// Lines of the program's messages that a report carries.
const LAST_LINES: usize = 8;
/// The most warnings that are kept, each once.
const WARNINGS: usize = 50;
/// The most bytes of one line that are read.
const LINE_LIMIT: u64 = 64 << 10;
/// The signal by which the kernel ends a program that needs too much memory.
const KILLED: i32 = 9;
/// How long a program has to end its query by itself before it is killed.
const END_LIMIT: Duration = Duration::from_secs(3);

/// What a program has written and said.
#[derive(Debug)]
pub struct Dumped {
    /// What its output held.
    pub inspected: Inspected,
    /// What it has warned of, each once.
    pub warnings: Vec<String>,
}

/// A program that runs. Dropped before it has ended it gets SIGTERM: `pg_dump` then cancels its query.
pub(super) struct Running(Option<Child>);

impl Running {
    /// Starts a program.
    pub(super) fn start(mut command: Command, program: &str) -> Result<Self, AgentFailure> {
        let child = command.spawn().map_err(|error| {
            failure(format!(
                "{program} can't be started: {error}. Make sure that the image can run it"
            ))
        })?;
        Ok(Self(Some(child)))
    }

    /// What it reads, writes and says, each as far as there is a pipe.
    pub(super) fn pipes(
        &mut self,
    ) -> (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>) {
        match &mut self.0 {
            Some(child) => (child.stdin.take(), child.stdout.take(), child.stderr.take()),
            None => (None, None, None),
        }
    }

    /// How it has ended.
    pub(super) async fn wait(&mut self, program: &str) -> Result<ExitStatus, AgentFailure> {
        let unknown =
            |why: String| failure(format!("the exit code of {program} is unknown: {why}"));
        let Some(child) = &mut self.0 else {
            return Err(unknown("it was not started".to_owned()));
        };
        let status = child
            .wait()
            .await
            .map_err(|error| unknown(error.to_string()))?;
        self.0 = None;
        Ok(status)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(mut child) = self.0.take() else {
            return;
        };
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(id) = id {
            // It may have ended by itself.
            kill(Pid::from_raw(id), Signal::SIGTERM).ok();
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            if timeout(END_LIMIT, child.wait()).await.is_err() {
                child.start_kill().ok();
                child.wait().await.ok();
            }
        });
    }
}

/// Runs a program and uploads what it writes.
pub async fn run<S: ObjectStore>(
    command: Command,
    program: &str,
    inspector: Inspector,
    recipients: &Recipients,
    (name, meter): (&str, &BackupMeter),
    upload: &mut Upload<S>,
) -> Result<Dumped, AgentFailure> {
    let mut child = Running::start(command, program)?;
    let (_, Some(output), Some(messages)) = child.pipes() else {
        return Err(without_pipes(program));
    };
    let messages = tokio::spawn(keep_messages(messages, program.to_owned(), Lines::All));
    let shown = (name.to_owned(), meter.clone());
    let (mut compressed, worker) = dump_stream::start(output, inspector, recipients.clone(), shown);
    while let Some(bytes) = compressed.recv().await {
        upload.write(&bytes).await.map_err(AgentFailure::from)?;
        meter.note_stored(upload.size());
    }
    let inspected = worker
        .await
        .unwrap_or_else(|error| Err(StreamError::Read(std::io::Error::other(error))));
    if inspected.as_ref().is_err_and(StreamError::is_odd) {
        // The program still wants to write to a pipe that nobody reads any more.
        return Err(incomplete(
            program,
            &inspected.map_or_else(|error| error.to_string(), |_| String::new()),
            "",
        ));
    }
    let status = child.wait(program).await?;
    let messages = messages.await.unwrap_or_default();
    let lines = Vec::from(messages.last).join(" | ");
    if !status.success() {
        let mut failure = failure(explain_exit(program, status, &lines));
        if status.signal() == Some(KILLED) {
            reasons::OUT_OF_MEMORY.clone_into(&mut failure.reason);
        }
        return Err(failure);
    }
    upload.seal().await.map_err(AgentFailure::from)?;
    let inspected = inspected.map_err(|error| incomplete(program, &error.to_string(), &lines))?;
    Ok(Dumped {
        inspected,
        warnings: messages.warnings,
    })
}

/// Runs a program and only looks at what it writes.
pub async fn inspect(
    command: Command,
    program: &str,
    inspector: Inspector,
) -> Result<Inspected, AgentFailure> {
    let mut child = Running::start(command, program)?;
    let (_, Some(output), Some(messages)) = child.pipes() else {
        return Err(without_pipes(program));
    };
    let messages = tokio::spawn(keep_messages(messages, program.to_owned(), Lines::All));
    let inspected = dump_stream::inspect(output, inspector).await;
    if let Err(error) = &inspected
        && error.is_odd()
    {
        return Err(incomplete(program, &error.to_string(), ""));
    }
    let status = child.wait(program).await?;
    let lines = Vec::from(messages.await.unwrap_or_default().last).join(" | ");
    if !status.success() {
        return Err(failure(explain_exit(program, status, &lines)));
    }
    inspected.map_err(|error| incomplete(program, &error.to_string(), &lines))
}

pub(super) fn without_pipes(program: &str) -> AgentFailure {
    failure(format!(
        "{program} was started without pipes, which is a fault of Holdfast"
    ))
}

/// A failure of a program.
pub(super) fn failure(message: String) -> AgentFailure {
    AgentFailure {
        reason: reasons::DUMP_FAILED.to_owned(),
        message,
    }
}

fn incomplete(program: &str, what: &str, lines: &str) -> AgentFailure {
    let lines = if lines.is_empty() {
        String::new()
    } else {
        format!(" Its last messages: {lines}")
    };
    AgentFailure {
        reason: reasons::DUMP_INCOMPLETE.to_owned(),
        message: format!(
            "the output of {program} is not a complete dump, so it was discarded: {what}.{lines} \
             See the pod's log"
        ),
    }
}

fn explain_exit(program: &str, status: ExitStatus, lines: &str) -> String {
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(KILLED)) => {
            "was killed by signal 9, most likely because the pod has too little memory: pg_dump needs \
             four times the largest value of a row. Raise `spec.backup.resources.limits.memory`"
                .to_owned()
        }
        (None, signal) => format!("was ended by signal {}", signal.unwrap_or_default()),
    };
    let lines = if lines.is_empty() {
        "it wrote no message"
    } else {
        lines
    };
    format!("{program} {how}: {lines}. Nothing was stored. See the pod's log, and the server's")
}

/// Which lines of a program are passed on, to the report and to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lines {
    All,
    /// Only those that the program begins itself: what the server adds may be rows of tables, and statements
    /// with passwords in them.
    OwnOnly,
}

impl Lines {
    fn has(self, program: &str, line: &str) -> bool {
        let own = line
            .strip_prefix(program)
            .and_then(|rest| rest.strip_prefix(": "));
        self == Self::All
            || own.is_some_and(|own| {
                ["error: ", "warning: ", "from TOC entry "]
                    .iter()
                    .any(|begin| own.starts_with(begin))
            })
    }
}

/// What a program has said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Messages {
    /// The last lines.
    pub last: VecDeque<String>,
    /// Its warnings, each once.
    pub warnings: Vec<String>,
}

impl Messages {
    fn take(&mut self, line: &str) {
        if let Some((_, warning)) = line.split_once(": warning: ")
            && self.warnings.len() < WARNINGS
            && !self.warnings.iter().any(|known| known == warning)
        {
            self.warnings.push(warning.to_owned());
        }
        self.last.push_back(line.to_owned());
        if self.last.len() > LAST_LINES {
            self.last.pop_front();
        }
    }
}

/// Keeps the end of the messages for the report, and the warnings; all of those lines go to the log. A line
/// may be of any length: a hostile server can have the program write what it likes.
pub(super) async fn keep_messages(
    messages: impl AsyncRead + Unpin,
    program: String,
    lines: Lines,
) -> Messages {
    keep_and_see(messages, program, lines, |_| ()).await
}

/// The same; `see` is shown every line, whoever has written it.
pub(super) async fn keep_and_see(
    messages: impl AsyncRead + Unpin,
    program: String,
    lines: Lines,
    mut see: impl FnMut(&str),
) -> Messages {
    let mut reader = BufReader::new(messages);
    let mut kept = Messages::default();
    let mut line = Vec::new();
    while (&mut reader)
        .take(LINE_LIMIT)
        .read_until(b'\n', &mut line)
        .await
        .is_ok_and(|length| length > 0)
    {
        let text = bounded_line(String::from_utf8_lossy(&line).trim());
        line.clear();
        see(&text);
        if lines.has(&program, &text) {
            tracing::info!(program, "{text}");
            kept.take(&text);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_kept_once_and_not_without_end() {
        let mut messages = Messages::default();
        for number in 0..200 {
            messages.take("pg_dump: warning: subscriptions not dumped because current user is not a superuser");
            messages.take(&format!("pg_dump: warning: table {number} is odd"));
            messages.take("pg_dump: detail: no warning");
        }
        assert_eq!(messages.warnings.len(), WARNINGS);
        assert_eq!(
            messages.warnings[0],
            "subscriptions not dumped because current user is not a superuser"
        );
        assert_eq!(messages.last.len(), LAST_LINES);
    }

    #[tokio::test]
    async fn rows_and_statements_of_the_server_are_not_passed_on() {
        let said = "pg_restore: while PROCESSING TOC:\n\
            pg_restore: from TOC entry 3; 1418 16390 USER MAPPING USER MAPPING keeper SERVER far keeper\n\
            pg_restore: error: could not execute query: ERROR:  server \"far\" does not exist\n\
            Command was: CREATE USER MAPPING FOR keeper SERVER far OPTIONS (\n    password 'hush'\n);\n\
            pg_restore: error: COPY failed for table \"t\": ERROR:  new row violates check constraint\n\
            DETAIL:  Failing row contains (hush).\nCONTEXT:  COPY t, line 1: \"hush\"\n\
            pg_restore: detail: hush\n\
            pg_restore: warning: errors ignored on restore: 1\n";
        let kept = keep_messages(said.as_bytes(), "pg_restore".to_owned(), Lines::OwnOnly).await;
        let lines = Vec::from(kept.last).join("\n");
        assert!(!lines.contains("hush"), "{lines}");
        for text in [
            "from TOC entry 3",
            "does not exist",
            "violates check constraint",
        ] {
            assert!(lines.contains(text), "{text}: {lines}");
        }
        assert_eq!(kept.warnings, ["errors ignored on restore: 1"]);
    }

    #[tokio::test]
    async fn a_line_without_an_end_takes_no_memory() {
        let limit = usize::try_from(LINE_LIMIT).unwrap_or(usize::MAX);
        let endless = vec![b'x'; 10 * limit];
        let kept = keep_messages(endless.as_slice(), "pg_dump".to_owned(), Lines::All).await;
        assert!(kept.last.iter().all(|line| line.len() < limit));
    }
}
