//! Arguments become a command, a command an exit code.

mod check;
mod demo;
mod doctor;
mod explain;
mod keygen;
mod ready;
#[cfg(test)]
mod reference;
mod sandbox;
mod serve;
mod terminal;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use clap::Subcommand;

pub use terminal::Terminal;

/// Authentication reverse proxy for Salesforce Marketing Cloud Engagement.
#[derive(Debug, Parser)]
#[command(name = "sidegate", version = VERSION, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway
    Serve {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        sockets: serve::Passed,
    },
    /// Try everything on this machine: simulated tenant, example tool and gateway; no account needed
    Demo(demo::Options),
    /// Run only the simulated Marketing Cloud tenant
    Sandbox(sandbox::Options),
    /// Report every problem of a configuration, with its place and what to do
    Check {
        #[command(flatten)]
        file: ConfigFile,
        /// Fail on warnings too
        #[arg(long)]
        strict: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Try the configuration against the real thing, and say what to do
    Doctor {
        #[command(flatten)]
        file: ConfigFile,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what would become of a request, without sending anything
    Explain {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        asked: explain::Asked,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of the configuration, for editors
    Schema,
    /// Print a new session key
    Keygen,
    /// Ask a gateway on this machine whether it is ready, for health checks without a shell
    Ready(ready::Options),
}

#[cfg(feature = "mimalloc")]
macro_rules! features {
    () => {
        "features: mimalloc"
    };
}

#[cfg(not(feature = "mimalloc"))]
macro_rules! features {
    () => {
        "no features"
    };
}

/// What runs: the version, the commit it is made of, and what was chosen when it was built.
const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (commit ",
    env!("SIDEGATE_COMMIT"),
    ", ",
    features!(),
    ")"
);

#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// The configuration
    #[arg(
        long = "config",
        value_name = "FILE",
        env = "SIDEGATE_CONFIG",
        default_value = "config/sidegate.yaml"
    )]
    path: PathBuf,
}

/// Runs the command that `arguments` name, the program's own name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let terminal = Terminal;
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() => {
            terminal.complain(&error.render().to_string());
            return Exit::Usage.into();
        }
        Err(help) => {
            terminal.say(&help.render().to_string());
            return Exit::Success.into();
        }
    };
    let outcome = match arguments.command {
        Command::Serve { file, sockets } => serve::run(&file.path, &sockets),
        Command::Demo(options) => demo::run(&options, terminal),
        Command::Sandbox(options) => sandbox::run(&options, terminal),
        Command::Check { file, strict, json } => check::run(&file.path, strict, json, terminal),
        Command::Doctor { file, json } => doctor::run(&file.path, json, terminal),
        Command::Explain { file, asked, json } => explain::run(&file.path, &asked, json, terminal),
        Command::Schema => {
            terminal.say(&crate::config::schema());
            Ok(())
        }
        Command::Keygen => {
            keygen::run(terminal);
            Ok(())
        }
        Command::Ready(options) => ready::run(&options),
    };
    match outcome {
        Ok(()) => Exit::Success.into(),
        Err(Failure { exit, text }) => {
            if !text.is_empty() {
                terminal.complain(&format!("sidegate: {}\n", text.trim_end()));
            }
            exit.into()
        }
    }
}

/// A command that did not succeed.
#[derive(Debug)]
struct Failure {
    exit: Exit,
    text: String,
}

impl Failure {
    fn new(exit: Exit, text: impl std::fmt::Display) -> Self {
        Self {
            exit,
            text: text.to_string(),
        }
    }
}

/// Exit codes, after `sysexits.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Success,
    Usage,
    Unavailable,
    Internal,
    Configuration,
}

impl Exit {
    const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Usage => 64,
            Self::Unavailable => 69,
            Self::Internal => 70,
            Self::Configuration => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
