//! What the doctor is called to.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use sidegate::config::Config;
use sidegate::config::Environment;
use sidegate::crypto::OsEntropy;
use sidegate::doctor;
use sidegate::doctor::Finding;
use sidegate::doctor::Subject;
use sidegate::time::Clock;
use sidegate::time::SystemClock;
use sidegate::upstream::Resolve;
use sidegate::upstream::SystemResolver;

use super::Gate;
use super::process::code;
use super::process::run;
use super::process::sidegate;

/// A configuration and its surroundings.
pub struct Patient<'a> {
    pub text: String,
    pub key: &'a str,
    pub secret: &'a str,
    pub next: &'a str,
    pub clock: Arc<dyn Clock>,
    pub patience: Duration,
    /// A file of root certificates.
    pub roots: Option<String>,
    /// Who knows the addresses of names.
    pub resolver: Arc<dyn Resolve>,
    /// Where the program finds its configuration.
    pub folder: tempfile::TempDir,
}

impl<'a> Patient<'a> {
    /// The configuration of a running gateway.
    pub fn of(gate: &'a Gate) -> Self {
        Self {
            text: gate.text().to_owned(),
            key: &gate.key,
            secret: "sandbox-web-secret-do-not-use",
            next: "",
            clock: Arc::new(SystemClock),
            patience: doctor::PATIENCE,
            roots: None,
            resolver: Arc::new(SystemResolver),
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    /// All that is found.
    pub async fn examine(&self) -> Vec<Finding> {
        let variables = [
            ("KEY", self.key),
            ("SECRET", self.secret),
            ("NEXT", self.next),
        ];
        let environment: Environment = variables.into_iter().collect();
        let loaded = Config::from_text("doctor.yaml", &self.text, Path::new("."), &environment);
        let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}\n{}", self.text));
        let clock = Arc::clone(&self.clock);
        let resolver = Arc::clone(&self.resolver);
        let subject = Subject::new(loaded, clock, Arc::new(OsEntropy), resolver);
        let mut subject = subject.expect("a subject");
        subject.patience = self.patience;
        doctor::examine(&subject, |_| {}).await
    }

    /// The program's exit code and what it prints.
    pub async fn program(&self, json: bool) -> (i32, String) {
        let arguments: &[&str] = if json { &["--json"] } else { &[] };
        let output = run(self.command(arguments, &[])).await;
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{output:?}");
        (
            code(&output),
            String::from_utf8(output.stdout).expect("text"),
        )
    }

    /// The program, with further arguments and variables.
    pub fn command(&self, arguments: &[&str], more: &[(&str, &str)]) -> Command {
        let folder = self.folder.path();
        std::fs::write(folder.join("doctor.yaml"), &self.text).expect("written");
        let mut variables = vec![
            ("KEY", self.key),
            ("SECRET", self.secret),
            ("NEXT", self.next),
        ];
        variables.extend(self.roots.as_deref().map(|file| ("SSL_CERT_FILE", file)));
        variables.extend(more);
        let arguments = [&["doctor", "--config", "doctor.yaml"], arguments].concat();
        sidegate(folder, &arguments, &variables)
    }
}
