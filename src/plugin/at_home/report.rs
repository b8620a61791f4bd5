//! What was found, part by part, and how it is printed: like `doctor`, one line per finding with the
//! command that helps. Pure.

use std::fmt::Write as _;

use serde::Serialize;

use crate::plugin::exit_status::ExitStatus;
use crate::wording::{count, escaped};

/// What was found about one part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// What it is about.
    pub about: String,
    /// What is as it should be.
    pub in_order: Vec<String>,
    /// What you should change, and how.
    pub findings: Vec<String>,
    /// What could not be found out.
    pub not_known: Vec<String>,
}

impl Part {
    /// A part of which nothing is known yet.
    pub fn about(about: impl Into<String>) -> Self {
        Self {
            about: about.into(),
            ..Self::default()
        }
    }

    /// Adds what is as it should be, or what is not.
    pub fn add(&mut self, judged: Result<String, String>) {
        match judged {
            Ok(in_order) => self.in_order.push(in_order),
            Err(finding) => self.findings.push(finding),
        }
    }

    /// The answer to a question to the cluster; why there is none is noted.
    pub fn known<T>(&mut self, answer: Result<T, String>) -> Option<T> {
        match answer {
            Ok(answer) => Some(answer),
            Err(why) => {
                self.not_known.push(why);
                None
            }
        }
    }
}

/// What is not known may be what keeps Holdfast from working, so it needs attention too.
pub fn exit_status(parts: &[Part]) -> ExitStatus {
    let is_done = |part: &Part| part.findings.is_empty() && part.not_known.is_empty();
    if parts.iter().all(is_done) {
        ExitStatus::Done
    } else {
        ExitStatus::NeedsAttention
    }
}

/// Everything as text, ending with a line break. Names in a spec may hold anything.
pub fn describe_parts(parts: &[Part]) -> String {
    let mut text = String::new();
    for part in parts {
        let _ = writeln!(text, "{}", part.about);
        for line in &part.in_order {
            let _ = writeln!(text, "  {}", escaped(line));
        }
        for finding in &part.findings {
            let _ = writeln!(text, "  ! {}", escaped(finding));
        }
        for unknown in &part.not_known {
            let _ = writeln!(text, "  ? not known: {}", escaped(unknown));
        }
        text.push('\n');
    }
    let total = |lines: fn(&Part) -> &Vec<String>| {
        let number = parts.iter().map(|part| lines(part).len()).sum::<usize>();
        i64::try_from(number).unwrap_or(i64::MAX)
    };
    let findings = count(total(|part| &part.findings), "finding");
    match total(|part| &part.not_known) {
        0 => text + &findings + ".\n",
        unknown => format!("{text}{findings}; {unknown} not known.\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> Vec<Part> {
        let mut installation = Part::about("Installation");
        installation.add(Ok("15 admission policies are in force".to_owned()));
        let mut namespace = Part::about("ProtectedDatabase atra/knowledge");
        namespace.add(Err(
            "the check's pod would be refused: exceeded quota".to_owned()
        ));
        let refused: Result<(), _> = Err("can't get secrets: forbidden".to_owned());
        assert_eq!(namespace.known(refused), None);
        vec![installation, namespace]
    }

    #[test]
    fn the_parts_read() {
        insta::assert_snapshot!(describe_parts(&parts()));
        insta::assert_yaml_snapshot!(serde_json::to_value(parts()).unwrap_or_default());
    }

    #[test]
    fn what_is_found_and_what_is_not_known_need_attention() {
        let all = parts();
        assert_eq!(exit_status(&all), ExitStatus::NeedsAttention);
        assert_eq!(exit_status(&all[..1]), ExitStatus::Done);
        let mut unknown = Part::about("Nodes");
        let _: Option<()> = unknown.known(Err("refused".to_owned()));
        assert_eq!(exit_status(&[unknown]), ExitStatus::NeedsAttention);
    }
}
