//! `sidegate check`.

use std::path::Path;

use super::Exit;
use super::Failure;
use super::Terminal;
use super::terminal;
use crate::config::Config;
use crate::config::Environment;
use crate::config::Form;
use crate::config::report_as;
use crate::time::Clock as _;
use crate::time::SystemClock;

/// Prints what is wrong with a configuration.
pub(super) fn run(
    path: &Path,
    strict: bool,
    json: bool,
    terminal: Terminal,
) -> Result<(), Failure> {
    let outcome = Config::load(path, &Environment::of_process());
    let form = if json {
        Form::Json
    } else {
        Form::Text(terminal::paint)
    };
    let report = report_as(form, &outcome, strict, SystemClock.now());
    terminal.say(&report.text);
    if report.ok {
        Ok(())
    } else {
        Err(Failure::new(Exit::Configuration, ""))
    }
}
