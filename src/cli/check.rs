//! `sidegate check`.

use std::path::Path;

use super::Exit;
use super::Failure;
use super::Terminal;
use crate::config::Config;
use crate::config::Environment;
use crate::config::report;
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
    let report = report(&outcome, json, strict, SystemClock.now());
    terminal.say(&report.text);
    if report.ok {
        Ok(())
    } else {
        Err(Failure::new(Exit::Configuration, ""))
    }
}
