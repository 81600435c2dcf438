//! `sidegate doctor`.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::Exit;
use super::Failure;
use super::Terminal;
use crate::config::Config;
use crate::config::Environment;
use crate::crypto::OsEntropy;
use crate::doctor;
use crate::doctor::Cause;
use crate::doctor::Finding;
use crate::doctor::Progress;
use crate::doctor::Status;
use crate::doctor::Subject;
use crate::time::SystemClock;

/// Tries a configuration against what it is for, and prints what was found.
pub(super) fn run(path: &Path, json: bool, terminal: Terminal) -> Result<(), Failure> {
    let environment = Environment::of_process();
    let style = Style::of(&environment);
    let tell = |progress: Progress<'_>| match progress {
        _ if json => {}
        Progress::Begins(name) => terminal.say(&style.begins(name)),
        Progress::Found(finding) => terminal.say(&style.found(finding)),
    };
    let findings = match Config::load(path, &environment) {
        Ok(loaded) => {
            let subject = Subject::new(loaded, Arc::new(SystemClock), Arc::new(OsEntropy))
                .map_err(|error| Failure::new(Exit::Internal, error))?;
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| Failure::new(Exit::Internal, error))?;
            let findings = runtime.block_on(doctor::examine(&subject, tell));
            // A name that does not resolve would be waited for.
            runtime.shutdown_background();
            findings
        }
        Err(problems) => {
            let finding = doctor::unusable(&problems);
            tell(Progress::Found(&finding));
            vec![finding]
        }
    };
    if json {
        let document = serde_json::to_string_pretty(&Document { steps: &findings });
        let document = document.map_err(|error| Failure::new(Exit::Internal, error))?;
        terminal.say(&format!("{document}\n"));
    } else {
        terminal.say(&style.verdict(&findings));
    }
    match exit(&findings) {
        Exit::Success => Ok(()),
        exit => Err(Failure::new(exit, "")),
    }
}

#[derive(Serialize)]
struct Document<'a> {
    steps: &'a [Finding],
}

/// What has to be changed comes before what is missing.
fn exit(findings: &[Finding]) -> Exit {
    let because = |cause| findings.iter().any(|finding| finding.cause == Some(cause));
    if because(Cause::Configuration) {
        Exit::Configuration
    } else if because(Cause::Surroundings) {
        Exit::Unavailable
    } else {
        Exit::Success
    }
}

/// How lines look.
#[derive(Clone, Copy)]
struct Style {
    /// Whether lines can be written over.
    live: bool,
    colours: bool,
}

impl Style {
    /// Plain in a pipe, and without colours where `NO_COLOR` is set to anything.
    fn of(environment: &Environment) -> Self {
        let live = std::io::stdout().is_terminal();
        let unwanted = environment
            .get("NO_COLOR")
            .is_some_and(|value| !value.is_empty());
        Self {
            live,
            colours: live && !unwanted,
        }
    }

    fn begins(self, name: &str) -> String {
        if self.live {
            format!("{CLEAR}…       {name}")
        } else {
            String::new()
        }
    }

    fn found(self, finding: &Finding) -> String {
        let (word, colour) = match finding.status {
            Status::Ok => ("ok", "\x1b[32m"),
            Status::Warning => ("warning", "\x1b[33m"),
            Status::Failed => ("failed", "\x1b[31m"),
        };
        let (colour, plain) = if self.colours {
            (colour, "\x1b[0m")
        } else {
            ("", "")
        };
        let clear = if self.live { CLEAR } else { "" };
        let code = finding.code.map(|code| format!(" [{code}]"));
        let mut text = format!(
            "{clear}{colour}{word:<7}{plain} {}: {}{}\n",
            finding.name,
            finding.detail,
            code.unwrap_or_default()
        );
        if let Some(advice) = &finding.advice {
            text.push_str("        ");
            text.push_str(advice);
            text.push('\n');
        }
        text
    }

    fn verdict(self, findings: &[Finding]) -> String {
        let count = |status| findings.iter().filter(|it| it.status == status).count();
        let clear = if self.live { CLEAR } else { "" };
        format!(
            "{clear}{} ok, {} warning{}, {} failed.\n",
            count(Status::Ok),
            count(Status::Warning),
            if count(Status::Warning) == 1 { "" } else { "s" },
            count(Status::Failed)
        )
    }
}

/// To the beginning of the line, and nothing left of it.
const CLEAR: &str = "\r\x1b[K";

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(status: Status) -> Finding {
        Finding {
            name: "clock".into(),
            status,
            detail: "d".to_owned(),
            advice: Some("Do it.".to_owned()),
            code: Some("SG-2014"),
            cause: None,
        }
    }

    #[test]
    fn a_pipe_gets_plain_lines_and_a_terminal_colours_unless_unwanted() {
        let style = |live, colours| Style { live, colours };
        let plain = style(false, false);
        assert_eq!(plain.begins("clock"), "");
        assert_eq!(
            plain.found(&finding(Status::Failed)),
            "failed  clock: d [SG-2014]\n        Do it.\n"
        );
        let coloured = style(true, true).found(&finding(Status::Ok));
        assert!(
            coloured.starts_with("\r\x1b[K\x1b[32mok     \x1b[0m clock"),
            "{coloured:?}"
        );
        let live = style(true, false).found(&finding(Status::Ok));
        assert!(live.starts_with("\r\x1b[Kok      clock"), "{live:?}");
    }

    #[test]
    fn the_exit_code_tells_what_to_change_before_what_is_missing() {
        let failed = |cause| Finding {
            cause: Some(cause),
            ..finding(Status::Failed)
        };
        let away = failed(Cause::Surroundings);
        let wrong = failed(Cause::Configuration);
        let warning = finding(Status::Warning);
        assert_eq!(exit(std::slice::from_ref(&warning)), Exit::Success);
        assert_eq!(exit(&[warning, away.clone()]), Exit::Unavailable);
        assert_eq!(exit(&[away, wrong]), Exit::Configuration);
    }
}
