//! Arguments become a command, a command an exit code.

mod check;
mod completions;
mod demo;
mod doctor;
mod explain;
mod help;
mod import;
mod init;
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

use clap::CommandFactory as _;
use clap::Parser;
use clap::Subcommand;
use clap::error::ErrorKind;

pub use terminal::Terminal;
use terminal::Tone;

use crate::fault::CommandFault;

/// Authentication reverse proxy for Salesforce Marketing Cloud Engagement.
#[derive(Debug, Parser)]
#[command(name = "sidegate", version = VERSION, arg_required_else_help = true, after_long_help = help::PROGRAM)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway
    #[command(after_long_help = help::SERVE)]
    Serve {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        sockets: serve::Passed,
    },
    /// Try everything on this machine: simulated tenant, example tool and gateway; no account needed
    #[command(after_long_help = help::DEMO)]
    Demo(demo::Options),
    /// Run only the simulated Marketing Cloud tenant
    #[command(after_long_help = help::SANDBOX)]
    Sandbox(sandbox::Options),
    /// Report every problem of a configuration, with its place and what to do
    #[command(after_long_help = help::CHECK)]
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
    #[command(after_long_help = help::DOCTOR)]
    Doctor {
        #[command(flatten)]
        file: ConfigFile,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what would become of a request, without sending anything
    #[command(after_long_help = help::EXPLAIN)]
    Explain {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        asked: explain::Asked,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write a configuration from a few answers, with a session key and the client secret's file
    #[command(after_long_help = help::INIT)]
    Init(Box<init::Options>),
    /// Turn a configuration of oauth2-proxy into one of Sidegate
    #[command(after_long_help = help::IMPORT)]
    Import(import::Options),
    /// Print the JSON Schema of the configuration, for editors
    #[command(after_long_help = help::SCHEMA)]
    Schema,
    /// Print a new session key
    #[command(after_long_help = help::KEYGEN)]
    Keygen,
    /// Ask a gateway on this machine whether it is ready, for health checks without a shell
    #[command(after_long_help = help::READY)]
    Ready(ready::Options),
    /// Print a script that completes commands in a shell
    #[command(after_long_help = help::COMPLETIONS)]
    Completions(completions::Completions),
    /// Print the manual page, or write all of them into a directory
    #[command(after_long_help = help::MAN)]
    Man(completions::Manual),
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
            terminal.complain(&coded(&error));
            return Exit::Usage.into();
        }
        Err(help) => {
            terminal.say(&help.render().ansi().to_string());
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
        Command::Init(options) => init::run(&options, terminal),
        Command::Import(options) => import::run(&options, terminal),
        Command::Completions(asked) => {
            completions::completions(&asked, Arguments::command(), terminal)
        }
        Command::Man(asked) => completions::manual(&asked, Arguments::command(), terminal),
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
        Err(failure) => {
            terminal.complain(&failure.to_string());
            failure.exit.into()
        }
    }
}

/// What clap says of arguments that it does not take, with the code that such a failure has.
fn coded(error: &clap::Error) -> String {
    let said = error.render().ansi().to_string();
    let help = ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    match said.split_once("error:") {
        Some((colour, rest)) if error.kind() != help => {
            let (name, code) = (Tone::Strong.paint("sidegate:"), CommandFault::Usage.code());
            format!("{name} {colour}error[{code}]:{rest}")
        }
        _ => said,
    }
}

/// A command that did not succeed.
#[derive(Debug)]
struct Failure {
    exit: Exit,
    fault: Option<CommandFault>,
    text: String,
}

impl Failure {
    /// A failure whose exit code says enough, or whose text carries codes of its own.
    fn new(exit: Exit, text: impl std::fmt::Display) -> Self {
        let fault = match exit {
            Exit::Internal => Some(CommandFault::System),
            Exit::Usage => Some(CommandFault::Usage),
            Exit::Unavailable => Some(CommandFault::CannotListen),
            Exit::Success | Exit::Configuration => None,
        };
        Self {
            exit,
            fault,
            text: text.to_string(),
        }
    }

    /// A failure by its code.
    fn of(fault: CommandFault, text: impl std::fmt::Display) -> Self {
        let exit = match fault.exit() {
            None | Some(0) => Exit::Success,
            Some(64) => Exit::Usage,
            Some(69) => Exit::Unavailable,
            Some(78) => Exit::Configuration,
            Some(_) => Exit::Internal,
        };
        Self {
            exit,
            fault: Some(fault),
            text: text.to_string(),
        }
    }
}

/// Nothing, if all has been said already.
impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.text.trim_end();
        let name = Tone::Strong.paint("sidegate:");
        match self.fault {
            _ if text.is_empty() => Ok(()),
            None => writeln!(f, "{name} {text}"),
            Some(fault) => {
                let error = Tone::Bad.paint(format!("error[{}]:", fault.code()));
                let (hint, advice) = (Tone::Hint.paint("hint:"), fault.advice());
                writeln!(f, "{name} {error} {text}\n    {hint} {advice}")
            }
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
