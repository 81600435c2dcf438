//! `sidegate demo`: tenant, tool and gateway on loopback, nothing to prepare.

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use super::Exit;
use super::Failure;
use super::Terminal;
use super::terminal::Tone;
use crate::app::App;
use crate::app::Ports;
use crate::config::Config;
use crate::config::Environment;
use crate::config::report;
use crate::crypto::MasterKey;
use crate::crypto::OsEntropy;
use crate::http::Origin;
use crate::lifecycle;
use crate::net::listener;
use crate::sandbox::Sandbox;
use crate::sandbox::Settings;
use crate::sandbox::Tool;
use crate::telemetry::log;
use crate::time::Clock as _;
use crate::time::SystemClock;

/// What can be said about the demonstration on the command line.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The gateway's port; without it 8080, or a free one if that is taken
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    /// Open the browser
    #[arg(long)]
    open: bool,
}

/// Runs the demonstration until it is told to stop.
pub(super) fn run(options: &Options, terminal: Terminal) -> Result<(), Failure> {
    let internal = |error: std::io::Error| Failure::new(Exit::Internal, error);
    let port = free_port(options.port)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(internal)?;
    let stopped = {
        let _entered = runtime.enter();
        lifecycle::stop_signal().map_err(internal)?
    };
    let (sandbox, tool) = runtime.block_on(start_neighbours()).map_err(internal)?;
    // Nobody types this one, so any will do: the usual one is still free, and wanted by the other gateway.
    let framed_port = free_port(Some(0))?;
    let (tenant, desk) = (sandbox.origin(), tool.origin());
    // Another name of this machine is another site, so that the frame is a stranger's, as in life.
    let shell = format!("http://localhost:{}", tenant.port());
    let alone = settings(&configuration(port, &tenant, &desk, "false"))?;
    let ancestors = format!("{{ frame_ancestors: [\"{shell}\"] }}");
    let framed = settings(&configuration(framed_port, &tenant, &desk, &ancestors))?;
    log::init(alone.log);
    let url = alone.first.public_url.to_string();
    let inside = format!("{shell}/cloud/?app={}/", framed.first.public_url);
    let unavailable = |error| Failure::new(Exit::Unavailable, error);
    let apps = [
        App::start(alone, &Ports::default()).map_err(unavailable)?,
        App::start(framed, &Ports::default()).map_err(unavailable)?,
    ];
    let strong = |url: &str| Tone::Strong.paint(url).to_string();
    terminal.say(&format!(
        "Open {}\nInside Marketing Cloud: {}\n\nEverything runs on this machine: tenant {tenant}, tool {desk}.\n\
         Sign in as anybody. Press Ctrl-C to stop.\n",
        strong(&format!("{url}/")),
        strong(&inside)
    ));
    if options.open {
        open(&url);
    }
    runtime.block_on(stopped);
    for app in apps {
        app.stop(DRAIN);
    }
    runtime.block_on(async {
        tool.shutdown().await;
        sandbox.shutdown().await;
    });
    Ok(())
}

/// Each gateway has a key of its own.
fn settings(text: &str) -> Result<Config, Failure> {
    let key = MasterKey::generate(&OsEntropy).to_text();
    let environment: Environment = [
        ("SIDEGATE_DEMO_KEY", key.as_str()),
        ("SIDEGATE_DEMO_SECRET", SECRET),
    ]
    .into_iter()
    .collect();
    let loaded = Config::from_text("demo", text, Path::new("."), &environment);
    // The text is ours, so a problem in it is a defect of ours.
    loaded.map(|loaded| loaded.config).map_err(|problems| {
        Failure::new(
            Exit::Internal,
            report(&Err(problems), false, false, SystemClock.now()).text,
        )
    })
}

async fn start_neighbours() -> std::io::Result<(Sandbox, Tool)> {
    let sandbox = Sandbox::start(
        Settings::default(),
        Arc::new(SystemClock),
        Arc::new(OsEntropy),
    )
    .await?;
    let tool = Tool::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    Ok((sandbox, tool))
}

fn configuration(port: u16, tenant: &Origin, tool: &Origin, embedded: &str) -> String {
    format!(
        r#"
public_url: http://127.0.0.1:{port}
listen: 127.0.0.1:{port}
admin_listen: 127.0.0.1:0
workers: 1
log: {{ level: warn, format: text, access: false }}
marketing_cloud:
  subdomain: sandbox
  client_id: sandbox-web-client
  client_secret: {{ env: SIDEGATE_DEMO_SECRET }}
  auth_base_url: {tenant}
  instance_hosts: ["{tenant}"]
session:
  keys: [{{ env: SIDEGATE_DEMO_KEY }}]
  embedded: {embedded}
routes:
  - {{ path: /mc/rest/, to: rest }}
  - {{ path: /mc/soap/, to: soap }}
  - {{ path: /, to: {tool} }}
"#
    )
}

/// The port that was asked for, the usual one, or any: checked by listening on it for a moment.
fn free_port(asked: Option<u16>) -> Result<u16, Failure> {
    let candidates = asked.map_or_else(|| vec![USUAL_PORT, 0], |port| vec![port]);
    let mut last = None;
    for port in candidates {
        match listener::bind_tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
            .and_then(|socket| socket.local_addr())
        {
            Ok(address) => return Ok(address.port()),
            Err(error) => last = Some(format!("cannot listen on 127.0.0.1:{port}: {error}")),
        }
    }
    Err(Failure::new(Exit::Unavailable, last.unwrap_or_default()))
}

/// Opens a browser, if this machine knows how to; the URL is on the terminal anyway.
fn open(url: &str) {
    let opener = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let spawned = Command::new(opener)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    if let Err(error) = spawned {
        tracing::warn!(%error, "No browser could be opened.");
    }
}

/// The secret of the sandbox's ready-made web app, which guards nothing.
const SECRET: &str = "sandbox-web-secret-do-not-use";

const USUAL_PORT: u16 = 8080;

const DRAIN: Duration = Duration::from_secs(2);
