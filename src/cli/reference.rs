//! The page on commands, which is made from their definition.

use std::fmt::Write as _;

use clap::Arg;
use clap::CommandFactory as _;

use super::Arguments;
use super::Exit;

/// With `BLESS=1` the test writes it anew.
#[test]
fn the_documentation_is_these_commands() {
    let page = page();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/docs/commands.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(file, &page).expect("written");
    }
    let known = std::fs::read_to_string(file).unwrap_or_default();
    assert!(
        known == page,
        "run this test with BLESS=1 and look at the difference"
    );
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    let mut program = Arguments::command();
    program.build();
    for command in program.get_subcommands() {
        let name = command.get_name();
        if command.is_hide_set() || name == "help" {
            continue;
        }
        let about = command.get_about().expect("described");
        write!(page, "\n## sidegate {name}\n\n{about}.\n").expect("a string");
        let told = |arg: &&Arg| !arg.is_hide_set() && arg.get_id() != "help";
        let mut rows = command.get_arguments().filter(told).peekable();
        if rows.peek().is_some() {
            page.push_str("\n| argument | default | what it is |\n|---|---|---|\n");
        }
        for arg in rows {
            writeln!(page, "{}", row(arg)).expect("a string");
        }
    }
    page.push_str(EXITS);
    for exit in [
        Exit::Success,
        Exit::Usage,
        Exit::Unavailable,
        Exit::Internal,
        Exit::Configuration,
    ] {
        writeln!(page, "| {} | {} |", exit.code(), meaning(exit)).expect("a string");
    }
    page
}

fn row(arg: &Arg) -> String {
    let mut name = arg
        .get_short()
        .map_or_else(String::new, |c| format!("-{c}, "));
    let values = arg.get_value_names().unwrap_or_default();
    let value = values.first().filter(|_| arg.get_action().takes_values());
    match (arg.get_long(), value) {
        (Some(long), Some(value)) => write!(name, "--{long} {value}"),
        (Some(long), None) => write!(name, "--{long}"),
        (None, Some(value)) => write!(name, "{value}"),
        (None, None) => write!(name, "{}", arg.get_id().as_str().to_uppercase()),
    }
    .expect("a string");
    let mut default: Vec<_> = (arg.get_env().into_iter())
        .map(|variable| format!("`${}`", variable.to_string_lossy()))
        .collect();
    if arg.get_action().takes_values() {
        let values = arg.get_default_values().iter();
        default.extend(values.map(|value| format!("`{}`", value.to_string_lossy())));
    }
    let help = arg.get_long_help().or_else(|| arg.get_help());
    let help = help.expect("described").to_string().replace("\n\n", ". ");
    let default = if arg.is_required_set() {
        "**required**".to_owned()
    } else if default.is_empty() {
        "–".to_owned()
    } else {
        default.join(", then ")
    };
    format!("| `{name}` | {default} | {} |", help.replace('\n', " "))
}

/// A new one has to be told of, too.
fn meaning(exit: Exit) -> &'static str {
    match exit {
        Exit::Success => "It went well. `serve` was told to stop, and stopped.",
        Exit::Usage => "The command line is wrong.",
        Exit::Unavailable => {
            "Something that is needed is not there: an address to listen on, or, for `doctor` and `ready`, what was asked."
        }
        Exit::Internal => "A defect of the program, or of the machine.",
        Exit::Configuration => {
            "The configuration cannot be used; with `check --strict`, also a risky one."
        }
    }
}

const HEAD: &str = "# Commands

One program, `sidegate`. `--help` tells the same about each command, `--version` tells version, commit and features. This page is made from
the program's own definition of its command line, and a test holds it equal.
";

const EXITS: &str = "
## Exit codes

As in `sysexits.h`.

| code | meaning |
|---|---|
";
