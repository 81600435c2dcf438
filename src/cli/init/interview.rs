//! The questions, or the flags in their place.

use std::path::Path;
use std::path::PathBuf;

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::Options;
use super::Place;
use super::answers::Answers;
use super::answers::Secret;
use super::hidden;
use crate::cli::Failure;
use crate::cli::Terminal;
use crate::fault::CommandFault;

/// Somebody who answers, or nobody.
pub(super) struct Interview {
    asks: bool,
    terminal: Terminal,
}

/// One question.
struct Question<'a> {
    /// What to call it in the failure of a command that nobody watches.
    flag: &'a str,
    text: &'a str,
    default: Option<String>,
}

impl Interview {
    pub(super) fn new(asks: bool, terminal: Terminal) -> Self {
        Self { asks, terminal }
    }

    /// Where the files go.
    pub(super) fn folder(&self, options: &Options) -> Result<PathBuf, Failure> {
        if let Some(folder) = &options.dir {
            return Ok(folder.clone());
        }
        if !self.asks {
            return Ok(PathBuf::from("."));
        }
        self.terminal.say("A configuration in a few questions; Enter takes what stands in [brackets], Ctrl-C writes nothing.\nNo account at hand? `sidegate init --sandbox http://127.0.0.1:9100` needs none.\n\n");
        let question = Question {
            flag: "--dir",
            text: "Directory for the files",
            default: Some(".".to_owned()),
        };
        self.ask(&question, None, |_| None).map(PathBuf::from)
    }

    /// Everything else.
    pub(super) fn answers(&self, options: &Options, place: &Place) -> Result<Answers, Failure> {
        let folder = place.config.parent().unwrap_or_else(|| Path::new("."));
        let mut answers = Answers::blank();
        answers.sandbox.clone_from(&options.sandbox);
        let simulated = options.sandbox.is_some();
        if let Some(objection) = answers.objection("marketing_cloud.auth_base_url", folder) {
            return Err(refused("--sandbox", &objection));
        }
        let question = Question {
            flag: "--public-url",
            text: "Public URL, as browsers type it (https://tool.example.com)",
            default: simulated.then(|| "http://127.0.0.1:8080".to_owned()),
        };
        let put: Put = |answers, text| {
            text.trim_end_matches('/')
                .clone_into(&mut answers.public_url);
        };
        self.fill(
            &mut answers,
            &question,
            options.public_url.as_ref(),
            ("public_url", put),
        )?;
        let question = Question {
            flag: "--subdomain",
            text: "Subdomain of the package, or one of its URLs",
            default: simulated.then(|| "sandbox".to_owned()),
        };
        let put: Put = |answers, text| subdomain_in(&text).clone_into(&mut answers.subdomain);
        let given = known(options.subdomain.as_ref(), simulated.then_some("sandbox"));
        self.fill(
            &mut answers,
            &question,
            given.as_ref(),
            ("marketing_cloud.subdomain", put),
        )?;
        let question = Question {
            flag: "--client-type",
            text: "Type of its API Integration: web (has a secret) or public",
            default: Some("web".to_owned()),
        };
        let given = known(options.client_type.as_ref(), simulated.then_some("web"));
        let kind = self.ask(&question, given.as_ref(), |text| {
            let known = matches!(text, "web" | "public");
            (!known).then(|| "must be web or public".to_owned())
        })?;
        let question = Question {
            flag: "--client-id",
            text: "Client id",
            default: simulated.then(|| SANDBOX_CLIENT.to_owned()),
        };
        let given = known(
            options.client_id.as_ref(),
            simulated.then_some(SANDBOX_CLIENT),
        );
        let put: Put = |answers, text| answers.client_id = text;
        self.fill(
            &mut answers,
            &question,
            given.as_ref(),
            ("marketing_cloud.client_id", put),
        )?;
        let question = Question {
            flag: "--upstream",
            text: "The internal tool's address",
            default: Some("http://127.0.0.1:3000".to_owned()),
        };
        let put: Put = |answers, text| answers.upstream = text;
        self.fill(
            &mut answers,
            &question,
            options.upstream.as_ref(),
            ("routes[2].to", put),
        )?;
        if kind == "public" {
            answers.public = true;
            answers.secret = Secret::None;
        } else {
            answers.secret = self.secret(options, place)?;
        }
        if let Some(objection) = answers.objection("marketing_cloud.client_secret", folder) {
            return Err(refused("the client secret", &objection));
        }
        answers.token =
            options.token || self.confirm("May the tool have the person's access token?")?;
        self.front(options, &mut answers, folder)?;
        Ok(answers)
    }

    /// Puts an answer where the configuration's reader has nothing against it.
    fn fill(
        &self,
        answers: &mut Answers,
        question: &Question<'_>,
        given: Option<&String>,
        (key, put): (&str, Put),
    ) -> Result<(), Failure> {
        let text = self.ask(question, given, |text| {
            put(answers, text.to_owned());
            answers.objection(key, Path::new("."))
        })?;
        put(answers, text);
        Ok(())
    }

    /// Who ends TLS, and where to listen.
    fn front(
        &self,
        options: &Options,
        answers: &mut Answers,
        folder: &Path,
    ) -> Result<(), Failure> {
        if let (Some(certificate), Some(key)) = (&options.tls_cert, &options.tls_key) {
            answers.tls = Some((absolute(certificate), absolute(key)));
            if let Some(objection) = answers.objection("tls", folder) {
                return Err(refused("--tls-cert and --tls-key", &objection));
            }
        }
        let default = default_listen(&answers.public_url, answers.tls.is_some());
        let question = Question {
            flag: "--listen",
            text: "Where to listen (TLS ends in a proxy in front, unless --tls-cert is given)",
            default: Some(default),
        };
        let listen = self.ask(&question, options.listen.as_ref(), |text| {
            text.clone_into(&mut answers.listen);
            answers.objection("listen", folder)
        })?;
        answers.listen = listen;
        answers.admin_listen.clone_from(&options.admin_listen);
        match answers.objection("admin_listen", folder) {
            Some(objection) => Err(refused("--admin-listen", &objection)),
            None => Ok(()),
        }
    }

    /// Never on the command line, where everybody on the machine could read it.
    fn secret(&self, options: &Options, place: &Place) -> Result<Secret, Failure> {
        if let Some(file) = &options.client_secret_file {
            return Ok(Secret::File(absolute(file)));
        }
        if options.sandbox.is_some() {
            return Ok(Secret::Text(SANDBOX_SECRET.into()));
        }
        if options.client_secret_stdin {
            let mut line = Zeroizing::new(String::new());
            let read = std::io::stdin().read_line(&mut line);
            read.map_err(|error| refused("--client-secret-stdin", &error.to_string()))?;
            return Ok(Secret::Text(SecretString::from(line.trim_end().to_owned())));
        }
        if place.secret.exists() && !(self.asks && options.force) {
            return Ok(Secret::File("client-secret".to_owned()));
        }
        if !self.asks {
            let said = "--client-secret-file or --client-secret-stdin is missing";
            return Err(Failure::of(CommandFault::AnswerMissing, said));
        }
        loop {
            let ask = || self.terminal.say("Client secret (it is not shown): ");
            let secret = hidden::read(ask).map_err(|error| {
                Failure::of(
                    CommandFault::Interrupted,
                    format!("the client secret: {error}"),
                )
            })?;
            self.terminal.say("\n");
            let mut answers = Answers::blank();
            answers.secret = Secret::Text(secret.clone());
            match answers.objection("marketing_cloud.client_secret", Path::new(".")) {
                None => return Ok(Secret::Text(secret)),
                Some(objection) => self.terminal.say(&format!("  {objection}\n")),
            }
        }
    }

    /// Yes or no; no, where nobody is asked.
    fn confirm(&self, text: &str) -> Result<bool, Failure> {
        if !self.asks {
            return Ok(false);
        }
        let question = Question {
            flag: "",
            text,
            default: Some("no".to_owned()),
        };
        let said = self.ask(&question, None, |text| {
            let known = matches!(text, "y" | "yes" | "n" | "no");
            (!known).then(|| "must be yes or no".to_owned())
        })?;
        Ok(said.starts_with('y'))
    }

    /// The answer: the flag's, the person's, or the default. A person is asked until it is good.
    fn ask(
        &self,
        question: &Question<'_>,
        given: Option<&String>,
        mut objection: impl FnMut(&str) -> Option<String>,
    ) -> Result<String, Failure> {
        let Question {
            flag,
            text,
            default,
        } = question;
        if let Some(given) = given {
            return match objection(given) {
                None => Ok(given.clone()),
                Some(objection) => Err(refused(flag, &objection)),
            };
        }
        if !self.asks {
            let default = default.clone();
            return default.ok_or_else(|| {
                Failure::of(CommandFault::AnswerMissing, format!("{flag} is missing"))
            });
        }
        let shown = default.as_ref().map(|default| format!(" [{default}]"));
        let shown = shown.unwrap_or_default();
        loop {
            self.terminal.say(&format!("{text}{shown}: "));
            let said = self.line()?;
            let answer = match (said.as_str(), default) {
                ("", Some(default)) => default.clone(),
                _ => said,
            };
            match objection(&answer) {
                None => return Ok(answer),
                Some(objection) => self.terminal.say(&format!("  {objection}\n")),
            }
        }
    }

    fn line(&self) -> Result<String, Failure> {
        let mut line = String::new();
        match std::io::stdin().read_line(&mut line) {
            Ok(count) if count > 0 => Ok(line.trim().to_owned()),
            Ok(_) => {
                self.terminal.say("\n");
                let said = "there is no more input";
                Err(Failure::of(CommandFault::Interrupted, said))
            }
            Err(error) => Err(Failure::of(CommandFault::Interrupted, error)),
        }
    }
}

type Put = fn(&mut Answers, String);

fn refused(flag: &str, objection: &str) -> Failure {
    Failure::of(CommandFault::AnswerRefused, format!("{flag} {objection}"))
}

/// A flag, or what goes without saying.
fn known(given: Option<&String>, otherwise: Option<&str>) -> Option<String> {
    given.cloned().or_else(|| otherwise.map(str::to_owned))
}

/// People copy URLs: the subdomain is what stands before the API's name.
fn subdomain_in(text: &str) -> &str {
    let text = text.trim();
    let host = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = host.split(['/', ':', '?', '#']).next().unwrap_or(host);
    for api in ["auth", "rest", "soap"] {
        let end = format!(".{api}.marketingcloudapis.com");
        if let Some(subdomain) = host.strip_suffix(&end) {
            return subdomain;
        }
    }
    text
}

/// Where a site of this URL is served.
fn default_listen(public_url: &str, tls: bool) -> String {
    let url = url::Url::parse(public_url).ok();
    let port = url.as_ref().and_then(url::Url::port_or_known_default);
    match (port, tls) {
        (Some(port), true) => format!("0.0.0.0:{port}"),
        // On loopback browsers come straight here.
        (Some(port), false) if public_url.starts_with("http:") => format!("127.0.0.1:{port}"),
        _ => "127.0.0.1:8080".to_owned(),
    }
}

/// The same file, whatever directory the configuration is in.
fn absolute(path: &Path) -> String {
    let absolute = std::path::absolute(path);
    let absolute = absolute.unwrap_or_else(|_| path.to_owned());
    absolute.to_string_lossy().into_owned()
}

const SANDBOX_CLIENT: &str = "sandbox-web-client";

/// Guards nothing.
const SANDBOX_SECRET: &str = "sandbox-web-secret-do-not-use";
