//! The page on nginx: what it puts in front of the gateway works.

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::process::Command;
use std::process::Stdio;

use super::blocks::Page;
use crate::support::Browser;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::Wire;
use crate::support::gate::free_port;
use crate::support::process::Running;
use crate::support::tell;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_in_front_passes_everything_on() {
    if Command::new("nginx").arg("-v").output().is_err() {
        tell("LEFT OUT: nginx in front: there is no nginx; tests/run installs it");
        return;
    }
    let port = free_port();
    let front = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let gate = Gate::with(Plan {
        public_url: Some(format!("http://{front}")),
        top: "trusted_proxies: [127.0.0.1]\n".to_owned(),
        ..Plan::default()
    })
    .await;
    let blocks = Page::named("deploy/docs/nginx.md").blocks();
    let server = blocks.iter().find(|block| block.language == "nginx");
    let mut server = server.expect("a server").text.clone();
    for (said, ours) in [
        ("listen 8443;", format!("listen {front};")),
        ("127.0.0.1:8080", gate.address().to_string()),
    ] {
        assert!(server.contains(said), "{server}");
        server = server.replace(said, &ours);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().display();
    let places: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {dir}/{name};\n"))
        .concat();
    // One process, so that its end is the end.
    let whole = format!(
        "daemon off;\nmaster_process off;\npid {dir}/pid;\nerror_log stderr notice;\nevents {{}}\n\
         http {{\naccess_log off;\n{places}{server}}}\n"
    );
    let file = folder.path().join("nginx.conf");
    std::fs::write(&file, whole).expect("written");
    let mut nginx = Command::new("nginx");
    nginx
        .args(["-e", "stderr", "-c"])
        .arg(&file)
        .arg("-p")
        .arg(folder.path())
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    let mut nginx = Running::by_log(nginx);
    assert!(nginx.line("RLIMIT_NOFILE").await.is_some(), "it starts");

    let mut ada = Browser::new(front);
    let signed_in = ada.sign_in("/", "ada").await;
    assert_eq!(signed_in.status, 303, "{signed_in:?}");
    let answer = ada.post("/echo/x", "hello").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = gate.tool.requests().pop().expect("it arrived");
    let host = front.to_string();
    for (name, value) in [
        ("host", host.as_str()),
        ("x-forwarded-host", &host),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-user", "10654321"),
    ] {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
    let api = ada.fetch("/mc/rest/platform/v1/tokenContext").await;
    assert_eq!(api.status, 202, "{api:?}");

    let mut wire = Wire::connect(front).await;
    wire.send(format!(
        "GET /ws HTTP/1.1\r\nHost: {front}\r\nOrigin: http://{front}\r\nCookie: sidegate={}\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        ada.jar["sidegate"]
    ))
    .await;
    let opened = wire.message().await.expect("an answer");
    assert_eq!(opened.status(), 101, "{opened:?}");
}
