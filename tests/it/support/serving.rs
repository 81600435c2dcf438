//! The program as a process, with a tool behind it that anybody may ask.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;

use super::process::Running;
use super::process::sidegate;

/// A running gateway.
pub struct Serving {
    pub running: Running,
    pub public: SocketAddr,
    pub admin: SocketAddr,
}

/// A configuration whose only route is open to anybody; `top` are further top-level lines.
pub fn configuration(tool: &str, top: &str) -> String {
    format!(
        "public_url: http://127.0.0.1:8080\nadmin_listen: 127.0.0.1:0\n{top}\n\
         marketing_cloud:\n  subdomain: sandbox\n  client_id: abc\n  client_secret: {{ env: SECRET }}\n\
         session:\n  keys: [{{ env: KEY }}]\n\
         routes:\n  - {{ path: /, to: \"{tool}\", access: public }}\n"
    )
}

/// Writes `configuration` into `folder` and starts it.
pub async fn start(folder: &Path, configuration: &str) -> Serving {
    std::fs::write(folder.join("sidegate.yaml"), configuration).expect("written");
    run(folder, &[]).await
}

/// Starts what is configured in `folder`, with further `variables`.
pub async fn run(folder: &Path, variables: &[(&str, &str)]) -> Serving {
    let usual = [("KEY", KEY), ("SECRET", "s")];
    let variables: Vec<_> = usual.iter().chain(variables).copied().collect();
    let command = sidegate(folder, &["serve", "--config", "sidegate.yaml"], &variables);
    let mut running = Running::by_log(command);
    let started = started(&mut running).await;
    Serving {
        public: started.public,
        admin: started.admin,
        running,
    }
}

/// What the log says of a start.
pub struct Started {
    pub pid: u32,
    pub public: SocketAddr,
    pub admin: SocketAddr,
}

/// The next start that the log tells of.
pub async fn started(running: &mut Running) -> Started {
    let line = running.line("\"event\":\"started\"").await;
    let started: Value = serde_json::from_str(&line.expect("it starts")).expect("JSON");
    let address = |key: &str| started[key].as_str().and_then(|text| text.parse().ok());
    let pid = started["pid"].as_u64().and_then(|pid| pid.try_into().ok());
    Started {
        pid: pid.expect("a process id"),
        public: address("listen").unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0))),
        admin: address("admin").expect("an address"),
    }
}

/// 32 bytes that guard nothing.
pub const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// What asks for `path`.
pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n")
}
