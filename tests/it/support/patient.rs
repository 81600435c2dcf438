//! What the doctor is called to.

use std::path::Path;
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
        let mut subject = Subject::new(loaded, clock, Arc::new(OsEntropy)).expect("a subject");
        subject.patience = self.patience;
        doctor::examine(&subject, |_| {}).await
    }

    /// The program's exit code and what it prints.
    pub async fn program(&self, json: bool) -> (i32, String) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("doctor.yaml"), &self.text).expect("written");
        let mut arguments = vec!["doctor", "--config", "doctor.yaml"];
        arguments.extend(json.then_some("--json"));
        let mut variables = vec![
            ("KEY", self.key),
            ("SECRET", self.secret),
            ("NEXT", self.next),
        ];
        variables.extend(self.roots.as_deref().map(|file| ("SSL_CERT_FILE", file)));
        let output = run(sidegate(folder.path(), &arguments, &variables)).await;
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{output:?}");
        (
            code(&output),
            String::from_utf8(output.stdout).expect("text"),
        )
    }
}
