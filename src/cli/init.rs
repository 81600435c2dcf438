//! `sidegate init`: a first configuration from a few answers.

mod answers;
mod files;
mod hidden;
mod interview;

use std::io::ErrorKind;
use std::io::IsTerminal as _;
use std::path::Path;
use std::path::PathBuf;

use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use super::Failure;
use super::Terminal;
use crate::config::Config;
use crate::config::Environment;
use crate::config::report;
use crate::crypto::MasterKey;
use crate::crypto::OsEntropy;
use crate::fault::CommandFault;
use crate::time::Clock as _;
use crate::time::SystemClock;
use answers::Answers;
use answers::Secret;
use files::NewFile;
use interview::Interview;

/// Answers that are given beforehand, and what is not asked for.
#[derive(Debug, clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub(super) struct Options {
    /// Where the files go; made if it is not there
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[arg(
        long,
        value_name = "URL",
        help = "What browsers type, such as https://tool.example.com"
    )]
    public_url: Option<String>,
    /// The part before .auth.marketingcloudapis.com, or one of the package's URLs
    #[arg(long, value_name = "SUBDOMAIN")]
    subdomain: Option<String>,
    /// What the package's API Integration shows
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// web (has a secret) or public (has none)
    #[arg(long, value_name = "TYPE")]
    client_type: Option<String>,
    /// A file that holds the client secret; it stays where it is
    #[arg(long, value_name = "FILE", conflicts_with = "client_secret_stdin")]
    client_secret_file: Option<PathBuf>,
    /// Read the client secret from standard input
    #[arg(long)]
    client_secret_stdin: bool,
    #[arg(
        long,
        value_name = "URL",
        help = "The internal tool, such as http://127.0.0.1:3000"
    )]
    upstream: Option<String>,
    /// Let the tool have the person's access token
    #[arg(long)]
    token: bool,
    /// Where to listen
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Where probes, metrics and the status page are
    #[arg(long, value_name = "ADDR")]
    admin_listen: Option<String>,
    /// The certificate, where no proxy in front ends TLS
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Use a simulated tenant at this address (`sidegate sandbox`) instead of Marketing Cloud
    #[arg(long, value_name = "URL", conflicts_with_all = ["subdomain", "client_id", "client_type"])]
    sandbox: Option<String>,
    /// Ask nothing: take what is given, and the defaults
    #[arg(long, short)]
    yes: bool,
    /// Write over a configuration that is there; its session key stays
    #[arg(long)]
    force: bool,
}

/// Writes the files, and says what comes next.
pub(super) fn run(options: &Options, terminal: Terminal) -> Result<(), Failure> {
    let asks = !options.yes && std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let interview = Interview::new(asks, terminal);
    let folder = interview.folder(options)?;
    let place = Place::new(&folder);
    let kept_key = place.key()?;
    if place.config.exists() && !options.force {
        let said = format!("{} is there already", place.config.display());
        return Err(Failure::of(CommandFault::InTheWay, said));
    }
    let answers = interview.answers(options, &place)?;
    let mut files = Vec::new();
    if !kept_key {
        let key = MasterKey::generate(&OsEntropy).to_text();
        files.push(NewFile {
            path: place.key.clone(),
            bytes: Zeroizing::new(format!("{}\n", *key).into_bytes()),
            private: true,
            replaces: options.force,
        });
    }
    if let Secret::Text(secret) = &answers.secret {
        files.push(NewFile {
            path: place.secret.clone(),
            bytes: Zeroizing::new(format!("{}\n", secret.expose_secret()).into_bytes()),
            private: true,
            replaces: options.force,
        });
    }
    // The last one: whoever finds it finds the others.
    files.push(NewFile {
        path: place.config.clone(),
        bytes: Zeroizing::new(answers.to_yaml().into_bytes()),
        private: false,
        replaces: options.force,
    });
    // Each answer was good by itself; so has to be the whole.
    if let Some(objection) = answers.objection("", &folder) {
        return Err(Failure::of(CommandFault::AnswerRefused, objection));
    }
    let in_the_way = |file: &&NewFile| !file.replaces && file.path.exists();
    if let Some(file) = files.iter().find(in_the_way) {
        let said = format!("{} is there already", file.path.display());
        return Err(Failure::of(CommandFault::InTheWay, said));
    }
    files::write(&folder, &files, &OsEntropy)
        .map_err(|error| Failure::of(CommandFault::CannotWrite, error))?;
    let loaded = Config::load(&place.config, &Environment::default());
    let checked = report(&loaded, false, false, SystemClock.now());
    terminal.say(&told(&answers, &files, &place, kept_key));
    terminal.say(&checked.text);
    if checked.ok {
        Ok(())
    } else {
        Err(Failure::new(super::Exit::Configuration, ""))
    }
}

/// The files of a configuration.
struct Place {
    config: PathBuf,
    key: PathBuf,
    secret: PathBuf,
}

impl Place {
    fn new(folder: &Path) -> Self {
        Self {
            config: folder.join("sidegate.yaml"),
            key: folder.join("session-key"),
            secret: folder.join("client-secret"),
        }
    }

    /// Whether there is a key already. It is kept: another one would sign everybody out, and whether what is
    /// there is one is not for `--force` to guess.
    fn key(&self) -> Result<bool, Failure> {
        let absent = [ErrorKind::NotFound, ErrorKind::NotADirectory];
        let there = self.key.symlink_metadata();
        if there.is_err_and(|error| absent.contains(&error.kind())) {
            return Ok(false);
        }
        let what = match std::fs::read_to_string(&self.key).map(Zeroizing::new) {
            Ok(text) if MasterKey::parse(text.trim_end()).is_ok() => return Ok(true),
            Ok(_) => "is no session key".to_owned(),
            Err(error) => format!("cannot be read ({error})"),
        };
        let said = format!("{} is there, and {what}", self.key.display());
        Err(Failure::of(CommandFault::InTheWay, said))
    }
}

/// What was written, what to do in Setup, and what to type next.
fn told(answers: &Answers, files: &[NewFile], place: &Place, kept_key: bool) -> String {
    let mut lines = vec![String::new(), "Written:".to_owned()];
    lines.extend(files.iter().map(|file| {
        let mode = if file.private {
            " (only you can read it)"
        } else {
            ""
        };
        format!("  {}{mode}", file.path.display())
    }));
    if kept_key {
        lines.push(format!("Kept: {}", place.key.display()));
    }
    lines.push(String::new());
    match &answers.sandbox {
        Some(sandbox) => lines.push(format!(
            "The simulated tenant has to run at {sandbox}: sidegate sandbox"
        )),
        None => lines.extend(in_setup(answers)),
    }
    let config = place.config.display();
    lines.extend([
        String::new(),
        "Next:".to_owned(),
        format!("  sidegate check --strict --config {config}"),
        format!("  sidegate doctor --config {config}"),
        format!("  sidegate serve --config {config}"),
        format!("and open {}/", answers.public_url),
        String::new(),
        String::new(),
    ]);
    lines.join("\n")
}

fn in_setup(answers: &Answers) -> Vec<String> {
    let component = if answers.public {
        "Public App"
    } else {
        "Web App"
    };
    let redirect = answers.redirect_uri();
    let mut lines = vec![
        "In Marketing Cloud, Setup > Platform Tools > Apps > Installed Packages:".to_owned(),
        format!(
            "  1. the package > Components > API Integration of type {component}; Add Component, if there is none"
        ),
        "  2. Redirect URIs, exactly this one:".to_owned(),
        format!("       {redirect}"),
        "  3. its permissions: what the tool needs; `offline` renews sessions".to_owned(),
        "  4. Access: license the people who will sign in".to_owned(),
    ];
    if !redirect.starts_with("https:") {
        let text =
            "Marketing Cloud takes https only there: give public_url https, or try `--sandbox`.";
        lines.push(format!("     {text}"));
    }
    lines
}
