//! What a drill looks at beyond what every restore compares: definitions, indexes, constraints, and what the
//! user asks for. Everything is asked of the throwaway server.

use std::collections::BTreeSet;
use std::time::Instant as Clock;

use crate::api::{AgentFailure, DRILL_NAME_LIMIT, DrillReport, RestorePhase, reasons};
use crate::postgres::{
    ArchiveSummary, ContentsEntry, PostgresError, Writer, name_column, read_major,
};
use crate::store::ManifestDatabase;
use crate::wording::{list, quoted, quoted_line};

use super::definitions::compare_definitions;
use super::drill_amcheck::check_indexes;
use super::restore_context::Restoring;
use super::restore_names::Names;
use super::restore_order::{RESTORE_APPLICATION_NAME, RestoreWatcher};
use super::restore_program::Restored;
use super::restore_server::Plan;

impl<W: RestoreWatcher> Restoring<'_, W> {
    /// Compares the definitions of a restored database, and the values of its sequences, with its dump: all
    /// but what a restore leaves out and names.
    pub fn compare_definitions(
        &self,
        database: &str,
        restored: &Restored,
        again: &ArchiveSummary,
    ) -> Result<(), AgentFailure> {
        let Restored { dumped, missing } = restored;
        let majors = |archive: &ArchiveSummary| {
            (
                read_major(&archive.client_version),
                read_major(&archive.server_version),
            )
        };
        if majors(dumped) != majors(again) || !dumped.is_read || !again.is_read {
            self.warn([format!(
                "the definitions of database {} were not compared: the set was dumped by pg_dump {} of \
                 Postgres {}, and this is {} of {}, which write them differently",
                quoted(database, 80),
                dumped.client_version,
                dumped.server_version,
                again.client_version,
                again.server_version
            )]);
            return Ok(());
        }
        let found = compare_definitions(&dumped.contents, &again.contents, missing);
        self.note_drill(|drill| {
            join(&mut drill.schema_matches, found.schema.is_empty());
            join(&mut drill.sequences_match, found.sequences.is_empty());
        });
        let differences = [found.schema, found.sequences].concat();
        if differences.is_empty() {
            return Ok(());
        }
        Err(failed(format!(
            "all rows of database {} were restored, but not all of its definitions: {}",
            quoted(database, 80),
            list(&differences)
        )))
    }

    /// Looks at all restored databases. `contents` are their tables of contents.
    pub async fn prove_all(
        &self,
        plan: Plan<'_>,
        contents: &[Vec<ContentsEntry>],
    ) -> Result<(), AgentFailure> {
        let begun = Clock::now();
        self.note(|report| {
            report.phase = Some(RestorePhase::Verifying);
            report.message =
                Some("indexes, constraints and your own queries are checked".to_owned());
        });
        let names = plan.names();
        let mut wrong = Vec::new();
        let mut checked = 0;
        for ((database, names), contents) in
            plan.manifest.databases.iter().zip(&names).zip(contents)
        {
            let writer = self.open_restored(names).await?;
            wrong.extend(self.look_at_indexes(&writer, names).await?);
            let of_it = self.look_at_constraints(&writer, database, contents);
            wrong.extend(of_it.await?);
        }
        let drill = self.order.request.drill.clone().unwrap_or_default();
        for query in &drill.queries {
            wrong.extend(self.run_query(plan, &names, query).await?);
        }
        for column in &drill.freshness {
            wrong.extend(self.look_at_column(plan, &names, column).await?);
        }
        // Last, because it makes something in the databases.
        let mut without = false;
        for names in &names {
            match check_indexes(&self.open_restored(names).await?).await? {
                Some((indexes, damaged)) => {
                    checked += indexes;
                    wrong.extend(damaged);
                }
                None => without = true,
            }
        }
        self.note_drill(|drill| {
            drill.amcheck = Some(if without {
                "not in the image".to_owned()
            } else {
                format!("{checked} indexes")
            });
        });
        self.add_time(|times| &mut times.verify_seconds, begun);
        if wrong.is_empty() {
            return Ok(());
        }
        Err(failed(format!(
            "all rows were restored as the manifest says, and this is wrong with them: {}",
            list(&wrong)
        )))
    }

    /// A session in a restored database.
    pub async fn open_restored(&self, names: &Names) -> Result<Writer, PostgresError> {
        let name = RESTORE_APPLICATION_NAME;
        Writer::connect(self.login_inside(), &names.restored_as, name, self.deadline).await
    }

    async fn look_at_indexes(
        &self,
        writer: &Writer,
        names: &Names,
    ) -> Result<Vec<String>, PostgresError> {
        // One of a partitioned table is as valid as it was: it has no rows itself.
        let query = format!(
            "select {} as schema, {} as name from pg_catalog.pg_index as i join pg_catalog.pg_class as c on c.oid = \
             i.indexrelid join pg_catalog.pg_namespace as n on n.oid = c.relnamespace where c.relkind = 'i' and \
             not (i.indisvalid and i.indisready and i.indislive) order by c.oid",
            name_column("n.nspname"),
            name_column("c.relname")
        );
        let mut invalid = Vec::new();
        for row in writer.run(&query).await? {
            let schema = writer.name(&row, "schema")?.0;
            invalid.push(format!("{schema}.{}", writer.name(&row, "name")?.0));
        }
        self.note_drill(|drill| add_names(&mut drill.invalid_indexes, &invalid));
        let name = quoted(&names.name, 80);
        Ok(invalid
            .iter()
            .map(|index| {
                format!(
                    "index {} of database {name} is not valid",
                    quoted(index, 120)
                )
            })
            .collect())
    }

    /// A constraint that was dumped as NOT VALID is so again.
    async fn look_at_constraints(
        &self,
        writer: &Writer,
        database: &ManifestDatabase,
        contents: &[ContentsEntry],
    ) -> Result<Vec<String>, PostgresError> {
        let query = format!(
            "select {} as schema, {} as owner, {} as name from pg_catalog.pg_constraint as k join \
             pg_catalog.pg_namespace as n on n.oid = k.connamespace left join pg_catalog.pg_class as c on c.oid = \
             k.conrelid left join pg_catalog.pg_type as y on y.oid = k.contypid where not k.convalidated and \
             k.contype in ('c', 'f') and k.conislocal and k.conparentid = 0 and \
             coalesce(pg_catalog.to_jsonb(k) ->> 'conenforced', 'true') <> 'false' order by k.oid",
            name_column("n.nspname"),
            name_column("coalesce(c.relname, y.typname)"),
            name_column("k.conname"),
        );
        let was_so: BTreeSet<(&str, &str)> = contents
            .iter()
            .filter(|entry| entry.definition.contains("NOT VALID"))
            .map(|entry| (entry.schema.as_str(), entry.name.as_str()))
            .collect();
        let is_utf8 = database
            .description
            .as_ref()
            .is_some_and(|description| description.encoding == "UTF8");
        let mut found = Vec::new();
        for row in writer.run(&query).await? {
            let schema = writer.name(&row, "schema")?.0;
            let owner = writer.name(&row, "owner")?.0;
            let constraint = writer.name(&row, "name")?.0;
            let name = format!("{owner} {constraint}");
            // In the dump names are in the encoding of the database.
            let is_known = is_utf8 || (schema.is_ascii() && name.is_ascii());
            if is_known && !was_so.contains(&(schema.as_str(), name.as_str())) {
                found.push(format!("{schema}.{owner}.{constraint}"));
            }
        }
        self.note_drill(|drill| add_names(&mut drill.unvalidated_constraints, &found));
        let name = quoted(&database.name, 80);
        let say = |constraint: &String| {
            format!(
                "constraint {} of database {name} is not validated",
                quoted(constraint, 120)
            )
        };
        Ok(found.iter().map(say).collect())
    }

    /// Changes the part of the report that only drills have.
    pub fn note_drill(&self, change: impl FnOnce(&mut DrillReport)) {
        self.note(|report| change(report.drill.get_or_insert_default()));
    }
}

fn join(all: &mut Option<bool>, one: bool) {
    *all = Some(all.unwrap_or(true) && one);
}

fn add_names(names: &mut Vec<String>, more: &[String]) {
    names.extend(more.iter().map(|name| quoted_line(name, 130)));
    names.truncate(DRILL_NAME_LIMIT);
}

fn failed(message: String) -> AgentFailure {
    AgentFailure {
        reason: reasons::DRILL_FAILED.to_owned(),
        message,
    }
}
