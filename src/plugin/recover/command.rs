//! Reads what is there, says what will be done, asks where that disturbs, and does it step by step
//! until everything is where it belongs.

use std::time::{Duration, Instant};

use clap::Args;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::time::sleep;

use super::{RecoveryReport, describe_course, describe_outcome};
use crate::api::names::PLUGIN_MANAGER;
use crate::plugin::ask::ask;
use crate::plugin::connect::Cluster;
use crate::plugin::ending::Ending;
use crate::plugin::error::PluginError;
use crate::plugin::output::{DataFormat, build_json, build_yaml, write_out};
use crate::recovery::{
    Course, Hand, Obstacle, Place, ReadError, Situation, Step, away_since, fetch_situation, plan,
};

/// How long until the cluster is read again while something is waited for.
const PAUSE: Duration = Duration::from_millis(50);

/// What `recover` is asked.
#[derive(Debug, Args)]
pub struct RecoverArguments {
    /// Name of the ProtectedDatabase. It need not be there any more, nor its namespace: the ledger
    /// remembers both.
    name: String,
    /// Bring back this PersistentVolume only, to the claim that it belonged to. Default: all that
    /// the last good check ran on.
    #[arg(long)]
    volume: Option<String>,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Don't ask before pods are stopped or an object is taken away.
    #[arg(long)]
    yes: bool,
    /// Give up after so many seconds. What is done stays done, and the command goes on from there
    /// when it is run again.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    /// json or yaml instead of text.
    #[arg(short, long)]
    output: Option<DataFormat>,
}

/// Runs `recover`.
pub async fn run(cluster: &Cluster, arguments: &RecoverArguments) -> Result<Ending, PluginError> {
    let says = arguments.output.is_none();
    let (situation, course) = match look(cluster, arguments).await? {
        Ok(found) => found,
        Err(obstacle) => return Ok(stopped(&obstacle)),
    };
    if says {
        write_out(&describe_course(&situation, &course, Timestamp::now()))?;
    }
    let mut report = RecoveryReport {
        namespace: situation.namespace_name.clone(),
        name: situation.name.clone(),
        findings: course.findings.clone(),
        steps: course
            .steps
            .iter()
            .filter(|step| !matches!(step, Step::Await(_)))
            .map(Step::describe)
            .collect(),
        notes: course.notes.clone(),
        done: false,
        bound_after_seconds: None,
        away_since: away_since(&situation).map(Time),
        away_seconds: None,
    };
    if course.steps.is_empty() || arguments.dry_run {
        if says {
            for note in &course.notes {
                write_out(&format!("Note: {note}.\n"))?;
            }
        }
        return finish(&report, arguments).map(|()| Ending::Done);
    }
    let script = format!(
        "kubectl holdfast recover {} -n {}{} --yes",
        situation.name,
        situation.namespace_name,
        cluster.context_flag()
    );
    if course.steps.iter().any(Step::disturbs)
        && !arguments.yes
        && !ask(
            &format!("To bring {} back like that", situation.name),
            &situation.name,
            &script,
        )?
    {
        eprintln!("Not confirmed; nothing was changed.");
        return Ok(Ending::NotConfirmed);
    }
    let away = away_since(&situation);
    let missing: Vec<(String, String)> = situation
        .places
        .iter()
        .filter(|place| !place.is_well())
        .map(|place| (place.wanted.claim.clone(), place.wanted.volume.clone()))
        .collect();
    match Box::pin(carry_out(cluster, arguments, situation, course, says)).await? {
        Ok(carried) => {
            report.done = true;
            report.steps = carried.steps;
            report.notes = carried.notes;
            report.bound_after_seconds =
                (!missing.is_empty()).then_some(carried.bound_after.as_secs_f64());
            report.away_seconds = away.map(|since| {
                (carried.bound_at - since)
                    .total(jiff::Unit::Second)
                    .unwrap_or_default()
            });
        }
        Err(obstacle) => return Ok(stopped(&obstacle)),
    }
    if says {
        write_out(&describe_outcome(
            &report,
            &missing,
            &cluster.context_flag(),
        ))?;
    }
    finish(&report, arguments).map(|()| Ending::Done)
}

/// How it went.
struct Carried {
    steps: Vec<String>,
    notes: Vec<String>,
    bound_after: Duration,
    bound_at: Timestamp,
}

async fn carry_out(
    cluster: &Cluster,
    arguments: &RecoverArguments,
    mut situation: Situation,
    mut course: Course,
    says: bool,
) -> Result<Result<Carried, Obstacle>, PluginError> {
    let began = Instant::now();
    let patience = Duration::from_secs(arguments.timeout);
    let hand = Hand {
        client: cluster.client.clone(),
        manager: PLUGIN_MANAGER,
        namespace: situation.namespace_name.clone(),
        owner: situation.owner(),
        restore: None,
    };
    let (mut steps, mut notes, mut bound) = (Vec::new(), course.notes.clone(), None);
    let mut waiting = String::new();
    loop {
        for step in &course.steps {
            if let Step::Await(what) = step {
                if *what != waiting {
                    waiting.clone_from(what);
                    progress(says, began, &step.describe())?;
                }
                break;
            }
            match hand.act(step).await {
                Ok(()) => {
                    progress(says, began, &step.describe())?;
                    steps.push(step.describe());
                }
                // Somebody else wrote first: what is there now is read again.
                Err(error) if error.is_conflict() && began.elapsed() < patience => {
                    sleep(PAUSE).await;
                    break;
                }
                Err(error) => return Err(PluginError::Step(Box::new(error))),
            }
        }
        (situation, course) = match look(cluster, arguments).await? {
            Ok(found) => found,
            Err(obstacle) => return Ok(Err(obstacle)),
        };
        for note in &course.notes {
            if !notes.contains(note) {
                notes.push(note.clone());
            }
        }
        if bound.is_none() && situation.places.iter().all(Place::is_well) {
            bound = Some((began.elapsed(), Timestamp::now()));
        }
        if let (true, Some((bound_after, bound_at))) = (course.steps.is_empty(), bound) {
            return Ok(Ok(Carried {
                steps,
                notes,
                bound_after,
                bound_at,
            }));
        }
        if began.elapsed() > patience {
            let next = course.steps.first().map(Step::describe).unwrap_or_default();
            return Err(PluginError::Patience {
                seconds: arguments.timeout,
                next,
            });
        }
        if matches!(course.steps.first(), Some(Step::Await(_))) {
            sleep(PAUSE).await;
        }
    }
}

async fn look(
    cluster: &Cluster,
    arguments: &RecoverArguments,
) -> Result<Result<(Situation, Course), Obstacle>, PluginError> {
    let read = fetch_situation(
        &cluster.client,
        &cluster.namespace,
        &arguments.name,
        arguments.volume.as_deref(),
    );
    match Box::pin(read).await {
        Ok(situation) => Ok(plan(&situation).map(|course| (situation, course))),
        Err(ReadError::Obstacle(obstacle)) => Ok(Err(obstacle)),
        Err(error) => Err(PluginError::Read(Box::new(error))),
    }
}

fn stopped(obstacle: &Obstacle) -> Ending {
    eprintln!("error: {obstacle}");
    Ending::NeedsAPerson
}

fn progress(says: bool, began: Instant, what: &str) -> Result<(), PluginError> {
    if says {
        write_out(&format!(
            "[{:>5.1} s] {what}\n",
            began.elapsed().as_secs_f64()
        ))
    } else {
        Ok(())
    }
}

fn finish(report: &RecoveryReport, arguments: &RecoverArguments) -> Result<(), PluginError> {
    match arguments.output {
        Some(DataFormat::Json) => write_out(&build_json(report)?),
        Some(DataFormat::Yaml) => write_out(&build_yaml(report)?),
        None => Ok(()),
    }
}
