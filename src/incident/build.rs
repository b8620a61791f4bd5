//! From what was read to the story: everything is told once here, and only laid out elsewhere.
//! Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::answers::answer_all;
use super::backups::tell_backups;
use super::differences::compare_tables;
use super::events::tell_events;
use super::identity::compare;
use super::looks::{Account, Seen};
use super::next_steps::plan_next_steps;
use super::series::build_series;
use super::starts::tell_starts;
use super::timeline::build_timeline;
use super::verdict::tell_verdict;
use super::volumes::tell_volumes;
use super::{Asked, Gathered, Line, Story};
use crate::world::Fact;

pub use super::volumes::name_volumes;

/// Tells the story of what was read.
pub fn build_story(gathered: &Gathered) -> Story {
    let account = Account::open(gathered);
    let starts = tell_starts(&account);
    let tables = compare_tables(&account);
    let volumes = tell_volumes(&account);
    let backups = tell_backups(&account);
    let events = tell_events(&account);
    let verdict = tell_verdict(&account, &tables, &starts);
    Story {
        namespace: gathered.namespace.as_str().into(),
        name: gathered.name.as_str().into(),
        told_at: Time(gathered.now),
        about: describe_database(&account),
        expected: account.expected.as_ref().map(Seen::tell),
        found: account.found.as_ref().map(Seen::tell),
        newest: account.newest.as_ref().map(Seen::tell),
        compared: compare(&account),
        series: build_series(&account, &starts),
        answers: answer_all(&account, &starts, &volumes, &events),
        timeline: build_timeline(&account, &starts, &volumes, &backups, &events),
        next_steps: plan_next_steps(
            &account,
            verdict.standing,
            verdict.reason.as_str(),
            &volumes,
            &backups,
        ),
        not_known: list_unknown(gathered),
        verdict,
        tables,
        volumes,
        starts,
        backups,
        events,
    }
}

fn describe_database(account: &Account<'_>) -> Line {
    let Some(spec) = account.spec() else {
        return match &account.gathered.database {
            Fact::Known(_) => {
                "there is no such ProtectedDatabase any more; the DatabaseLedger remembers it"
                    .into()
            }
            Fact::Unknown(_) => "the ProtectedDatabase could not be read".into(),
        };
    };
    let kind = spec
        .workload
        .kind
        .map_or_else(|| "workload".to_owned(), |kind| kind.to_string());
    format!(
        "database {} of {kind} {}",
        spec.connection.database, spec.workload.name
    )
    .into()
}

/// Every read that failed, each reason once.
fn list_unknown(gathered: &Gathered) -> Vec<Line> {
    let lists = [
        gathered.database.unknown(),
        gathered.ledger.unknown(),
        gathered.checks.unknown(),
        gathered.backups.unknown(),
        gathered.restores.unknown(),
        gathered.workload.unknown(),
        gathered.revisions.unknown(),
        gathered.pods.unknown(),
        gathered.events.unknown(),
        gathered.cluster_events.unknown(),
    ];
    let asked = unknown_of(&gathered.claims)
        .chain(unknown_of(&gathered.volumes))
        .chain(unknown_of(&gathered.nodes));
    let mut said: Vec<Line> = Vec::new();
    for why in lists.into_iter().flatten().chain(asked).map(Line::from) {
        if !said.contains(&why) {
            said.push(why);
        }
    }
    said
}

fn unknown_of<T>(asked: &[Asked<T>]) -> impl Iterator<Item = &str> {
    asked.iter().filter_map(|asked| asked.found.unknown())
}
