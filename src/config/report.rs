//! What `check` prints: for people, or as JSON for machines.

use std::fmt::Write;

use serde::Serialize;

use super::Loaded;
use super::place::Location;
use super::problem::Mark;
use super::problem::Paint;
use super::problem::Problem;
use super::problem::Problems;
use super::problem::Warning;
use super::problem::plain;
use super::rotation::Note;
use super::rotation::Rotation;
use crate::time::UnixTime;

/// The outcome of loading a configuration, ready to be printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The text, ending in a line end.
    pub text: String,
    /// Whether the configuration passes.
    pub ok: bool,
}

/// Describes `outcome` as text or as JSON; `strict` lets warnings fail it. Secrets have an age at `now`.
pub fn report(
    outcome: &Result<Loaded, Problems>,
    json: bool,
    strict: bool,
    now: UnixTime,
) -> Report {
    let form = if json { Form::Json } else { Form::Text(plain) };
    report_as(form, outcome, strict, now)
}

/// How a report is told.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// To machines.
    Json,
    /// To people.
    Text(Paint),
}

/// The same in the form that is wanted.
pub fn report_as(
    form: Form,
    outcome: &Result<Loaded, Problems>,
    strict: bool,
    now: UnixTime,
) -> Report {
    let (problems, warnings, rotation) = match outcome {
        Ok(loaded) => (
            &[][..],
            loaded.warnings.as_slice(),
            Rotation::of(loaded, now),
        ),
        Err(problems) => (
            problems.as_slice(),
            problems.warnings(),
            Rotation::default(),
        ),
    };
    let warnings: Vec<&Warning> = warnings.iter().chain(&rotation.warnings).collect();
    let findings = Findings {
        problems,
        warnings: &warnings,
        notes: &rotation.notes,
    };
    let ok = problems.is_empty() && (warnings.is_empty() || !strict);
    let text = match form {
        Form::Json => as_json(&findings, ok),
        Form::Text(paint) => as_text(&findings, ok, paint),
    };
    Report { text, ok }
}

struct Findings<'a> {
    problems: &'a [Problem],
    warnings: &'a [&'a Warning],
    notes: &'a [Note],
}

fn as_text(findings: &Findings<'_>, ok: bool, paint: Paint) -> String {
    let Findings {
        problems,
        warnings,
        notes,
    } = findings;
    let mut text = String::new();
    let told = problems.iter().map(Problem::told);
    let told = told.chain(warnings.iter().map(|warning| warning.told()));
    for finding in told.chain(notes.iter().map(Note::told)) {
        // Writing to a string cannot fail.
        let written = finding.write(&mut text, paint);
        debug_assert!(written.is_ok(), "a string takes all text");
        text.push('\n');
    }
    let verdict = if ok {
        "The configuration can be used"
    } else if problems.is_empty() {
        "The configuration is refused for its warnings (--strict)"
    } else {
        "The configuration cannot be used"
    };
    let written = writeln!(
        text,
        "{}: {}, {}.",
        if ok {
            verdict.to_owned()
        } else {
            paint(Mark::Error, verdict)
        },
        counted(problems.len(), "problem"),
        counted(warnings.len(), "warning"),
    );
    debug_assert!(written.is_ok(), "a string takes all text");
    text
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

fn as_json(findings: &Findings<'_>, ok: bool) -> String {
    let document = Document {
        ok,
        problems: findings.problems.iter().map(Finding::of_problem).collect(),
        warnings: (findings.warnings.iter().copied())
            .map(Finding::of_warning)
            .collect(),
        notes: findings.notes.iter().map(Finding::of_note).collect(),
    };
    // Strings and numbers only: nothing that JSON cannot hold.
    let text = serde_json::to_string_pretty(&document);
    debug_assert!(text.is_ok(), "the document is plain");
    text.unwrap_or_default() + "\n"
}

#[derive(Serialize)]
struct Document<'a> {
    ok: bool,
    problems: Vec<Finding<'a>>,
    warnings: Vec<Finding<'a>>,
    notes: Vec<Finding<'a>>,
}

#[derive(Serialize)]
struct Finding<'a> {
    code: &'static str,
    file: Option<&'a str>,
    line: Option<usize>,
    column: Option<usize>,
    variable: Option<&'a str>,
    key: &'a str,
    message: &'a str,
    hint: Option<&'a str>,
    /// Of a risk: what asks for the safer setting.
    #[serde(skip_serializing_if = "Option::is_none")]
    clause: Option<&'static str>,
}

impl<'a> Finding<'a> {
    fn of_problem(problem: &'a Problem) -> Self {
        Self {
            key: problem.key.as_str(),
            message: &problem.message,
            hint: problem.hint.as_deref(),
            ..Self::at(problem.code.as_str(), &problem.location)
        }
    }

    fn of_warning(warning: &'a Warning) -> Self {
        Self {
            key: warning.key.as_str(),
            message: &warning.message,
            hint: warning.hint.as_deref(),
            clause: Some(warning.risk.clause()),
            ..Self::at(warning.risk.as_str(), &warning.location)
        }
    }

    fn of_note(note: &'a Note) -> Self {
        Self {
            key: note.key.as_str(),
            message: &note.message,
            hint: note.hint.as_deref(),
            ..Self::at(note.topic.as_str(), &note.location)
        }
    }

    fn at(code: &'static str, location: &'a Location) -> Self {
        let (file, position, variable) = match location {
            Location::File { name, position } => (Some(name.as_ref()), *position, None),
            Location::Variable(name) => (None, None, Some(name.as_ref())),
        };
        Self {
            code,
            file,
            line: position.map(|position| position.line),
            column: position.map(|position| position.column),
            variable,
            key: "",
            message: "",
            hint: None,
            clause: None,
        }
    }
}
