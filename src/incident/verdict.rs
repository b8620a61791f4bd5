//! How it stands with the data, and what says so. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::identity::{cluster_of, has_moved};
use super::looks::{Account, Seen, describe_volume};
use super::{Line, Sentence, Standing, StartTold, TablesTold, VerdictTold};
use crate::api::{CheckOutcome, ConditionType, CountKind, Subject, find_condition, names, reasons};
use crate::wording::date;
use crate::wording::{count, number};

/// The verdict with its sentences.
pub(super) fn tell_verdict(
    account: &Account<'_>,
    tables: &TablesTold,
    starts: &[StartTold],
) -> VerdictTold {
    let (standing, reason, since) = find_standing(account);
    let meaning = reasons::find(&reason).map_or("", |document| document.meaning);
    let mut sentences = Vec::new();
    if standing == Standing::Reset {
        sentences.extend(say_volume(account));
        sentences.extend(say_cluster(account));
        sentences.extend(say_databases(account));
        sentences.extend(say_tables(account, tables));
        sentences.extend(say_start(account, starts));
    }
    sentences.extend(say_acceptance(account));
    sentences.extend(say_declaration(account));
    sentences.extend(say_conditions(account));
    sentences.extend(account.found.as_ref().and_then(quote));
    sentences.extend(account.newest.as_ref().and_then(quote));
    if sentences.is_empty() {
        sentences.push(Sentence {
            says: "no check has said anything about the data".into(),
            evidence: "nothing could be found that says more".into(),
        });
    }
    VerdictTold {
        standing,
        reason: reason.into(),
        since,
        meaning: meaning.into(),
        certainty: certainty(account, standing),
        sentences,
    }
}

/// The operator's word counts, because only it knows what a person has accepted. Where it can't be
/// read, the newest definite check does.
fn find_standing(account: &Account<'_>) -> (Standing, String, Option<Time>) {
    let conditions = account
        .status()
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    let find = |type_: ConditionType| find_condition(conditions, type_);
    if let Some(reset) = find(ConditionType::DataReset).filter(|reset| reset.status == "True") {
        return (
            Standing::Reset,
            reset.reason.clone(),
            Some(reset.last_transition_time.clone()),
        );
    }
    if let Some(verified) = find(ConditionType::DataVerified) {
        let standing = if verified.status == "True" {
            Standing::Good
        } else {
            Standing::NotKnown
        };
        return (
            standing,
            verified.reason.clone(),
            Some(verified.last_transition_time.clone()),
        );
    }
    match account
        .found
        .as_ref()
        .and_then(|found| Some((found, found.verdict?)))
    {
        Some((found, verdict)) if verdict.outcome == CheckOutcome::Suspected => (
            Standing::Reset,
            verdict.reason.clone(),
            Some(found.time.clone()),
        ),
        _ if account.gathered.checks.known().is_some_and(Vec::is_empty) => {
            (Standing::NotKnown, reasons::NEVER_CHECKED.to_owned(), None)
        }
        _ => (Standing::NotKnown, reasons::READ_FAILED.to_owned(), None),
    }
}

fn certainty(account: &Account<'_>, standing: Standing) -> Line {
    let Some(found) = &account.found else {
        return match standing {
            Standing::NotKnown => "nothing is sure: no check that says anything definite can be \
                seen"
                .into(),
            _ => "the operator's conditions say so; no check that says anything definite can be \
                seen to confirm it"
                .into(),
        };
    };
    let mut said = Vec::new();
    let clusters = account
        .expected
        .as_ref()
        .and_then(cluster_of)
        .zip(cluster_of(found));
    if let (Standing::Reset, Some((before, now))) = (standing, clusters)
        && before.0 != now.0
    {
        said.push(
            "it is surely another cluster of data, because only initdb sets a system identifier"
                .to_owned(),
        );
    }
    if let Some(evidence) = found.evidence {
        let counted = evidence
            .tables
            .iter()
            .filter(|table| table.count == CountKind::Exact)
            .count();
        let tables = evidence.tables.len();
        said.push(format!(
            "{counted} of {tables} tables seen were counted row by row"
        ));
    }
    if let Some(newest) = &account.newest {
        said.push(format!(
            "the newest check, {} of {}, could not tell",
            newest.check,
            date(&newest.time)
        ));
    }
    said.join("; ").into()
}

fn both<'a, 'b>(account: &'b Account<'a>) -> Option<(&'b Seen<'a>, &'b Seen<'a>)> {
    account
        .expected
        .as_ref()
        .zip(account.found.as_ref())
        .filter(|(expected, found)| expected.check != found.check)
}

fn say_volume(account: &Account<'_>) -> Option<Sentence> {
    let (expected, found) = both(account)?;
    let fields = format!(
        "the mounted volumes in {} and in spec.target.volumes of {}",
        expected.source, found.source
    );
    let (before, now) = (expected.data_volume(), found.data_volume());
    if has_moved(account) {
        let says = format!(
            "the data directory lies on {}; the data was on {}",
            describe_volume(now),
            describe_volume(before)
        );
        return Some(Sentence {
            says: says.into(),
            evidence: fields.into(),
        });
    }
    let volume = now?;
    Some(Sentence {
        says: format!("it is the same volume as before, {}", volume.volume).into(),
        evidence: fields.into(),
    })
}

fn say_cluster(account: &Account<'_>) -> Option<Sentence> {
    let (expected, found) = both(account)?;
    let (before, now) = cluster_of(expected).zip(cluster_of(found))?;
    let evidence = format!(
        "the system identifiers {} in {} and {} in {}; their upper 32 bits are the second of \
         initdb",
        before.0, expected.source, now.0, found.source
    );
    let says = if before.0 == now.0 {
        format!(
            "it is the same cluster of data, made by initdb at {}",
            date(&now.1)
        )
    } else {
        format!(
            "it is another cluster of data: initdb made this one at {}, and the one that was \
             expected at {}",
            date(&now.1),
            date(&before.1)
        )
    };
    Some(Sentence {
        says: says.into(),
        evidence: evidence.into(),
    })
}

fn say_databases(account: &Account<'_>) -> Option<Sentence> {
    let (expected, found) = both(account)?;
    let (before, now) = expected.evidence.zip(found.evidence)?;
    let gone: Vec<&str> = before
        .databases
        .iter()
        .filter(|database| {
            !now.databases
                .iter()
                .any(|other| other.name == database.name)
        })
        .map(|database| database.name.as_str())
        .take(8)
        .collect();
    let evidence = format!("status.evidence.databases of {}", found.source);
    (!gone.is_empty()).then(|| Sentence {
        says: format!("these databases do not exist any more: {}", gone.join(", ")).into(),
        evidence: evidence.into(),
    })
}

fn say_tables(account: &Account<'_>, tables: &TablesTold) -> Option<Sentence> {
    let (expected, found) = both(account)?;
    let (before, now) = expected.evidence.zip(found.evidence)?;
    let lost = tables.different.iter().filter(|table| table.lost).count();
    if lost == 0 {
        return None;
    }
    let lost = count(i64::try_from(lost).unwrap_or(i64::MAX), "table");
    let says = format!(
        "{lost} lost rows: {} are there in all, {} were expected",
        number(now.total_rows),
        number(before.total_rows)
    );
    let evidence = format!(
        "the rows of each table in {} and in status.evidence.tables of {}",
        expected.source, found.source
    );
    Some(Sentence {
        says: says.into(),
        evidence: evidence.into(),
    })
}

fn say_start(account: &Account<'_>, starts: &[StartTold]) -> Option<Sentence> {
    let found = account.found.as_ref()?;
    let start = starts
        .iter()
        .rev()
        .find(|start| start.time.0 <= found.time.0)?;
    let says = format!(
        "it was seen in pod {}, whose server started at {}: {}",
        start.pod,
        date(&start.time),
        start.change
    );
    Some(Sentence {
        says: says.into(),
        evidence: format!("spec.target of DatabaseCheck {}", start.check).into(),
    })
}

/// Only an acceptance makes good what looked reset, so it must be said who made it so.
fn say_acceptance(account: &Account<'_>) -> Option<Sentence> {
    let database = account.gathered.database.known()?.as_ref()?;
    let accepted = database
        .metadata
        .annotations
        .as_ref()?
        .get(names::ACCEPT_CHECK_ANNOTATION)?;
    if Some(accepted)
        != account
            .status()?
            .baseline
            .as_ref()
            .map(|baseline| &baseline.check)
    {
        return None;
    }
    let says = format!(
        "somebody has accepted what DatabaseCheck {accepted} found as how the data should be"
    );
    let evidence = format!(
        "the annotation {} of ProtectedDatabase {}",
        names::ACCEPT_CHECK_ANNOTATION,
        account.gathered.name
    );
    Some(Sentence {
        says: says.into(),
        evidence: evidence.into(),
    })
}

fn say_declaration(account: &Account<'_>) -> Option<Sentence> {
    let found = account.found.as_ref()?;
    let declared = found.verdict?.declared_by.as_deref()?;
    let says =
        format!("somebody had declared beforehand that the next change is meant: {declared}");
    Some(Sentence {
        says: says.into(),
        evidence: format!("status.verdict.declaredBy of {}", found.source).into(),
    })
}

fn say_conditions(account: &Account<'_>) -> Option<Sentence> {
    let conditions = account
        .status()
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    let said: Vec<String> = ConditionType::ALL
        .iter()
        .filter(|type_| matches!(type_.row().subject, Subject::Data | Subject::Backups))
        .filter_map(|type_| find_condition(conditions, *type_))
        .map(|condition| {
            format!(
                "{} is {} ({}) since {}",
                condition.type_,
                condition.status,
                condition.reason,
                date(&condition.last_transition_time)
            )
        })
        .collect();
    let evidence = format!(
        "status.conditions of ProtectedDatabase {}",
        account.gathered.name
    );
    (!said.is_empty()).then(|| Sentence {
        says: said.join("; ").into(),
        evidence: evidence.into(),
    })
}

/// The operator's own words about a look.
fn quote(seen: &Seen<'_>) -> Option<Sentence> {
    let verdict = seen.verdict?;
    Some(Sentence {
        says: format!(
            "the operator's verdict, {:?} ({}): {}",
            verdict.outcome, verdict.reason, verdict.message
        )
        .into(),
        evidence: format!("status.verdict of {}", seen.source).into(),
    })
}
