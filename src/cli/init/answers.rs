//! What was answered, as a configuration; and what the reader of configurations says to each answer.

use std::path::Path;

use secrecy::ExposeSecret as _;
use secrecy::SecretString;

use crate::config::Config;
use crate::config::Environment;
use crate::config::scalar::list;
use crate::config::scalar::scalar;
use crate::crypto::MasterKey;
use crate::crypto::OsEntropy;

/// All answers; texts that the configuration's own reader has accepted.
pub(super) struct Answers {
    pub(super) public_url: String,
    pub(super) subdomain: String,
    pub(super) client_id: String,
    /// A public app has no secret.
    pub(super) public: bool,
    pub(super) secret: Secret,
    pub(super) upstream: String,
    /// Whether the tool gets the access token.
    pub(super) token: bool,
    pub(super) listen: String,
    pub(super) admin_listen: Option<String>,
    /// Certificate and key; without them a proxy in front ends TLS.
    pub(super) tls: Option<(String, String)>,
    /// Where the simulated tenant is, if it is that.
    pub(super) sandbox: Option<String>,
}

/// Where the client secret is.
pub(super) enum Secret {
    /// A public app's.
    None,
    /// To be written beside the configuration.
    Text(SecretString),
    /// There already, by this name.
    File(String),
}

impl Answers {
    /// Nothing answered, and nothing wrong: what a single answer is tried among.
    pub(super) fn blank() -> Self {
        Self {
            public_url: "https://tool.example.com".to_owned(),
            subdomain: "mc".to_owned(),
            client_id: "id".to_owned(),
            public: false,
            secret: Secret::Text("secret".into()),
            upstream: "http://127.0.0.1:3000".to_owned(),
            token: false,
            listen: "127.0.0.1:8080".to_owned(),
            admin_listen: None,
            tls: None,
            sandbox: None,
        }
    }

    /// What the reader of configurations has against the values of `key` and below it.
    pub(super) fn objection(&self, key: &str, folder: &Path) -> Option<String> {
        let master = MasterKey::generate(&OsEntropy).to_text();
        let mut variables = vec![(KEY, master.to_string())];
        let mut text = self
            .to_yaml()
            .replace("{ file: session-key }", "{ env: INIT_KEY }");
        if let Secret::Text(secret) = &self.secret {
            variables.push((SECRET, secret.expose_secret().to_owned()));
            text = text.replace("{ file: client-secret }", "{ env: INIT_SECRET }");
        }
        let environment: Environment = variables.into_iter().collect();
        let problems = Config::from_text("answers", &text, folder, &environment).err()?;
        let problem =
            (problems.as_slice().iter()).find(|problem| problem.key.as_str().starts_with(key))?;
        let hint = problem.hint.as_deref();
        let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
        let whose = match key {
            "" => format!("{}: ", problem.key),
            _ => String::new(),
        };
        Some(format!("{whose}{}{hint}", problem.message))
    }

    /// The redirect URI that follows.
    pub(super) fn redirect_uri(&self) -> String {
        format!("{}/oauth2/callback", self.public_url.trim_end_matches('/'))
    }

    /// The configuration.
    pub(super) fn to_yaml(&self) -> String {
        let mut lines = vec![
            "# Written by `sidegate init`. `sidegate check` reads it after a change; config/sidegate.yaml has every key.".to_owned(),
            format!("public_url: {}", scalar(&self.public_url)),
            format!("listen: {}", scalar(&self.listen)),
        ];
        if let Some(admin) = &self.admin_listen {
            lines.push(format!("admin_listen: {}", scalar(admin)));
        }
        match &self.tls {
            Some((certificate, key)) => {
                let (certificate, key) = (scalar(certificate), scalar(key));
                lines.push(format!(
                    "tls: {{ certificate_file: {certificate}, key_file: {key} }}"
                ));
            }
            None if self.public_url.starts_with("https:") => {
                lines.push("trusted_proxies: [127.0.0.1]    # who ends TLS in front, and may say X-Forwarded-For".to_owned());
            }
            None => {}
        }
        lines.extend([
            String::new(),
            "marketing_cloud:".to_owned(),
            format!("  subdomain: {}", scalar(&self.subdomain)),
            format!("  client_id: {}", scalar(&self.client_id)),
        ]);
        match &self.secret {
            Secret::None => lines.push("  client_type: public".to_owned()),
            Secret::Text(_) => lines.push("  client_secret: { file: client-secret }".to_owned()),
            Secret::File(name) => {
                lines.push(format!("  client_secret: {{ file: {} }}", scalar(name)));
            }
        }
        if let Some(sandbox) = &self.sandbox {
            lines.push(
                "  # The simulated tenant. Without these two lines it is Marketing Cloud."
                    .to_owned(),
            );
            lines.push(format!("  auth_base_url: {}", scalar(sandbox)));
            lines.push(format!("  instance_hosts: {}", list(&[sandbox])));
        }
        lines.extend([
            String::new(),
            "session:".to_owned(),
            "  keys: [{ file: session-key }]    # the first seals, all open".to_owned(),
            String::new(),
            "routes:    # the longest path that matches wins".to_owned(),
            "  - { path: /mc/rest/, to: rest }".to_owned(),
            "  - { path: /mc/soap/, to: soap }".to_owned(),
            "  - path: /".to_owned(),
            format!("    to: {}", scalar(&self.upstream)),
        ]);
        if self.token {
            lines.push("    token: bearer".to_owned());
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

const KEY: &str = "INIT_KEY";
const SECRET: &str = "INIT_SECRET";
