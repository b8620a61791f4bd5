//! Every rule of the plan refuses what it is there for, and nothing else does: without the rule the
//! bad plan passes.

use super::rule_case::Case;
use super::sample::{Sample, mark};
use super::sample_objects::{check, complete_backup};
use super::sample_parts::{confirm, confirm_at, delete, known, metadata, rival, time};
use super::{
    agents, catalog, drill_rules, failed_backups, not_begun, recovery_rules_tests, release,
    restore_dry_run, restore_files, restore_rules, sampled,
};
use crate::api::{
    BackupDemotion, BackupState, BackupVerdict, ConfirmedVerb, DeletionGuard, WorkloadKind, names,
    reasons,
};
use crate::guard::Marks;
use crate::plan::{
    ConfirmedKind, GateStep, MountRepairStep, Permit, Plan, RULES, Release, RevocationStep, Rule,
    RuleViolation, Scope, Step, VolumeStep, WorkloadMarkStep, check_by, check_plan,
};
use crate::world::{
    AgentIdentity, Fact, GateFact, NeighbourFact, Observed, OtherNamespace, VolumeFact,
};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

fn plan(steps: &[Step]) -> Plan {
    Plan {
        steps: steps.to_vec(),
        ..Plan::default()
    }
}

/// A plan of these steps after a look at what the other rules want looked at.
fn plan_for(rule: &str, observed: &Observed, steps: &[Step]) -> Plan {
    let mut all = Vec::new();
    if rule != DATABASE_SEEN {
        all.push(Step::AssertDatabase(Box::new(
            observed.database.metadata.clone(),
        )));
    }
    if let Some(VolumeFact::Found(volume)) = observed
        .claims
        .known()
        .and_then(|claims| claims.first())
        .map(|claim| &claim.volume)
        && rule != VOLUME_SEEN
    {
        all.push(Step::AssertVolume(Box::new(volume.metadata.clone())));
    }
    all.extend_from_slice(steps);
    plan(&all)
}

const DATABASE_SEEN: &str = "releases_follow_an_assertion_of_the_database";
const VOLUME_SEEN: &str = "claims_follow_an_assertion_of_their_volume";

fn marked_workload(metadata: Box<ObjectMeta>) -> WorkloadMarkStep {
    WorkloadMarkStep {
        kind: WorkloadKind::StatefulSet,
        metadata,
        claims_guarded: true,
    }
}

fn claim(observed: &Observed) -> Box<ObjectMeta> {
    Box::new(
        observed
            .claims
            .known()
            .and_then(|claims| claims[0].metadata.clone())
            .unwrap_or_default(),
    )
}

fn volume(observed: &Observed) -> VolumeStep {
    match observed.claims.known().map(|claims| &claims[0].volume) {
        Some(VolumeFact::Found(volume)) => VolumeStep {
            metadata: Box::new(volume.metadata.clone()),
            reclaim_policy: volume.reclaim_policy.clone(),
            namespace_uid: None,
        },
        other => panic!("no volume but {other:?}"),
    }
}

fn release(metadata: &ObjectMeta, permit: Permit) -> Release {
    Release {
        metadata: Box::new(metadata.clone()),
        permit,
    }
}

fn by_database() -> Permit {
    Permit::DatabaseConfirmed("uid-of-knowledge".to_owned())
}

fn anonymous(metadata: &ObjectMeta) -> Box<ObjectMeta> {
    Box::new(ObjectMeta {
        resource_version: None,
        ..metadata.clone()
    })
}

fn pinned() -> Vec<Case> {
    let observed = Sample::settled().deleted().deletion_confirmed().0;
    let (claim, volume) = (claim(&observed), volume(&observed));
    let (database, namespace) = (observed.database.metadata.clone(), metadata("atra"));
    let foreign_version = |step: VolumeStep| VolumeStep {
        metadata: anonymous(&step.metadata),
        ..step
    };
    let case = |bad, good| Case {
        rule: "writes_are_pinned",
        observed: observed.clone(),
        bad: vec![bad],
        good: vec![good],
    };
    let named = |metadata: &ObjectMeta| Box::new(metadata.clone());
    let workload = metadata("knowledge-postgres");
    vec![
        case(
            Step::MarkDatabase(anonymous(&database)),
            Step::MarkDatabase(named(&database)),
        ),
        case(
            Step::MarkClaim(anonymous(&claim)),
            Step::MarkClaim(claim.clone()),
        ),
        case(
            Step::MarkNamespace(anonymous(&namespace)),
            Step::MarkNamespace(named(&namespace)),
        ),
        case(
            Step::MarkWorkload(marked_workload(anonymous(&workload))),
            Step::MarkWorkload(marked_workload(named(&workload))),
        ),
        case(
            Step::MarkVolume(foreign_version(volume.clone())),
            Step::MarkVolume(volume.clone()),
        ),
        case(
            Step::RetainVolume(VolumeStep {
                metadata: Box::default(),
                ..volume.clone()
            }),
            Step::RetainVolume(volume.clone()),
        ),
        case(
            Step::DeleteCheck(anonymous(&metadata("old"))),
            Step::DeleteCheck(named(&metadata("old"))),
        ),
        case(
            Step::ReleaseClaim(release(&anonymous(&claim), by_database())),
            Step::ReleaseClaim(release(&claim, by_database())),
        ),
        case(
            Step::ReleaseWorkload(
                WorkloadKind::StatefulSet,
                release(&anonymous(&workload), by_database()),
            ),
            Step::ReleaseWorkload(WorkloadKind::StatefulSet, release(&workload, by_database())),
        ),
    ]
}

fn permitted() -> Vec<Case> {
    let case = |observed: &Observed, bad, good| Case {
        rule: "releases_are_permitted",
        observed: observed.clone(),
        bad: vec![bad],
        good: vec![good],
    };
    let settled = Sample::settled().0;
    let here = claim(&settled);
    let mut going = here.clone();
    delete(&mut going);
    let mut confirmed = going.clone();
    confirm(&mut confirmed);
    let confirmed_release = Step::ReleaseClaim(release(&confirmed, Permit::Confirmed));
    let deleted = Sample::settled().deleted().0;
    let confirmed_database = Sample::settled().deleted().deletion_confirmed().0;
    let not_deleted = Sample::settled().deletion_confirmed().0;
    let off = Sample::settled()
        .wanted(|spec| spec.guard.deletion = DeletionGuard::Off)
        .change_confirmed()
        .0;
    let off_unconfirmed = Sample::settled()
        .wanted(|spec| spec.guard.deletion = DeletionGuard::Off)
        .0;
    let off_too_long = Sample(off.clone()).at("2026-02-01T09:43:01Z").0;
    let change_only = Sample::settled().deleted().change_confirmed().0;
    let mut confirmed_here = here.clone();
    confirm(&mut confirmed_here);
    let nothing = Step::EnsureAgentIdentity;
    let other = Permit::DatabaseConfirmed("uid-of-another".to_owned());
    vec![
        case(
            &settled,
            Step::ReleaseClaim(release(&here, Permit::Confirmed)),
            confirmed_release,
        ),
        case(
            &settled,
            Step::ReleaseVolume(release(&volume(&settled).metadata, Permit::Confirmed)),
            nothing.clone(),
        ),
        case(
            &settled,
            Step::ReleaseWorkload(WorkloadKind::StatefulSet, release(&here, Permit::Confirmed)),
            nothing.clone(),
        ),
        case(
            &settled,
            Step::ReleaseNamespace(release(&metadata("atra"), Permit::GuardOff)),
            nothing.clone(),
        ),
        case(
            &deleted,
            Step::ReleaseClaim(release(&here, by_database())),
            nothing.clone(),
        ),
        case(
            &not_deleted,
            Step::ReleaseClaim(release(&here, by_database())),
            nothing,
        ),
        case(
            &confirmed_database,
            Step::ReleaseClaim(release(&here, other)),
            Step::ReleaseClaim(release(&here, by_database())),
        ),
        case(
            &settled,
            Step::ReleaseClaim(release(&here, Permit::GuardOff)),
            Step::ReleaseClaim(release(&confirmed_here, Permit::Confirmed)),
        ),
        // It was guarded, so its volume is to be kept.
        case(
            &settled,
            Step::ReleaseClaim(release(&confirmed_here, Permit::TurnedAway)),
            Step::ReleaseClaim(release(&confirmed_here, Permit::Confirmed)),
        ),
        case(
            &off,
            Step::ReleaseClaim(release(&here, by_database())),
            Step::ReleaseClaim(release(&here, Permit::GuardOff)),
        ),
        case(
            &off_unconfirmed,
            Step::ReleaseClaim(release(&here, Permit::GuardOff)),
            Step::ReleaseClaim(release(&confirmed_here, Permit::Confirmed)),
        ),
        case(
            &off_too_long,
            Step::ReleaseClaim(release(&here, Permit::GuardOff)),
            Step::EnsureAgentIdentity,
        ),
        case(
            &change_only,
            Step::ReleaseClaim(release(&here, by_database())),
            Step::EnsureAgentIdentity,
        ),
    ]
}

fn going() -> Vec<Case> {
    let rule = "terminating_objects_are_released_by_their_own_confirmation";
    let observed = Sample::settled().deleted().deletion_confirmed().0;
    let going = |metadata: &ObjectMeta| {
        let mut going = metadata.clone();
        delete(&mut going);
        going
    };
    let confirmed = |metadata: &ObjectMeta| {
        let mut confirmed = going(metadata);
        confirm(&mut confirmed);
        confirmed
    };
    let case = |bad, good| Case {
        rule,
        observed: observed.clone(),
        bad: vec![bad],
        good: vec![good],
    };
    let (claim, volume) = (claim(&observed), volume(&observed).metadata);
    vec![
        case(
            Step::ReleaseClaim(release(&going(&claim), by_database())),
            Step::ReleaseClaim(release(&confirmed(&claim), by_database())),
        ),
        case(
            Step::ReleaseVolume(release(&going(&volume), by_database())),
            Step::ReleaseVolume(release(&confirmed(&volume), by_database())),
        ),
    ]
}

fn retained() -> Vec<Case> {
    let first = Sample::first_sight().0;
    let case = |observed: &Observed, bad, good| Case {
        rule: "volumes_are_retained_first",
        observed: observed.clone(),
        bad,
        good,
    };
    let mark = |observed: &Observed| Step::MarkClaim(claim(observed));
    let on_delete = Sample::settled()
        .volume(|volume| volume.reclaim_policy = "Delete".to_owned())
        .deleted()
        .deletion_confirmed()
        .0;
    let let_go = |observed: &Observed| Step::ReleaseClaim(release(&claim(observed), by_database()));
    let volume_goes = |observed: &Observed| {
        Step::ReleaseVolume(release(&volume(observed).metadata, by_database()))
    };
    let unread = Sample::first_sight()
        .claim(|claim| claim.volume = VolumeFact::Unknown("refused".to_owned()))
        .0;
    let nothing = || vec![Step::EnsureAgentIdentity];
    // Nothing of it is guarded, because the namespace keeps as many volumes as it may.
    let full = Sample::first_sight()
        .with(|observed| {
            observed.kept_volume_limit = 1;
            observed.kept_in_namespace = Fact::Known(vec!["pv-kept".to_owned()]);
        })
        .claim(|claim| {
            let metadata = claim.metadata.get_or_insert_default();
            delete(metadata);
            confirm(metadata);
        })
        .0;
    let turned_away = |permit| vec![Step::ReleaseClaim(release(&claim(&full), permit))];
    let mut other = volume(&first);
    other.metadata.uid = Some("uid-of-another".to_owned());
    vec![
        case(
            &first,
            vec![mark(&first)],
            vec![Step::MarkVolume(volume(&first)), mark(&first)],
        ),
        case(
            &first,
            vec![mark(&first), Step::MarkVolume(volume(&first))],
            vec![Step::RetainVolume(volume(&first)), mark(&first)],
        ),
        case(
            &first,
            vec![Step::MarkVolume(other), mark(&first)],
            nothing(),
        ),
        case(
            &on_delete,
            vec![let_go(&on_delete)],
            vec![Step::RetainVolume(volume(&on_delete)), let_go(&on_delete)],
        ),
        case(
            &on_delete,
            vec![volume_goes(&on_delete)],
            vec![
                Step::RetainVolume(volume(&on_delete)),
                volume_goes(&on_delete),
            ],
        ),
        case(
            &full,
            turned_away(Permit::Confirmed),
            turned_away(Permit::TurnedAway),
        ),
        case(&unread, vec![mark(&unread)], nothing()),
        case(
            &first,
            vec![Step::MarkClaim(Box::new(metadata("not-read")))],
            nothing(),
        ),
    ]
}

fn looked_at() -> Vec<Case> {
    let observed = Sample::settled().deleted().deletion_confirmed().0;
    let off = Sample::settled()
        .wanted(|spec| spec.guard.deletion = DeletionGuard::Off)
        .change_confirmed()
        .0;
    let volume = volume(&observed).metadata;
    let volume_goes = |permit| Step::ReleaseVolume(release(&volume, permit));
    let claim_goes = Step::ReleaseClaim(release(&claim(&observed), by_database()));
    let seen = |metadata: &ObjectMeta| Step::AssertDatabase(Box::new(metadata.clone()));
    let database = &observed.database.metadata;
    let case = |rule, observed: &Observed, bad, good| Case {
        rule,
        observed: observed.clone(),
        bad,
        good,
    };
    vec![
        case(
            DATABASE_SEEN,
            &observed,
            vec![volume_goes(by_database())],
            vec![seen(database), volume_goes(by_database())],
        ),
        case(
            DATABASE_SEEN,
            &observed,
            vec![volume_goes(by_database()), seen(database)],
            vec![seen(database), volume_goes(by_database())],
        ),
        case(
            DATABASE_SEEN,
            &observed,
            vec![seen(&metadata("another")), volume_goes(by_database())],
            vec![seen(database)],
        ),
        case(
            DATABASE_SEEN,
            &off,
            vec![volume_goes(Permit::GuardOff)],
            vec![seen(database), volume_goes(Permit::GuardOff)],
        ),
        case(
            VOLUME_SEEN,
            &observed,
            vec![claim_goes.clone()],
            vec![Step::AssertVolume(volume.clone()), claim_goes.clone()],
        ),
        case(
            VOLUME_SEEN,
            &observed,
            vec![claim_goes.clone()],
            vec![volume_goes(by_database()), claim_goes.clone()],
        ),
        case(
            VOLUME_SEEN,
            &observed,
            vec![
                Step::AssertVolume(Box::new(metadata("another"))),
                claim_goes,
            ],
            vec![seen(database)],
        ),
    ]
}

fn database_last() -> Vec<Case> {
    let observed = Sample::settled().deleted().deletion_confirmed().0;
    let case = |observed: &Observed, bad, good| Case {
        rule: "the_database_is_released_last",
        observed: observed.clone(),
        bad,
        good,
    };
    let database = Step::ReleaseDatabase(release(&observed.database.metadata, by_database()));
    let claim_goes = Step::ReleaseClaim(release(&claim(&observed), by_database()));
    let volume_goes = Step::ReleaseVolume(release(&volume(&observed).metadata, by_database()));
    let in_order = || vec![volume_goes.clone(), claim_goes.clone(), database.clone()];
    let unread = Sample(observed.clone())
        .with(|observed| observed.claims = Fact::Unknown("refused".to_owned()))
        .0;
    vec![
        case(
            &observed,
            vec![volume_goes.clone(), database.clone()],
            in_order(),
        ),
        case(
            &observed,
            vec![claim_goes.clone(), database.clone()],
            in_order(),
        ),
        case(
            &observed,
            vec![volume_goes.clone(), database.clone(), claim_goes.clone()],
            in_order(),
        ),
        case(
            &unread,
            vec![database.clone()],
            vec![Step::EnsureAgentIdentity],
        ),
    ]
}

fn ours() -> Vec<Case> {
    let theirs = Sample::settled()
        .claim(|claim| {
            *claim.metadata.get_or_insert_default() = metadata("data-knowledge-postgres-0");
            mark(
                claim.metadata.get_or_insert_default(),
                "atra/other",
                Marks::Held,
            );
        })
        .deleted()
        .deletion_confirmed()
        .0;
    let unmarked = Box::new(metadata("data-knowledge-postgres-0"));
    let case = |bad, good| Case {
        rule: "only_our_claims",
        observed: theirs.clone(),
        bad: vec![bad],
        good: vec![good],
    };
    vec![
        case(
            Step::MarkClaim(claim(&theirs)),
            Step::MarkClaim(unmarked.clone()),
        ),
        case(
            Step::ReleaseClaim(release(&claim(&theirs), by_database())),
            Step::ReleaseClaim(release(&unmarked, by_database())),
        ),
    ]
}

fn evidence_kept() -> Vec<Case> {
    let observed = Sample::settled()
        .and_check(check("accepted", "2026-02-01T07:00:00Z"))
        .and_check(check("old", "2026-02-01T06:00:00Z"))
        .annotated(names::ACCEPT_CHECK_ANNOTATION, "accepted")
        .0;
    let prune = |name: &str| vec![Step::DeleteCheck(Box::new(metadata(name)))];
    let case = |bad| Case {
        rule: "evidence_is_kept",
        observed: observed.clone(),
        bad,
        good: prune("old"),
    };
    vec![case(prune("knowledge-1")), case(prune("accepted"))]
}

fn our_cron_job() -> Vec<Case> {
    let ours = Sample::settled();
    let theirs = ours.clone().with(|observed| {
        known(&mut observed.cron_job)
            .get_or_insert_default()
            .metadata = metadata("knowledge-backup");
    });
    let read = |Sample(observed): &Sample| {
        observed
            .cron_job
            .known()
            .cloned()
            .flatten()
            .unwrap_or_default()
    };
    let rule = "only_our_cron_job";
    let nothing = || vec![Step::EnsureAgentIdentity];
    let delete = |sample: &Sample| {
        let mut metadata = read(sample).metadata;
        metadata.resource_version = Some("100".to_owned());
        vec![Step::DeleteCronJob(Box::new(metadata))]
    };
    let apply = || vec![Step::ApplyCronJob(Box::new(read(&ours)))];
    let unread = ours
        .clone()
        .with(|observed| observed.cron_job = Fact::Unknown("refused".to_owned()));
    vec![
        Case {
            rule,
            observed: theirs.0.clone(),
            bad: delete(&theirs),
            good: nothing(),
        },
        Case {
            rule,
            observed: theirs.0,
            bad: apply(),
            good: nothing(),
        },
        Case {
            rule,
            observed: unread.0,
            bad: apply(),
            good: nothing(),
        },
        Case {
            rule,
            observed: ours.0.clone(),
            bad: vec![Step::DeleteCronJob(Box::new(metadata("another")))],
            good: delete(&ours),
        },
    ]
}

fn role_binding() -> Vec<Case> {
    let wrong = |name: &str| {
        let mut wrong = metadata(name);
        wrong.resource_version = Some("100".to_owned());
        Box::new(wrong)
    };
    let observed = Sample::settled()
        .with(|observed| {
            observed.agent_identity = Fact::Known(AgentIdentity::OtherRole {
                binding: wrong("holdfast-agent"),
                role: None,
            });
        })
        .0;
    let plan = |name: &str| {
        vec![
            Step::DeleteRoleBinding(wrong(name)),
            Step::EnsureAgentIdentity,
        ]
    };
    let rule = "only_a_wrong_role_binding";
    vec![
        Case {
            rule,
            observed: observed.clone(),
            bad: plan("another"),
            good: plan("holdfast-agent"),
        },
        Case {
            rule,
            observed: observed.clone(),
            bad: vec![Step::DeleteRoleBinding(wrong("holdfast-agent"))],
            good: plan("holdfast-agent"),
        },
        Case {
            rule,
            observed: Sample::settled().0,
            bad: plan("holdfast-agent"),
            good: vec![Step::EnsureAgentIdentity],
        },
    ]
}

fn jobs() -> Vec<Case> {
    let (name, ended) = ("knowledge-1", "2026-02-01T09:29:00Z");
    let with = |job: Job, pods| {
        Sample::settled()
            .jobs(vec![job])
            .with(|observed| observed.other_pods = pods)
            .0
    };
    let own = || agents::job(name, "check");
    let pod = || agents::outlived(name, ended, 0);
    let mut theirs = own();
    theirs.metadata.labels = None;
    let mut runs = pod();
    runs.ended_containers.clear();
    let end = |job: &Job| vec![Step::EndJob(Box::new(job.metadata.clone()))];
    let case = |observed, bad| Case {
        rule: "only_jobs_of_idle_agents_are_ended",
        observed,
        bad,
        good: vec![Step::EnsureAgentIdentity],
    };
    vec![
        case(with(own(), Fact::Known(vec![runs])), end(&own())),
        case(with(own(), Fact::Known(Vec::new())), end(&own())),
        case(
            with(own(), Fact::Unknown("refused".to_owned())),
            end(&own()),
        ),
        case(with(theirs.clone(), Fact::Known(vec![pod()])), end(&theirs)),
        Case {
            good: end(&own()),
            ..case(
                with(own(), Fact::Known(vec![pod()])),
                end(&agents::job("another", "check")),
            )
        },
    ]
}

fn deleted_backups() -> Vec<Case> {
    let delete = |observed: &Observed, name: &str| {
        let mut backups = observed.backups.known().into_iter().flatten();
        let found = backups.find(|backup| backup.metadata.name.as_deref() == Some(name));
        let metadata = found.expect("the backup").metadata.clone();
        vec![Step::DeleteBackup(Box::new(metadata))]
    };
    let case = |observed: Observed, name: &str| Case {
        rule: "only_backups_go_whose_sets_are_removed",
        bad: delete(&observed, name),
        observed,
        good: vec![Step::EnsureAgentIdentity],
    };
    let removed = || catalog::removed().0;
    let mut runs = removed();
    for backup in known(&mut runs.backups) {
        let status = backup.status.get_or_insert_default();
        status.state = Some(BackupState::Running);
    }
    let kept = catalog::reported(serde_json::json!({})).0;
    vec![
        Case {
            good: delete(&removed(), "first"),
            ..case(removed(), "newest")
        },
        case(kept, "first"),
        case(runs, "first"),
    ]
}

fn demoted_backups() -> Vec<Case> {
    let observed = sampled::damaged().0;
    let demote = |check: &str, reason: &str| {
        vec![Step::JudgeBackup {
            name: "first".to_owned(),
            verdict: BackupVerdict::Demoted(BackupDemotion {
                reason: reason.to_owned(),
                check: check.to_owned(),
                time: time(sampled::READ_AT),
            }),
        }]
    };
    let damage = reasons::SET_DAMAGED;
    let case = |observed: &Observed, bad| Case {
        rule: "only_damage_demotes_what_counts",
        observed: observed.clone(),
        bad,
        good: demote("catalog-1", damage),
    };
    let unreported = catalog::reported(serde_json::json!({})).0;
    vec![
        case(&observed, demote("catalog-2", damage)),
        // A check has confirmed it before.
        case(&observed, demote("knowledge-2", reasons::TABLES_EMPTIED)),
        Case {
            good: vec![Step::EnsureAgentIdentity],
            ..case(&unreported, demote("catalog-1", damage))
        },
    ]
}

fn gates() -> Vec<Case> {
    let settled = Sample::settled();
    let set = |pod_uid: &str, is_open| {
        let gate = GateFact {
            is_open,
            reason: "Verified".to_owned(),
            message: String::new(),
        };
        vec![Step::SetGate(Box::new(GateStep {
            pod: "knowledge-postgres-0".to_owned(),
            pod_uid: pod_uid.to_owned(),
            gate,
            at: settled.0.now.clone(),
        }))]
    };
    let case = |observed: &Sample, bad, good| Case {
        rule: "gates_open_for_a_reason",
        observed: observed.0.clone(),
        bad,
        good,
    };
    let restarted = settled.clone().restarted();
    vec![
        case(
            &settled,
            set("pod-of-another-start", true),
            set("pod-1", true),
        ),
        case(&restarted, set("pod-1", true), set("pod-1", false)),
    ]
}

fn own_namespace() -> Vec<Case> {
    let settled = Sample::settled();
    let status = |uid: &str| {
        let status = settled.0.ledger.known().cloned().flatten();
        let mut status = status.and_then(|fact| fact.ledger.status).unwrap();
        uid.clone_into(&mut status.namespace_uid);
        vec![Step::WriteLedger {
            name: "atra.knowledge".to_owned(),
            status: Box::new(status),
        }]
    };
    let replaced = settled.clone().with(|observed| {
        observed.other_namespace = Some(OtherNamespace {
            ledger: "atra.knowledge".to_owned(),
            namespace: "atra".to_owned(),
            remembered: "uid-before".to_owned(),
            present: "uid-of-atra".to_owned(),
        });
    });
    let of_another = settled.clone().volume(|volume| {
        let annotations = volume.metadata.annotations.get_or_insert_default();
        annotations.insert(
            names::NAMESPACE_UID_ANNOTATION.to_owned(),
            "uid-before".to_owned(),
        );
    });
    let nothing = || vec![Step::EnsureAgentIdentity];
    let mark = |observed: &Observed, uid: &str| {
        vec![Step::MarkVolume(VolumeStep {
            namespace_uid: Some(uid.to_owned()),
            ..volume(observed)
        })]
    };
    let (ledgers, volumes) = (
        "ledgers_stay_with_their_namespace",
        "volumes_stay_with_their_namespace",
    );
    let case = |rule, Sample(observed): &Sample, bad, good| Case {
        rule,
        observed: observed.clone(),
        bad,
        good,
    };
    vec![
        case(
            ledgers,
            &settled,
            status("uid-before"),
            status("uid-of-atra"),
        ),
        case(ledgers, &replaced, status("uid-of-atra"), nothing()),
        case(
            volumes,
            &settled,
            mark(&settled.0, "uid-before"),
            mark(&settled.0, "uid-of-atra"),
        ),
        case(
            volumes,
            &of_another,
            mark(&of_another.0, "uid-of-atra"),
            nothing(),
        ),
    ]
}

fn ended() -> Vec<Case> {
    let observed = Sample::settled().0;
    let revoke = |metadata: ObjectMeta| {
        vec![Step::RevokeConfirmation(RevocationStep {
            kind: ConfirmedKind::Claim,
            metadata: Box::new(metadata),
            verb: ConfirmedVerb::Delete,
        })]
    };
    let confirmed_at = |time: &str| {
        let mut claim = *claim(&observed);
        confirm_at(&mut claim, ConfirmedVerb::Delete, time);
        claim
    };
    let mut theirs = metadata("data-knowledge-postgres-0");
    mark(&mut theirs, "atra/other", Marks::Held);
    confirm_at(&mut theirs, ConfirmedVerb::Delete, "2026-02-01T09:00:00Z");
    let case = |bad| Case {
        rule: "revoked_is_what_has_ended",
        observed: observed.clone(),
        bad,
        good: revoke(confirmed_at("2026-02-01T09:00:00Z")),
    };
    vec![
        case(revoke(confirmed_at("2026-02-01T09:28:00Z"))),
        case(revoke(theirs)),
        Case {
            observed: Sample(observed.clone())
                .with(|observed| observed.clock_ahead = Fact::Known(900))
                .0,
            good: revoke(confirmed_at("2026-02-01T08:45:00Z")),
            ..case(revoke(confirmed_at("2026-02-01T09:10:00Z")))
        },
        Case {
            observed: Sample(observed.clone())
                .with(|observed| observed.clock_ahead = Fact::Unknown("no date".to_owned()))
                .0,
            good: vec![Step::EnsureAgentIdentity],
            ..case(revoke(confirmed_at("2026-02-01T09:00:00Z")))
        },
    ]
}

fn same_storage() -> Vec<Case> {
    let rule = "twins_endanger_guarded_volumes";
    let retain = |name: &str| {
        vec![Step::RetainTwin(VolumeStep {
            metadata: Box::new(super::sample_parts::volume(name, "Delete").metadata),
            reclaim_policy: "Delete".to_owned(),
            namespace_uid: None,
        })]
    };
    let observed = Sample::settled().twin("pv-twin", |_| ());
    let elsewhere = Sample::settled().twin("pv-twin", |twin| {
        twin.storage = super::sample_parts::volume("pv-other", "Delete").storage;
    });
    let unread = observed
        .clone()
        .with(|observed| observed.twins = Fact::Unknown("it was not listed".to_owned()));
    let nothing = || vec![Step::EnsureAgentIdentity];
    let case = |Sample(observed): Sample, bad, good| Case {
        rule,
        observed,
        bad,
        good,
    };
    vec![
        case(observed, retain("pv-other"), retain("pv-twin")),
        case(elsewhere, retain("pv-twin"), nothing()),
        case(unread, retain("pv-twin"), nothing()),
    ]
}

fn remembered() -> Vec<Case> {
    let observed = Sample::settled().0;
    let status = observed.ledger.known().cloned().flatten();
    let status = status.and_then(|fact| fact.ledger.status).unwrap();
    let write = |change: fn(&mut crate::api::RememberedVolume)| {
        let mut status = status.clone();
        change(&mut status.volumes[0]);
        vec![Step::WriteLedger {
            name: "atra.knowledge".to_owned(),
            status: Box::new(status),
        }]
    };
    let forgetful = vec![Step::WriteLedger {
        name: "atra.knowledge".to_owned(),
        status: Box::new(crate::api::DatabaseLedgerStatus {
            volumes: Vec::new(),
            ..status.clone()
        }),
    }];
    let case = |bad| Case {
        rule: "needed_volumes_are_remembered",
        observed: observed.clone(),
        bad,
        good: write(|volume| volume.claim_uid = "u-2".to_owned()),
    };
    vec![
        case(forgetful),
        case(write(|volume| {
            volume.volume_handle = "/elsewhere".to_owned();
        })),
        case(write(|volume| volume.claim = "other".to_owned())),
    ]
}

/// Two databases that name the same workload, and a workload that nobody names any more.
fn workloads() -> Vec<Case> {
    let beside = |older| {
        let sample = Sample::settled()
            .with(|observed| observed.neighbours = Fact::Known(vec![rival(older)]));
        sample.0
    };
    let workload = || Box::new(metadata("knowledge-postgres"));
    let marks = || vec![Step::MarkWorkload(marked_workload(workload()))];
    let notes = || {
        vec![Step::NoteMountRepair(MountRepairStep {
            kind: WorkloadKind::StatefulSet,
            metadata: workload(),
            repair: None,
        })]
    };
    let revokes = || {
        let mut metadata = workload();
        confirm_at(&mut metadata, ConfirmedVerb::Delete, "2026-02-01T09:00:00Z");
        vec![Step::RevokeConfirmation(RevocationStep {
            kind: ConfirmedKind::Workload(WorkloadKind::StatefulSet),
            metadata,
            verb: ConfirmedVerb::Delete,
        })]
    };
    let releases = |name: &str| {
        let release = Release {
            metadata: Box::new(metadata(name)),
            permit: Permit::NotNamed,
        };
        vec![Step::ReleaseWorkload(WorkloadKind::StatefulSet, release)]
    };
    let unread = Sample::settled()
        .with(|observed| observed.neighbours = Fact::Unknown("refused".to_owned()))
        .0;
    let former = |workload: &str| {
        let other = NeighbourFact {
            workload: workload.to_owned(),
            system_identifier: None,
            same_workload: false,
            ..rival(true)
        };
        let sample =
            Sample::settled().with(|observed| observed.neighbours = Fact::Known(vec![other]));
        sample.0
    };
    // A workload of the same name and of another kind is another one.
    let named = |kind: WorkloadKind| {
        let mut observed = former("old");
        if let Fact::Known(neighbours) = &mut observed.neighbours {
            neighbours[0].workload_kind = Some(kind);
        }
        observed
    };
    let of_kind = |kind: WorkloadKind| {
        let release = Release {
            metadata: Box::new(metadata("old")),
            permit: Permit::NotNamed,
        };
        vec![Step::ReleaseWorkload(kind, release)]
    };
    let nothing = || vec![Step::EnsureAgentIdentity];
    let case = |observed: Observed, bad, good| Case {
        rule: "only_our_workload",
        observed,
        bad,
        good,
    };
    vec![
        case(beside(true), marks(), nothing()),
        case(beside(true), notes(), nothing()),
        case(beside(true), revokes(), nothing()),
        case(unread, marks(), nothing()),
        case(former("old"), releases("old"), releases("older")),
        case(
            named(WorkloadKind::Deployment),
            of_kind(WorkloadKind::Deployment),
            of_kind(WorkloadKind::StatefulSet),
        ),
        Case {
            rule: "releases_are_permitted",
            ..case(
                former("else"),
                releases("knowledge-postgres"),
                releases("old"),
            )
        },
    ]
}

fn cases() -> Vec<Case> {
    [
        same_storage(),
        remembered(),
        workloads(),
        own_namespace(),
        ended(),
        pinned(),
        permitted(),
        going(),
        looked_at(),
        retained(),
        database_last(),
        ours(),
        evidence_kept(),
        our_cron_job(),
        role_binding(),
        not_begun::cases(),
        restore_rules::cases(),
        restore_dry_run::cases(),
        restore_files::cases(),
        drill_rules::cases(),
        gates(),
        jobs(),
        deleted_backups(),
        demoted_backups(),
        failed_backups::cases(),
        release::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn vet(observed: &Observed, plan: &Plan, rules: &[&(&str, Rule)]) -> Result<(), RuleViolation> {
    let status = &plan.status;
    check_by(&Scope::Database { observed, status }, &plan.steps, rules)
}

#[test]
fn every_rule_refuses_what_it_is_there_for_and_lets_the_rest_pass() {
    for Case {
        rule,
        observed,
        bad,
        good,
    } in cases()
    {
        let refused = check_plan(&observed, &plan_for(rule, &observed, &bad));
        assert!(refused.is_err(), "{rule}: {}", bad[0].describe());
        assert_eq!(
            check_plan(&observed, &plan_for(rule, &observed, &good)),
            Ok(()),
            "{rule}: {}",
            good[0].describe()
        );
    }
}

#[test]
fn without_its_rule_every_bad_plan_passes() {
    for Case {
        rule,
        observed,
        bad,
        ..
    } in cases()
    {
        let others: Vec<_> = RULES.iter().filter(|(name, _)| *name != rule).collect();
        assert_eq!(
            vet(&observed, &plan_for(rule, &observed, &bad), &others),
            Ok(()),
            "{rule}: {}",
            bad[0].describe()
        );
    }
}

#[test]
fn every_rule_has_a_case() {
    let mut with_case = recovery_rules_tests::with_case();
    with_case.extend(cases().iter().map(|case| case.rule));
    for (name, _) in RULES {
        assert!(with_case.contains(name), "{name}");
    }
}

#[test]
fn a_refusal_names_the_step_and_says_why() {
    let observed = Sample::first_sight()
        .backups(vec![complete_backup("b", "2026-02-01T09:00:00Z")])
        .0;
    let refused = check_plan(&observed, &plan(&[Step::MarkClaim(claim(&observed))]))
        .map_err(|violation| violation.to_string());
    let text = "refusing to mark PersistentVolumeClaim data-knowledge-postgres-0: its volume is \
        not on Retain; nothing of this plan was done";
    assert_eq!(refused, Err(text.to_owned()));
}
