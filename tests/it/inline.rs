//! A gateway on the caller's thread, as measurements have it. Its runtime drives no sockets: whatever opened
//! one would panic.

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use sidegate::app::Inline;
use sidegate::app::Ports;
use sidegate::config::Config;
use sidegate::config::Environment;
use sidegate::crypto::MasterKey;
use sidegate::crypto::OsEntropy;
use sidegate::upstream::InProcess;
use sidegate::upstream::Resolve;
use sidegate::upstream::Resolving;
use sidegate::upstream::settings::Address;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::DuplexStream;
use tokio::runtime::LocalOptions;

use crate::support::traced;

#[test]
fn requests_go_through_a_gateway_in_memory() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build_local(LocalOptions::default())
        .expect("a runtime");
    runtime.block_on(async {
        let ports = Ports {
            resolver: Arc::new(Near),
            records: traced::records(),
            ..Ports::default()
        };
        let gateway = Inline::start(config(), &ports).expect("it starts");
        let (mut client, far) = tokio::io::duplex(ROOM);
        gateway.serve(far, SocketAddr::from((Ipv4Addr::LOCALHOST, 1)));
        // The second goes by the connection of the first, on both sides.
        for _ in 0..2 {
            let answer = ask(&mut client, "/open").await;
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
            assert!(answer.ends_with("\r\n\r\nGET /open HTTP/1.1"), "{answer}");
        }
        let answer = ask(&mut client, "/closed").await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        gateway.tick();
    });
}

async fn ask(client: &mut DuplexStream, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: tool.example.com\r\n\r\n");
    client.write_all(request.as_bytes()).await.expect("written");
    let mut answer = String::new();
    loop {
        let mut byte = [0];
        client.read_exact(&mut byte).await.expect("an answer");
        answer.push(char::from(byte[0]));
        if let Some((head, body)) = answer.split_once("\r\n\r\n")
            && format!("{head}\r\n").contains(&format!("\r\ncontent-length: {}\r\n", body.len()))
        {
            return answer;
        }
    }
}

fn config() -> Config {
    let key = MasterKey::generate(&OsEntropy).to_text();
    traced::secret("session key", &key);
    let text = "public_url: https://tool.example.com\nlisten: 127.0.0.1:0\nadmin_listen: 127.0.0.1:0\n\
        marketing_cloud: { subdomain: inline, client_id: inline, client_type: public }\n\
        session:\n  keys: [{ env: KEY }]\nroutes:\n\
        \x20 - { path: /open, to: \"http://127.0.0.1:1\", access: public }\n\
        \x20 - { path: /, to: \"http://127.0.0.1:1\" }\n";
    let environment: Environment = [("KEY", key.as_str())].into_iter().collect();
    let loaded = Config::from_text("inline.yaml", text, Path::new("."), &environment);
    loaded
        .unwrap_or_else(|problems| panic!("{problems}"))
        .config
}

/// The tool is here: it answers with the first line of what it hears.
struct Near;

impl Resolve for Near {
    fn resolve<'a>(&'a self, host: &'a str, _: u16) -> Resolving<'a> {
        panic!("nobody is to ask for {host}")
    }

    fn in_process(&self, address: &Address) -> Option<InProcess> {
        assert_eq!(address.to_string(), "http://127.0.0.1:1");
        Some(Box::new(|| {
            let (near, far) = tokio::io::duplex(ROOM);
            tokio::task::spawn(tool(far));
            near
        }))
    }
}

async fn tool(mut stream: DuplexStream) {
    let mut heard = Vec::new();
    while matches!(stream.read_buf(&mut heard).await, Ok(1..)) {
        let text = String::from_utf8_lossy(&heard);
        if let Some((line, _)) = text
            .ends_with("\r\n\r\n")
            .then(|| text.split_once("\r\n"))
            .flatten()
        {
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{line}",
                line.len()
            );
            stream.write_all(answer.as_bytes()).await.expect("heard");
            heard.clear();
        }
    }
}

const ROOM: usize = 64 * 1024;
