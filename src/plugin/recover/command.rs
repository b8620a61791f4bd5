//! Reads what exists, says what will be done, asks before what stops pods or removes an object, and
//! does it step by step until everything is where it belongs.

use std::cell::Cell;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use clap::Args;
use jiff::Timestamp;
use tokio::time::sleep;

use super::text::{RecoveryReport, describe_outcome, describe_plan};
use crate::api::names::PLUGIN_MANAGER;
use crate::decide::recover::unavailable_since;
use crate::execute::Executor;
use crate::plan::{Blocker, RecoveryPlan, Scope, Step, check_recovery};
use crate::plugin::ask::ask;
use crate::plugin::connect::Cluster;
use crate::plugin::error::PluginError;
use crate::plugin::exit_status::ExitStatus;
use crate::plugin::output::{DataFormat, build_json, build_yaml, write_out};
use crate::recovery::{Recovery, look};
use crate::world::ObservedRecovery;

/// How long until the cluster is read again while something is waited for.
const PAUSE: Duration = Duration::from_millis(50);

/// The arguments of `recover`.
#[derive(Debug, Args)]
pub struct RecoverArguments {
    /// Name of the ProtectedDatabase. It need not exist any longer, nor its namespace: the ledger
    /// remembers both.
    name: String,
    /// Bring back only this PersistentVolume, to the claim that it belonged to. Default: all that
    /// the last good check ran on.
    #[arg(long)]
    volume: Option<String>,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Don't ask before pods are stopped or an object is removed.
    #[arg(long)]
    yes: bool,
    /// Give up after this many seconds. What was done stays done, and the command goes on from
    /// there when it is run again.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    /// json or yaml instead of text.
    #[arg(short, long)]
    output: Option<DataFormat>,
}

/// Runs `recover`.
pub async fn run(
    cluster: &Cluster,
    arguments: &RecoverArguments,
) -> Result<ExitStatus, PluginError> {
    let recovery = look_at(cluster, arguments).await;
    let plan = match recovery.plan {
        Ok(plan) => plan,
        Err(blocker) => return blocked(blocker),
    };
    let observed = recovery.observed;
    let run = Run::new(cluster, arguments);
    run.say(&describe_plan(&observed, &plan, Timestamp::now()))?;
    let mut report = RecoveryReport::new(&observed, &plan);
    if plan.steps.is_empty() || arguments.dry_run {
        for note in &plan.notes {
            run.say(&format!("Note: {note}.\n"))?;
        }
        let status = if plan.steps.is_empty() && !plan.unresolved.is_empty() {
            ExitStatus::NeedsAttention
        } else {
            ExitStatus::Done
        };
        return finish(&report, arguments).map(|()| status);
    }
    let mut consent = Consent::new(arguments.yes);
    let (observed, plan) = match Box::pin(run.agree(observed, plan, &mut consent)).await? {
        Answer::Agreed(observed, plan) => (*observed, plan),
        Answer::Blocked(blocker) => return blocked(blocker),
        Answer::Refused => {
            eprintln!("Not confirmed; nothing was changed.");
            return Ok(ExitStatus::NotConfirmed);
        }
    };
    let since = unavailable_since(&observed);
    let missing: Vec<(String, String)> = observed
        .known_bindings()
        .iter()
        .filter(|binding| !binding.is_bound())
        .map(|binding| {
            (
                binding.desired.claim.clone(),
                binding.desired.volume.clone(),
            )
        })
        .collect();
    match Box::pin(run.carry_out(observed, plan, &mut consent)).await? {
        Outcome::Done(done) => {
            report.done = true;
            report.steps = done.steps;
            report.notes = done.notes;
            let seconds = done.bound_after.as_secs_f64();
            report.bound_after_seconds = (!missing.is_empty()).then_some(seconds);
            report.unavailable_seconds = since.map(|since| {
                let outage = done.bound_at - since;
                outage.total(jiff::Unit::Second).unwrap_or_default()
            });
        }
        Outcome::Blocked(blocker) => return blocked(blocker),
        Outcome::NotConfirmed => {
            eprintln!(
                "Not confirmed; what was done so far stays done, and the command goes on from \
                 there when it is run again."
            );
            return Ok(ExitStatus::NotConfirmed);
        }
    }
    run.say(&describe_outcome(
        &report,
        &missing,
        &cluster.context_flag(),
    ))?;
    finish(&report, arguments).map(|()| ExitStatus::Done)
}

/// What the user has agreed to, step by step; everything with `--yes`.
struct Consent {
    everything: bool,
    steps: Vec<String>,
}

impl Consent {
    const fn new(everything: bool) -> Self {
        Self {
            everything,
            steps: Vec::new(),
        }
    }

    /// The steps that nobody has agreed to yet.
    fn missing(&self, plan: &RecoveryPlan) -> Vec<String> {
        let wanted = plan.steps.iter().filter_map(Step::consent);
        wanted
            .filter(|step| !self.everything && !self.steps.contains(step))
            .collect()
    }

    fn scope<'a>(&'a self, observed: &'a ObservedRecovery) -> Scope<'a> {
        Scope::User {
            observed,
            confirmed: (!self.everything).then_some(self.steps.as_slice()),
        }
    }
}

/// What the user has answered.
enum Answer {
    /// All of the plan is agreed to; it was made of what exists now.
    Agreed(Box<ObservedRecovery>, RecoveryPlan),
    /// Something blocks it by now.
    Blocked(Blocker),
    Refused,
}

/// How it went.
enum Outcome {
    Done(Done),
    Blocked(Blocker),
    NotConfirmed,
}

struct Done {
    steps: Vec<String>,
    notes: Vec<String>,
    bound_after: Duration,
    bound_at: Timestamp,
}

/// One run of the command.
struct Run<'a> {
    cluster: &'a Cluster,
    arguments: &'a RecoverArguments,
    /// When the work began, not counting the time in which the user was asked.
    began: Cell<Instant>,
}

impl<'a> Run<'a> {
    fn new(cluster: &'a Cluster, arguments: &'a RecoverArguments) -> Self {
        Self {
            cluster,
            arguments,
            began: Cell::new(Instant::now()),
        }
    }

    fn say(&self, text: &str) -> Result<(), PluginError> {
        match self.arguments.output {
            None => write_out(text),
            Some(DataFormat::Json | DataFormat::Yaml) => Ok(()),
        }
    }

    fn say_progress(&self, what: &str) -> Result<(), PluginError> {
        let seconds = self.began.get().elapsed().as_secs_f64();
        self.say(&format!("[{seconds:>5.1} s] {what}\n"))
    }

    /// Asks for what nobody has agreed to yet; says whether all of it is agreed to now.
    fn ask(&self, plan: &RecoveryPlan, consent: &mut Consent) -> Result<bool, PluginError> {
        let missing = consent.missing(plan);
        if missing.is_empty() {
            return Ok(true);
        }
        let name = &self.arguments.name;
        let script = format!(
            "kubectl holdfast recover {name} -n {}{} --yes",
            self.cluster.namespace,
            self.cluster.context_flag()
        );
        let mut question = "These steps stop pods or remove an object:\n".to_owned();
        for step in &missing {
            let _ = writeln!(question, "  - {step}");
        }
        let _ = write!(question, "To carry them out for {name}");
        let asked = Instant::now();
        let is_confirmed = ask(&question, name, &script)?;
        self.began.set(self.began.get() + asked.elapsed());
        if is_confirmed {
            consent.steps.extend(missing);
        }
        Ok(is_confirmed)
    }

    /// Asks until all of a plan is agreed to. While a user reads, the cluster goes on: after every
    /// answer it is read again, and what is done is decided by what exists then.
    async fn agree(
        &self,
        mut observed: ObservedRecovery,
        mut plan: RecoveryPlan,
        consent: &mut Consent,
    ) -> Result<Answer, PluginError> {
        while !consent.missing(&plan).is_empty() {
            if !self.ask(&plan, consent)? {
                return Ok(Answer::Refused);
            }
            let recovery = look_at(self.cluster, self.arguments).await;
            observed = recovery.observed;
            plan = match recovery.plan {
                Ok(plan) => plan,
                Err(blocker) => return Ok(Answer::Blocked(blocker)),
            };
        }
        Ok(Answer::Agreed(Box::new(observed), plan))
    }

    async fn carry_out(
        &self,
        mut observed: ObservedRecovery,
        mut plan: RecoveryPlan,
        consent: &mut Consent,
    ) -> Result<Outcome, PluginError> {
        let timeout = Duration::from_secs(self.arguments.timeout);
        let client = self.cluster.client.clone();
        let (namespace, name) = (&self.cluster.namespace, &self.arguments.name);
        let executor = Executor::new(client, PLUGIN_MANAGER, namespace, name);
        let (mut steps, mut notes, mut bound) = (Vec::new(), plan.notes.clone(), None);
        let mut waiting = String::new();
        loop {
            (observed, plan) = match Box::pin(self.agree(observed, plan, consent)).await? {
                Answer::Agreed(observed, plan) => (*observed, plan),
                Answer::Blocked(blocker) => return Ok(Outcome::Blocked(blocker)),
                Answer::Refused => return Ok(Outcome::NotConfirmed),
            };
            check_recovery(&consent.scope(&observed), &plan).map_err(PluginError::Rule)?;
            for step in &plan.steps {
                if let Step::Await(what) = step {
                    if *what != waiting {
                        waiting.clone_from(what);
                        self.say_progress(&step.describe())?;
                    }
                    break;
                }
                match executor.execute(step).await {
                    Ok(()) => {
                        self.say_progress(&step.describe())?;
                        steps.push(step.describe());
                    }
                    // Somebody else wrote first: what exists now is read again.
                    Err(error) if error.is_conflict() && self.began.get().elapsed() < timeout => {
                        sleep(PAUSE).await;
                        break;
                    }
                    Err(error) => return Err(PluginError::Step(Box::new(error))),
                }
            }
            let recovery = look_at(self.cluster, self.arguments).await;
            observed = recovery.observed;
            plan = match recovery.plan {
                Ok(plan) => plan,
                Err(blocker) => return Ok(Outcome::Blocked(blocker)),
            };
            for note in &plan.notes {
                if !notes.contains(note) {
                    notes.push(note.clone());
                }
            }
            if bound.is_none() && observed.all_bound() {
                bound = Some((self.began.get().elapsed(), Timestamp::now()));
            }
            if let (true, Some((bound_after, bound_at))) = (plan.steps.is_empty(), bound) {
                return Ok(Outcome::Done(Done {
                    steps,
                    notes,
                    bound_after,
                    bound_at,
                }));
            }
            if self.began.get().elapsed() > timeout {
                let next = plan.steps.first().map(Step::describe).unwrap_or_default();
                let seconds = self.arguments.timeout;
                return Err(PluginError::OutOfTime { seconds, next });
            }
            sleep(PAUSE).await;
        }
    }
}

async fn look_at(cluster: &Cluster, arguments: &RecoverArguments) -> Recovery {
    let volume = arguments.volume.as_deref();
    Box::pin(look(
        &cluster.client,
        &cluster.namespace,
        &arguments.name,
        volume,
    ))
    .await
}

fn blocked(blocker: Blocker) -> Result<ExitStatus, PluginError> {
    match blocker {
        Blocker::Unread(why) => Err(PluginError::Read(why)),
        Blocker::Unresolved(message) => {
            eprintln!("error: {message}");
            Ok(ExitStatus::NeedsAttention)
        }
    }
}

fn finish(report: &RecoveryReport, arguments: &RecoverArguments) -> Result<(), PluginError> {
    match arguments.output {
        Some(DataFormat::Json) => write_out(&build_json(report)?),
        Some(DataFormat::Yaml) => write_out(&build_yaml(report)?),
        None => Ok(()),
    }
}
