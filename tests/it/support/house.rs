//! Several tenants in one gateway. Each is found at an address of its own in 127.0.0.0/8, so that browsers of
//! a test need no names; all connections go to the one listener.

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use sidegate::app::App;
use sidegate::app::Ports;
use sidegate::app::StartError;
use sidegate::config::Config;
use sidegate::config::Environment;
use sidegate::crypto::MasterKey;
use sidegate::crypto::OsEntropy;
use sidegate::sandbox::Sandbox;
use sidegate::sandbox::Settings;
use sidegate::sandbox::Tool;
use sidegate::time::Clock;
use sidegate::time::ManualClock;
use sidegate::time::UnixTime;

use super::browser::Answer;
use super::browser::Browser;
use super::gate::free_port;

/// A gateway with three tenants, of which the first two are even the same package of the same account.
pub struct House {
    pub clock: Arc<ManualClock>,
    pub app: App,
    /// By tenant.
    pub sandboxes: Vec<Sandbox>,
    _tools: Vec<Tool>,
    pub text: String,
    pub key: String,
    port: u16,
}

/// What the tenants are called.
pub const NAMES: [&str; 3] = ["acme", "globex", "initech"];

/// The secret of the first two tenants is read from this variable, that of the third from another.
pub const SECRET: &str = "sandbox-web-secret-do-not-use";

impl House {
    /// Three tenants with the usual settings.
    pub async fn start() -> Self {
        Self::with("", |_| String::new()).await
    }

    /// The same with further lines in the section `session` and after it, and in `marketing_cloud` of each
    /// tenant.
    pub async fn with(session: &str, package: impl Fn(usize) -> String) -> Self {
        let clock = Arc::new(ManualClock::at(UnixTime::from_millis(1_700_000_000_000)));
        let shared: Arc<dyn Clock> = clock.clone();
        let mut sandboxes = Vec::new();
        let mut tools = Vec::new();
        for _ in NAMES {
            let sandbox = Sandbox::start(
                Settings::default(),
                Arc::clone(&shared),
                Arc::new(OsEntropy),
            );
            sandboxes.push(sandbox.await.expect("the sandbox starts"));
            let tool = Tool::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
            tools.push(tool.await.expect("the tool starts"));
        }
        let keys = if session.contains("keys:") {
            ""
        } else {
            "  keys: [{ env: KEY }]\n"
        };
        let key = MasterKey::generate(&OsEntropy).to_text().to_string();
        for _ in 0..20 {
            let port = free_port();
            let tenant = |number: usize| {
                // The first two are alike in everything but their hosts.
                let at = number.max(1);
                let mut package = package(number);
                if !package.contains("client_secret") {
                    package.push_str("      client_secret: { env: SECRET }\n");
                }
                format!(
                    "  - name: {}\n    hosts: [\"http://127.0.0.{}:{port}\", \"http://127.0.1.{}:{port}\"]\n    \
                     marketing_cloud:\n      subdomain: sandbox\n      client_id: sandbox-web-client\n      auth_base_url: {}\n      instance_hosts: [\"{}\"]\n{}    \
                     routes:\n      - {{ path: /mc/rest/, to: rest }}\n      - {{ path: /open/, to: \"{tool}\", access: public, strip_prefix: true }}\n      \
                     - {{ path: /, to: \"{tool}\" }}\n",
                    NAMES[number],
                    number + 1,
                    number + 1,
                    sandboxes[at].origin(),
                    sandboxes[at].origin(),
                    package,
                    tool = tools[number].origin(),
                )
            };
            let text = format!(
                "listen: 127.0.0.1:{port}\nadmin_listen: 127.0.0.1:0\nworkers: 2\nlog: {{ level: trace, access: {} }}\n\
                 session:\n{keys}{session}\ntenants:\n{}",
                super::traced::directory().is_some(),
                (0..NAMES.len()).map(tenant).collect::<String>()
            );
            let config = configuration(&text, &key);
            let ports = Ports {
                clock: Arc::clone(&shared),
                records: super::traced::records(),
                ..Ports::default()
            };
            super::traced::begin();
            super::traced::secret("session key", &key);
            if let Ok(app) = App::start(config, &ports) {
                return Self {
                    clock,
                    app,
                    sandboxes,
                    _tools: tools,
                    text,
                    key,
                    port,
                };
            }
        }
        panic!("no port is free");
    }

    /// Puts another configuration into force while the gateway runs.
    pub fn take_over(&self, text: &str) {
        assert_eq!(self.turn_to(text).expect("good"), [""; 0]);
    }

    /// Tries to.
    pub fn turn_to(&self, text: &str) -> Result<Vec<&'static str>, StartError> {
        let config = configuration(text, &self.key);
        tokio::task::block_in_place(|| self.app.take_over(config))
    }

    /// What a probe is told.
    pub async fn readiness(&self) -> (u16, String) {
        let mut admin = Browser::new(self.app.admin_address());
        let answer = admin.fetch("/readyz").await;
        (answer.status, answer.text())
    }

    /// Where all connections go.
    pub fn door(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// The canonical host of a tenant.
    pub fn host(&self, tenant: usize) -> SocketAddr {
        self.numbered(0, tenant)
    }

    /// Another host of the same tenant.
    pub fn other_host(&self, tenant: usize) -> SocketAddr {
        self.numbered(1, tenant)
    }

    fn numbered(&self, row: u8, tenant: usize) -> SocketAddr {
        let last = u8::try_from(tenant + 1).expect("few tenants");
        SocketAddr::from(([127, 0, row, last], self.port))
    }

    /// A browser without cookies at a tenant's host.
    pub fn browser(&self, host: SocketAddr) -> Browser {
        let mut browser = Browser::new(host);
        browser.through = self.door();
        browser
    }

    /// A browser in which a person has signed in to a tenant.
    pub async fn signed_in(&self, tenant: usize, person: &str) -> Browser {
        let mut browser = self.browser(self.host(tenant));
        let answer = browser.sign_in("/", person).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        browser
    }

    /// A browser at `host` with the cookies of another.
    pub fn carrying(&self, host: SocketAddr, other: &Browser) -> Browser {
        let mut browser = self.browser(host);
        browser.jar = other.jar.clone();
        browser
    }

    /// The sandbox behind a tenant.
    pub fn sandbox(&self, tenant: usize) -> &Sandbox {
        &self.sandboxes[tenant.max(1)]
    }

    /// The metrics.
    pub async fn metrics(&self, accept: &str) -> Answer {
        let admin = self.app.admin_address();
        let fields = [("accept", accept)];
        let request =
            super::browser::request(admin, http::Method::GET, "/metrics", &fields, "".into());
        super::browser::exchange(admin, request).await
    }

    /// The value of a series.
    pub async fn metric(&self, series: &str) -> i64 {
        let text = self.metrics("").await.text();
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        let value = value.unwrap_or_else(|| panic!("no {series} in\n{text}"));
        value.parse().expect("a number")
    }
}

fn configuration(text: &str, key: &str) -> Config {
    let environment: Environment = [("KEY", key), ("SECRET", SECRET)].into_iter().collect();
    let loaded = Config::from_text("test.yaml", text, Path::new("."), &environment);
    loaded
        .unwrap_or_else(|problems| panic!("{problems}\n{text}"))
        .config
}
