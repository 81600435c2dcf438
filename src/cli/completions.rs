//! `sidegate completions` and `sidegate man`: what a package puts beside the program, made from its own
//! description of the command line.

use std::path::Path;
use std::path::PathBuf;

use clap_complete::Shell;

use super::Failure;
use super::Terminal;
use crate::fault::CommandFault;

/// Which shell.
#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// The shell to complete in
    shell: Shell,
}

/// Where manual pages go.
#[derive(Debug, clap::Args)]
pub(super) struct Manual {
    /// A directory for all pages; without it, the first page is printed
    directory: Option<PathBuf>,
}

/// Prints the script that completes commands and their options in a shell.
pub(super) fn completions(
    asked: &Completions,
    mut program: clap::Command,
    terminal: Terminal,
) -> Result<(), Failure> {
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(asked.shell, &mut program, name, &mut script);
    say(&script, terminal)
}

/// Prints `sidegate(1)`, or writes it and a page for each command into a directory.
pub(super) fn manual(
    asked: &Manual,
    program: clap::Command,
    terminal: Terminal,
) -> Result<(), Failure> {
    let Some(directory) = &asked.directory else {
        let mut page = Vec::new();
        (clap_mangen::Man::new(program).render(&mut page))
            .map_err(|error| Failure::of(CommandFault::System, error))?;
        return say(&page, terminal);
    };
    write_all(directory, program).map_err(|error| {
        let place = directory.display();
        Failure::of(CommandFault::CannotWrite, format!("{place}: {error}"))
    })
}

fn write_all(directory: &Path, program: clap::Command) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    // `sidegate help COMMAND` is what `man` is for.
    let program = program.disable_help_subcommand(true);
    clap_mangen::generate_to(program, directory)
}

fn say(text: &[u8], terminal: Terminal) -> Result<(), Failure> {
    let text = std::str::from_utf8(text).map_err(|error| Failure::of(CommandFault::System, error));
    terminal.say(text?);
    Ok(())
}
