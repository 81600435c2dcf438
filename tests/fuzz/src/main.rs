//! Hunts through all targets, or those named: `hunt [--seconds N] [--start N] [NAME …]`.

use std::process::ExitCode;
use std::time::Duration;

use sidegate_fuzz::TARGETS;
use sidegate_fuzz::hunt::Found;
use sidegate_fuzz::hunt::hunt;

fn main() -> ExitCode {
    let (mut seconds, mut start, mut names) = (2, 1, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse().ok());
        match argument.as_str() {
            "--seconds" => seconds = number().expect("a number of seconds"),
            "--start" => start = number().expect("a number"),
            name => names.push(name.to_owned()),
        }
    }
    for name in &names {
        let known = TARGETS.iter().any(|(target, ..)| target == name);
        assert!(known, "there is no target {name}");
    }
    let mut failed = false;
    for (name, target, seeds) in TARGETS {
        if !names.is_empty() && !names.iter().any(|wanted| wanted == name) {
            continue;
        }
        match hunt(target, seeds, start, Duration::from_secs(seconds), u64::MAX) {
            Ok(count) => println!("{name}: {count} inputs, nothing found"),
            Err(Found(input)) => {
                failed = true;
                println!("{name}: \"{}\" breaks a promise", input.escape_ascii());
            }
        }
    }
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
