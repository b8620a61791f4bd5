//! What the checks of files say together: missing ones first, then files that nobody names, then
//! what is not known. Pure.

use crate::api::{CheckedFiles, ConditionStatus, FileRule, reasons};
use crate::wording::{count, escaped, number};

/// How many names a message tells of one rule.
const NAMED: usize = 8;
/// How many rules a message tells about.
const RULES: usize = 3;

/// What one check is judged by, as far as files go.
#[derive(Clone, Debug)]
pub struct FilesInput<'a> {
    /// Namespace of everything, for the commands in messages.
    pub namespace: &'a str,
    /// Name of the ProtectedDatabase.
    pub database: &'a str,
    /// Name of the check.
    pub check: &'a str,
    /// Each rule and what came of it.
    pub checks: Vec<(&'a FileRule, FileCheck<'a>)>,
}

/// What came of one rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FileCheck<'a> {
    /// Its files were looked for.
    Ended(&'a CheckedFiles),
    /// Its PersistentVolumeClaim does not exist.
    NoClaim,
}

/// What the condition says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesVerdict {
    /// Whether the files that rows name are there.
    pub status: ConditionStatus,
    /// One word, a constant of [`reasons`].
    pub reason: &'static str,
    /// What was found and what to do.
    pub message: String,
}

/// Judges the files of one check. A file that could not be seen is never called missing, and one
/// that is missing is said whatever else is not known.
#[must_use]
pub fn judge_files(input: &FilesInput<'_>) -> FilesVerdict {
    let verdict = judge(input);
    // Names come from a claim and from a database, or from an agent beside them.
    let message = escaped(&verdict.message);
    FilesVerdict { message, ..verdict }
}

fn judge(input: &FilesInput<'_>) -> FilesVerdict {
    let unknown = unknown(input);
    let missing: Vec<String> = ended(input)
        .filter(|(_, found)| found.missing > 0)
        .map(|(rule, found)| say_missing(rule, found))
        .collect();
    if !missing.is_empty() {
        return FilesVerdict {
            status: ConditionStatus::False,
            reason: reasons::FILES_MISSING,
            message: format!(
                "{}.{} {}",
                join(missing),
                say_unknown(&unknown),
                what_to_do_about_missing(input)
            ),
        };
    }
    let orphaned: Vec<String> = ended(input)
        .filter(|(_, found)| is_orphaned(found))
        .map(|(rule, found)| say_orphaned(rule, found))
        .collect();
    if !orphaned.is_empty() {
        return FilesVerdict {
            status: ConditionStatus::False,
            reason: reasons::FILES_ORPHANED,
            message: format!(
                "{}.{} {}",
                join(orphaned),
                say_unknown(&unknown),
                what_to_do_about_orphaned(input)
            ),
        };
    }
    if let Some((reason, _)) = unknown.first() {
        let message = join(unknown.iter().map(|(_, message)| message.clone()).collect());
        return FilesVerdict {
            status: ConditionStatus::Unknown,
            reason,
            message: format!("{message}. The next check looks again"),
        };
    }
    FilesVerdict {
        status: ConditionStatus::True,
        reason: reasons::FILES_MATCH,
        message: format!(
            "{}; as DatabaseCheck {} found",
            join(
                ended(input)
                    .map(|(rule, found)| say_match(rule, found))
                    .collect()
            ),
            input.check
        ),
    }
}

fn ended<'a>(input: &'a FilesInput<'a>) -> impl Iterator<Item = (&'a FileRule, &'a CheckedFiles)> {
    input.checks.iter().filter_map(|(rule, check)| match check {
        FileCheck::Ended(found) => Some((*rule, *found)),
        FileCheck::NoClaim => None,
    })
}

/// The rows name none, and that was seen to its end, but there are files.
fn is_orphaned(found: &CheckedFiles) -> bool {
    found.failure.is_none() && found.paths == 0 && found.files > 0
}

/// What is not known and why, in the order of the rules.
fn unknown(input: &FilesInput<'_>) -> Vec<(&'static str, String)> {
    let mut unknown = Vec::new();
    for (position, (rule, check)) in input.checks.iter().enumerate() {
        match check {
            FileCheck::NoClaim => unknown.push((
                reasons::CLAIM_NOT_FOUND,
                format!(
                    "spec.verification.files[{position}] names PersistentVolumeClaim {}, which does \
                     not exist in namespace {}, so no file of it can be looked for. Create it, or \
                     name one that exists: kubectl -n {} get pvc",
                    rule.claim, input.namespace, input.namespace
                ),
            )),
            FileCheck::Ended(found) => {
                unknown.extend(
                    found.failure.as_ref().map(|failure| {
                        (reasons::known(&failure.reason), one_line(&failure.message))
                    }),
                );
            }
        }
    }
    unknown
}

fn say_unknown(unknown: &[(&'static str, String)]) -> String {
    if unknown.is_empty() {
        return String::new();
    }
    format!(
        " Besides, not all is known: {}.",
        join(unknown.iter().map(|(_, message)| message.clone()).collect())
    )
}

fn say_missing(rule: &FileRule, found: &CheckedFiles) -> String {
    format!(
        "{} of the {} that rows name {} no file in {}: {} ({} there)",
        number(found.missing),
        count(found.paths, "path"),
        if found.missing == 1 { "has" } else { "have" },
        rule.place(),
        names(&found.missing_names, found.missing),
        is_or_are(found.files, "file")
    )
}

fn say_orphaned(rule: &FileRule, found: &CheckedFiles) -> String {
    let names = names(&found.unreferenced_names, found.files);
    format!(
        "no row names a file, and {} in {}: {names}",
        is_or_are(found.files, "file"),
        rule.place()
    )
}

fn say_match(rule: &FileRule, found: &CheckedFiles) -> String {
    let place = rule.place();
    if found.paths == 0 {
        return format!("no row names a file, and there is none in {place}");
    }
    let more = match found.unreferenced {
        0 => String::new(),
        unreferenced => {
            let names = names(&found.unreferenced_names, unreferenced);
            format!(
                " (beside {} that no row names: {names})",
                count(unreferenced, "file")
            )
        }
    };
    format!(
        "{} in {place}, each with its file{more}",
        count(found.paths, "path")
    )
}

fn what_to_do_about_missing(input: &FilesInput<'_>) -> String {
    let FilesInput {
        namespace,
        database,
        check,
        ..
    } = input;
    format!(
        "DatabaseCheck {check} found that. Next: see whether the claim has the volume that it \
         should have: kubectl -n {namespace} get pvc, and kubectl holdfast status {database} -n \
         {namespace}; put the files back, or correct the rows; the next check looks again. More \
         names: kubectl -n {namespace} get dbcheck {check} -o jsonpath='{{.status.files}}'"
    )
}

fn what_to_do_about_orphaned(input: &FilesInput<'_>) -> String {
    let FilesInput {
        namespace,
        database,
        check,
        ..
    } = input;
    format!(
        "DatabaseCheck {check} found that. It looks as if the database had been reset and the \
         files had stayed. Next: read what DataReset says: kubectl -n {namespace} describe protdb \
         {database}; do not clean up the files, they belong to the rows that come back; if the \
         rows were removed on purpose, remove the files too"
    )
}

/// The first names, and how many more.
fn names(first: &[String], all: i64) -> String {
    let named: Vec<String> = first
        .iter()
        .take(NAMED)
        .map(|name| one_line(name))
        .collect();
    let more = all.saturating_sub(i64::try_from(named.len()).unwrap_or(i64::MAX));
    let named = named.join(", ");
    if more > 0 {
        format!("{named} and {} more", number(more))
    } else {
        named
    }
}

fn is_or_are(number: i64, one: &str) -> String {
    format!(
        "{} {}",
        count(number, one),
        if number == 1 { "is" } else { "are" }
    )
}

/// Joins what is said of several rules, and says of how many more nothing is said.
fn join(mut said: Vec<String>) -> String {
    let more = said.len().saturating_sub(RULES);
    said.truncate(RULES);
    if more > 0 {
        said.push(format!("and the same of {more} more rules"));
    }
    said.join("; ")
}

/// What comes from an agent's image is not trusted to be one line.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r', '\t'], " ")
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::api::AgentFailure;

    fn rule(root: &str) -> FileRule {
        FileRule {
            claim: "uploads".to_owned(),
            root: root.to_owned(),
            prefix: String::new(),
            query: "select path from trends".to_owned(),
            database: None,
            run_as_user: None,
            run_as_group: None,
            timeout: "10m".to_owned(),
        }
    }

    fn found(paths: i64, missing: i64, files: i64) -> CheckedFiles {
        let names = |count: i64| {
            (0..count.min(20))
                .map(|number| format!("{number:03}.png"))
                .collect::<Vec<_>>()
        };
        let unreferenced = files - (paths - missing);
        CheckedFiles {
            claim: "uploads".to_owned(),
            paths,
            found: paths - missing,
            missing,
            missing_names: names(missing),
            files,
            unreferenced,
            unreferenced_names: names(unreferenced),
            ..CheckedFiles::default()
        }
    }

    fn failed(mut found: CheckedFiles, reason: &str) -> CheckedFiles {
        found.failure = Some(AgentFailure {
            reason: reason.to_owned(),
            message: format!("spec.verification.files[0]: it was {reason}\n!"),
        });
        found
    }

    #[test]
    fn what_each_check_of_files_says() {
        let cases: Vec<(&str, Vec<Option<CheckedFiles>>)> = vec![
            ("every path has its file", vec![Some(found(1200, 0, 1200))]),
            (
                "files beside that no row names",
                vec![Some(found(1200, 0, 1203))],
            ),
            (
                "nothing named and nothing there",
                vec![Some(found(0, 0, 0))],
            ),
            ("one missing", vec![Some(found(1200, 1, 1199))]),
            (
                "more missing than are named",
                vec![Some(found(1200, 1200, 0))],
            ),
            ("files and no rows", vec![Some(found(0, 0, 1200))]),
            ("one file and no rows", vec![Some(found(0, 0, 1))]),
            (
                "unreadable",
                vec![Some(failed(found(10, 0, 5), "FilesUnreadable"))],
            ),
            (
                "unreadable, and one is missing besides",
                vec![Some(failed(found(10, 1, 9), "FilesUnreadable"))],
            ),
            (
                "the query failed, which is no reason to call the files orphaned",
                vec![Some(failed(found(0, 0, 7), "QueryFailed"))],
            ),
            (
                "a reason that nobody knows",
                vec![Some(failed(found(0, 0, 0), "<script>"))],
            ),
            ("no claim", vec![None]),
            (
                "no claim, and another rule misses a file",
                vec![None, Some(found(2, 1, 1))],
            ),
            (
                "no claim, and the files of another rule are orphaned",
                vec![None, Some(found(0, 0, 2))],
            ),
            ("many rules", (0..5).map(|_| Some(found(2, 1, 1))).collect()),
        ];
        let mut text = String::new();
        let (whole, folder) = (rule(""), rule("trend_examples"));
        for (name, found) in &cases {
            let rules = [&folder, &whole].into_iter().cycle();
            let checks = rules
                .zip(
                    found
                        .iter()
                        .map(|found| found.as_ref().map_or(FileCheck::NoClaim, FileCheck::Ended)),
                )
                .collect();
            let verdict = judge_files(&FilesInput {
                namespace: "atra",
                database: "knowledge",
                check: "knowledge-1",
                checks,
            });
            let _ = writeln!(
                text,
                "== {name}\n{}/{}: {}\n",
                verdict.status.as_str(),
                verdict.reason,
                verdict.message
            );
        }
        insta::assert_snapshot!("files", text);
    }
}
