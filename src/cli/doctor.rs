//! `sidegate doctor`.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::Exit;
use super::Failure;
use super::Terminal;
use super::terminal::Progress;
use super::terminal::Tone;
use super::terminal::harmless;
use crate::config::Config;
use crate::config::Environment;
use crate::config::Loaded;
use crate::crypto::OsEntropy;
use crate::doctor;
use crate::doctor::Cause;
use crate::doctor::Event;
use crate::doctor::Finding;
use crate::doctor::Place;
use crate::doctor::Status;
use crate::doctor::Subject;
use crate::time::SystemClock;
use crate::upstream::SystemResolver;

/// Tries a configuration against what it is for, and prints what was found.
pub(super) fn run(path: &Path, json: bool, terminal: Terminal) -> Result<(), Failure> {
    let environment = Environment::of_process();
    let mut line = Progress::new(&environment, !json);
    let mut tell = |event: Event<'_>| match event {
        Event::Begins(Place { step, of, name }) => line.show(&format!("[{step}/{of}] {name} …")),
        Event::Found(_) if json => {}
        Event::Found(finding) => {
            line.erase();
            terminal.say(&shown(finding));
        }
    };
    let findings = match Config::load(path, &environment) {
        Ok(loaded) => examine(loaded, &mut tell)?,
        Err(problems) => {
            let finding = doctor::unusable(&problems);
            tell(Event::Found(&finding));
            vec![finding]
        }
    };
    line.erase();
    let exit = exit(&findings);
    if json {
        let document = Document {
            ok: exit == Exit::Success,
            steps: &findings,
        };
        let document = serde_json::to_string_pretty(&document);
        let document = document.map_err(|error| Failure::new(Exit::Internal, error))?;
        terminal.say(&format!("{document}\n"));
    } else {
        terminal.say(&verdict(&findings));
    }
    match exit {
        Exit::Success => Ok(()),
        exit => Err(Failure::new(exit, "")),
    }
}

fn examine(loaded: Loaded, tell: impl FnMut(Event<'_>)) -> Result<Vec<Finding>, Failure> {
    let subject = Subject::new(
        loaded,
        Arc::new(SystemClock),
        Arc::new(OsEntropy),
        Arc::new(SystemResolver),
    );
    let subject = subject.map_err(|error| Failure::new(Exit::Internal, error))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Internal, error))?;
    let findings = runtime.block_on(doctor::examine(&subject, tell));
    // A name that does not resolve would be waited for.
    runtime.shutdown_background();
    Ok(findings)
}

#[derive(Serialize)]
struct Document<'a> {
    /// Whether nothing failed.
    ok: bool,
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

/// One finding in a line, what to do about it in another.
fn shown(finding: &Finding) -> String {
    let (word, tone) = match finding.status {
        Status::Ok => ("ok", Tone::Good),
        Status::Warning => ("warning", Tone::Warning),
        Status::Failed => ("failed", Tone::Bad),
    };
    let word = tone.paint(format!("{word:<7}"));
    let code = finding.code.map(|code| format!(" [{code}]"));
    let advice = finding.advice.as_deref().map(|advice| {
        let advice = Tone::Hint.paint(harmless(advice));
        format!("        {advice}\n")
    });
    format!(
        "{word} {}: {}{}\n{}",
        finding.name,
        harmless(&finding.detail),
        code.unwrap_or_default(),
        advice.unwrap_or_default()
    )
}

fn verdict(findings: &[Finding]) -> String {
    let count = |status| findings.iter().filter(|it| it.status == status).count();
    let told = |tone: Tone, count, text: String| match count {
        0 => text,
        _ => tone.paint(text).to_string(),
    };
    let (ok, warnings, failed) = (
        count(Status::Ok),
        count(Status::Warning),
        count(Status::Failed),
    );
    let plural = if warnings == 1 { "" } else { "s" };
    format!(
        "{}, {}, {}.\n",
        told(Tone::Good, ok, format!("{ok} ok")),
        told(
            Tone::Warning,
            warnings,
            format!("{warnings} warning{plural}")
        ),
        told(Tone::Bad, failed, format!("{failed} failed"))
    )
}

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
    fn a_finding_has_a_line_and_its_advice_another() {
        let text = shown(&Finding {
            detail: "d\x1b[2J".to_owned(),
            ..finding(Status::Failed)
        });
        assert!(
            text.starts_with("\x1b[1m\x1b[31mfailed \x1b[0m clock"),
            "{text:?}"
        );
        let plain = anstream::adapter::strip_str(&text).to_string();
        assert_eq!(
            plain,
            "failed  clock: d\u{fffd}[2J [SG-2014]\n        Do it.\n"
        );
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
