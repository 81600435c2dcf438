//! `sidegate import`.

use std::io::Read as _;
use std::path::Path;
use std::path::PathBuf;

use super::Failure;
use super::Terminal;
use crate::config::Environment;
use crate::fault::CommandFault;
use crate::import;
use crate::import::Given;
use crate::import::Malformed;

/// What to import.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// oauth2-proxy's configuration file; one that ends in .yaml or .yml is taken for the structured one
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Its structured configuration, in YAML
    #[arg(long, value_name = "FILE")]
    alpha_config: Option<PathBuf>,
    /// The variables `OAUTH2_PROXY_…` of this environment as well
    #[arg(long)]
    env: bool,
    /// Flags as oauth2-proxy's command line has them, which count most
    #[arg(last = true, value_name = "FLAGS")]
    flags: Vec<String>,
}

/// Prints the configuration, and on standard error what cannot be as it was.
pub(super) fn run(options: &Options, terminal: Terminal) -> Result<(), Failure> {
    let mut given = Vec::new();
    let mut sources = Vec::new();
    if let Some(path) = &options.alpha_config {
        given.extend(read(path, import::alpha)?);
        sources.push(name(path));
    }
    if let Some(path) = &options.file {
        let structured = path
            .extension()
            .is_some_and(|end| end == "yaml" || end == "yml");
        let reader = if structured {
            import::alpha
        } else {
            import::cfg
        };
        given.extend(read(path, reader)?);
        sources.push(name(path));
    }
    if options.env {
        given.extend(import::variables(Environment::of_process().texts()));
        sources.push("the environment".to_owned());
    }
    if !options.flags.is_empty() {
        given.extend(import::flags(options.flags.iter().cloned()));
        sources.push("flags".to_owned());
    }
    if sources.is_empty() {
        let text = "nothing to import was named";
        return Err(Failure::of(CommandFault::Usage, text));
    }
    let imported = import::import(&sources.join(", "), given);
    terminal.say(&imported.yaml);
    for notice in &imported.notices {
        terminal.complain(&format!("{notice}\n"));
    }
    Ok(())
}

fn read(
    path: &Path,
    reader: fn(&str, &[u8]) -> Result<Vec<Given>, Malformed>,
) -> Result<Vec<Given>, Failure> {
    let name = name(path);
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LARGEST).read_to_end(&mut bytes))
        .map_err(|error| {
            let said = format!("{name} cannot be read: {error}");
            Failure::of(CommandFault::SourceUnreadable, said)
        })?;
    reader(&name, &bytes).map_err(|error| Failure::of(CommandFault::SourceMalformed, error))
}

fn name(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// More than any reader takes, so that each says so itself.
const LARGEST: u64 = 2 << 20;
