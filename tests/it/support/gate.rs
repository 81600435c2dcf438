//! The gateway under test and its neighbours.

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sidegate::app::App;
use sidegate::app::Ports;
use sidegate::app::StartError;
use sidegate::config::Config;
use sidegate::config::Environment;
use sidegate::crypto::MasterKey;
use sidegate::crypto::OsEntropy;
use sidegate::sandbox::Control;
use sidegate::sandbox::Sandbox;
use sidegate::sandbox::Settings;
use sidegate::sandbox::Tool;
use sidegate::telemetry::sink::Sink;
use sidegate::time::Clock;
use sidegate::time::ManualClock;
use sidegate::time::UnixTime;
use sidegate::upstream::Resolve;
use sidegate::upstream::SystemResolver;

use super::browser::Browser;
use super::browser::split_url;
use super::tap::Edit;
use super::tap::Tap;
use super::traced;

/// A running gateway with its tenant and tool. One clock rules all three and moves only when told.
pub struct Gate {
    pub clock: Arc<ManualClock>,
    pub sandbox: Sandbox,
    pub tool: Tool,
    pub key: String,
    /// The wire to the tenant, where the plan asked for one.
    pub tap: Option<Tap>,
    app: Option<App>,
    /// The gateway's own.
    shown: Arc<dyn Clock>,
    port: u16,
    text: String,
    resolver: Arc<dyn Resolve>,
}

/// A second gateway of a site; it runs as long as this is kept.
pub struct Twin {
    pub address: SocketAddr,
    app: App,
}

impl Twin {
    /// Its admin listener.
    pub fn admin(&self) -> SocketAddr {
        self.app.admin_address()
    }
}

/// What a test wants to be different.
pub struct Plan {
    /// The tenant.
    pub sandbox: Settings,
    /// `client_type` and what belongs to it, as lines under `marketing_cloud`.
    pub client: String,
    /// Further lines under `marketing_cloud`; `TENANT_PORT` stands for the sandbox's port.
    pub marketing_cloud: String,
    /// Further lines under `session`.
    pub session: String,
    /// Further top-level lines.
    pub top: String,
    /// The routes; `TOOL` stands for the tool's origin.
    pub routes: String,
    /// The tenant hosts that tokens may go to; `None` is the sandbox itself, for which
    /// `SANDBOX` stands.
    pub instance_hosts: Option<String>,
    /// The list of session keys.
    pub keys: String,
    /// The session key; `None` makes one.
    pub key: Option<String>,
    /// What browsers type, where that is not the gateway's own address.
    pub public_url: Option<String>,
    /// Whether a [`Tap`] stands between gateway and tenant.
    pub tapped: bool,
    /// What the tap does to token replies.
    pub edit: Option<Edit>,
    /// Whether browsers come by https; `tls` stands in `top` then.
    pub https: bool,
    /// The gateway's clock, made from that of the others; `None` is the same.
    pub clock: Option<MakeClock>,
    /// Who knows the addresses of names.
    pub resolver: Arc<dyn Resolve>,
    /// Further keys of `log`, and where access records go.
    pub access: Option<(String, Sink)>,
}

/// Makes a clock from the one that shows the right time.
pub type MakeClock = Box<dyn FnOnce(&Arc<ManualClock>) -> Arc<dyn Clock> + Send>;

impl Default for Plan {
    fn default() -> Self {
        Self {
            sandbox: Settings::default(),
            client: WEB.to_owned(),
            marketing_cloud: String::new(),
            session: String::new(),
            top: String::new(),
            routes: ROUTES.to_owned(),
            instance_hosts: None,
            keys: "[{ env: KEY }]".to_owned(),
            key: None,
            public_url: None,
            tapped: false,
            edit: None,
            https: false,
            clock: None,
            resolver: Arc::new(SystemResolver),
            access: None,
        }
    }
}

/// A web app: confidential, with the sandbox's ready-made secret.
pub const WEB: &str = "  client_id: sandbox-web-client\n  client_secret: { env: SECRET }\n";

/// A public app.
pub const PUBLIC: &str = "  client_id: sandbox-public-client\n  client_type: public\n";

const ROUTES: &str = "
  - { path: /mc/rest/, to: rest }
  - { path: /open/, to: TOOL, access: public }
  - { path: /maybe/, to: TOOL, access: optional }
  - { path: /bearer/, to: TOOL, token: bearer, strip_prefix: true }
  - { path: /, to: TOOL }
";

impl Gate {
    /// The usual gateway.
    pub async fn start() -> Self {
        Self::with(Plan::default()).await
    }

    /// A gateway as planned.
    pub async fn with(plan: Plan) -> Self {
        let clock = Arc::new(ManualClock::at(UnixTime::from_millis(1_700_000_000_000)));
        let shared: Arc<dyn Clock> = clock.clone();
        let sandbox = Sandbox::start(plan.sandbox, Arc::clone(&shared), Arc::new(OsEntropy))
            .await
            .expect("the sandbox starts");
        let shown = plan
            .clock
            .map_or_else(|| Arc::clone(&shared), |make| make(&clock));
        let tool = Tool::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .await
            .expect("the tool starts");
        let tap = if plan.tapped || plan.edit.is_some() {
            let (tenant, _) = split_url(&sandbox.origin().to_string());
            Some(Tap::start(tenant, plan.edit).await)
        } else {
            None
        };
        let auth = tap
            .as_ref()
            .map_or_else(|| sandbox.origin().to_string(), Tap::origin);
        let key = plan
            .key
            .unwrap_or_else(|| MasterKey::generate(&OsEntropy).to_text().to_string());
        let records = match &plan.access {
            Some((_, sink)) => sink.clone(),
            None => traced::records(),
        };
        // The public URL has to be known before the gateway listens; another process may take the port.
        for _ in 0..20 {
            let port = free_port();
            let hosts = plan
                .instance_hosts
                .clone()
                .unwrap_or_else(|| "\"SANDBOX\"".to_owned())
                .replace("SANDBOX", &sandbox.origin().to_string());
            let scheme = if plan.https { "https" } else { "http" };
            let public_url = plan
                .public_url
                .clone()
                .unwrap_or_else(|| format!("{scheme}://127.0.0.1:{port}"));
            let text = format!(
                "public_url: {public_url}\nlisten: 127.0.0.1:{port}\nadmin_listen: 127.0.0.1:0\nworkers: 2\n\
                 log: {{ level: trace, access: {} }}\n{}\nmarketing_cloud:\n  subdomain: sandbox\n{}  auth_base_url: {}\n  \
                 instance_hosts: [{hosts}]\n{}\nsession:\n  keys: {}\n{}\nroutes:{}",
                match &plan.access {
                    Some((keys, _)) => format!("true{keys}"),
                    None => traced::directory().is_some().to_string(),
                },
                plan.top,
                plan.client,
                auth,
                plan.marketing_cloud,
                plan.keys,
                plan.session,
                plan.routes.replace("TOOL", &tool.origin().to_string()),
            )
            .replace("TENANT_PORT", &sandbox.origin().port().to_string());
            if let Ok(app) = launch_on(&records, &text, &key, &shown, &plan.resolver) {
                return Self {
                    clock,
                    sandbox,
                    tool,
                    key,
                    tap,
                    app: Some(app),
                    shown,
                    port,
                    text,
                    resolver: plan.resolver,
                };
            }
        }
        panic!("no port is free");
    }

    /// Ends the gateway and starts it again at the same address, with `key`.
    pub async fn restart(&mut self, key: &str) {
        let app = self.app.take().expect("running");
        tokio::task::spawn_blocking(move || app.stop(Duration::from_secs(5)))
            .await
            .expect("stops");
        key.clone_into(&mut self.key);
        let app =
            launch(&self.text, key, &self.shown, &self.resolver).expect("its port is still free");
        self.app = Some(app);
    }

    /// Another gateway of the same site, with the same key and a clock of its own.
    pub fn twin(&self, clock: &Arc<ManualClock>) -> Twin {
        let clock: Arc<dyn Clock> = clock.clone();
        for _ in 0..20 {
            let port = free_port();
            let own = format!("listen: 127.0.0.1:{}\n", self.port);
            let text = self
                .text
                .replace(&own, &format!("listen: 127.0.0.1:{port}\n"));
            if let Ok(app) = launch(&text, &self.key, &clock, &self.resolver) {
                let address = app.public_address();
                return Twin { address, app };
            }
        }
        panic!("no port is free");
    }

    /// Another gateway of the same site, now, with another configuration.
    pub fn changed(&self, change: impl Fn(&str) -> String) -> Twin {
        let listen = format!("listen: 127.0.0.1:{}\n", self.port);
        let text = change(&self.text.replace(&listen, "listen: 127.0.0.1:0\n"));
        let app = launch(&text, &self.key, &self.shown, &self.resolver).expect("it starts");
        let address = app.public_address();
        Twin { address, app }
    }

    /// Puts another configuration into force while the gateway runs: its own with a change.
    pub fn take_over(
        &self,
        change: impl Fn(&str) -> String,
    ) -> Result<Vec<&'static str>, StartError> {
        let config = configuration(&change(&self.text), &self.key);
        tokio::task::block_in_place(|| self.app().take_over(config))
    }

    /// The wire to the tenant.
    pub fn tap(&self) -> &Tap {
        self.tap.as_ref().expect("the plan asked for it")
    }

    /// The gateway's configuration.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The gateway's address.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// What browsers type.
    pub fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The running app.
    pub fn app(&self) -> &App {
        self.app.as_ref().expect("running")
    }

    /// The tenant's faults, counters and records.
    pub fn control(&self) -> Control {
        self.sandbox.control()
    }

    /// A browser without cookies.
    pub fn browser(&self) -> Browser {
        Browser::new(self.address())
    }

    /// A browser in which a person has signed in.
    pub async fn signed_in(&self, person: &str) -> Browser {
        let mut browser = self.browser();
        let answer = browser.sign_in("/", person).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        browser
    }

    /// Another process of the same gateway, at an address of its own.
    pub fn replica(&self) -> App {
        let listen = format!("\nlisten: 127.0.0.1:{}\n", self.port);
        assert!(self.text.contains(&listen));
        let text = self.text.replace(&listen, "\nlisten: 127.0.0.1:0\n");
        let shared: Arc<dyn Clock> = self.clock.clone();
        launch(&text, &self.key, &shared, &self.resolver).expect("a replica starts")
    }

    /// Moves all three clocks.
    pub fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Ends the gateway as SIGTERM does.
    pub async fn stop(mut self) {
        let app = self.app.take().expect("running");
        tokio::task::spawn_blocking(move || app.stop(Duration::from_secs(5)))
            .await
            .expect("stops");
    }
}

fn launch(
    text: &str,
    key: &str,
    clock: &Arc<dyn Clock>,
    resolver: &Arc<dyn Resolve>,
) -> Result<App, StartError> {
    launch_on(&traced::records(), text, key, clock, resolver)
}

fn launch_on(
    records: &Sink,
    text: &str,
    key: &str,
    clock: &Arc<dyn Clock>,
    resolver: &Arc<dyn Resolve>,
) -> Result<App, StartError> {
    let ports = Ports {
        clock: Arc::clone(clock),
        entropy: Arc::new(OsEntropy),
        resolver: Arc::clone(resolver),
        records: records.clone(),
    };
    traced::begin();
    traced::secret("session key", key);
    App::start(configuration(text, key), &ports)
}

fn configuration(text: &str, key: &str) -> Config {
    let environment: Environment = [("KEY", key), ("SECRET", "sandbox-web-secret-do-not-use")]
        .into_iter()
        .collect();
    let loaded = Config::from_text("test.yaml", text, Path::new("."), &environment);
    loaded
        .unwrap_or_else(|problems| panic!("{problems}\n{text}"))
        .config
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let socket = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    socket.local_addr().expect("bound").port()
}
