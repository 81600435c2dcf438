//! What another configuration means for connections that are open: those that would have to prove something
//! else today end after their next answer, all others go on.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::IsCa;
use rcgen::KeyPair;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::support::Gate;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::h2::END_STREAM;
use crate::support::h2::Frames;
use crate::support::h2::GOAWAY;
use crate::support::h2::HEADERS;
use crate::support::h2::SETTINGS;
use crate::tls;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_required_now_is_required_of_those_who_are_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let (puppet, arrived, go_on) = waiting().await;
    let gate = with_files(folder.path(), &puppet).await;
    let mut idle = connect(&gate).await;
    assert_eq!(ask(&gate, &mut idle, "/x").await, Some(Answered::GoesOn));
    let mut busy = connect(&gate).await;
    say(&gate, &mut busy, "/slow").await;
    arrived.notified().await;
    let stream = tls::connect(&gate, &["h2"]).await.expect("a handshake");
    let mut frames = Frames::over(stream).await;
    get(&gate, &mut frames, 1).await;
    next(&mut frames, HEADERS).await;
    gate.take_over(|text| clients(text, "required"))
        .expect("good");
    go_on.notify_one();
    assert_eq!(hear(&mut busy).await, Some(Answered::Closes), "not lost");
    ends(&mut busy).await;
    // A connection that was quiet for long may have been ended without a word.
    let last = ask(&gate, &mut idle, "/x").await;
    assert_ne!(last, Some(Answered::GoesOn));
    ends(&mut idle).await;
    next(&mut frames, GOAWAY).await;
    if let Some(mut stream) = tls::connect(&gate, &["http/1.1"]).await {
        assert_eq!(ask(&gate, &mut stream, "/x").await, None, "no certificate");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_nothing_of_what_is_proven_ends_no_connection() {
    let folder = tempfile::tempdir().expect("a folder");
    let (puppet, ..) = waiting().await;
    let gate = with_files(folder.path(), &puppet).await;
    let optional: Change = |text| clients(text, "optional");
    let trusting: Change =
        |text| clients(&format!("trusted_proxies: [192.0.2.1]\n{text}"), "optional");
    let longer: Change = |text| text.replace("session:\n", "session:\n  lifetime: 6h\n");
    let told: Change = |text| {
        clients(text, "optional")
            .replace(", client_auth", ", client_cert_header: true, client_auth")
    };
    let moved: Change = |text| clients(text, "optional").replace("tls.crt", "other.crt");
    for (name, change, ends) in [
        ("lifetime", longer, false),
        ("optional", optional, true),
        ("once more", optional, false),
        ("trusted_proxies", trusting, true),
        ("no trusted_proxies", optional, true),
        ("client_cert_header", told, true),
        ("not told", optional, true),
        ("renewed", optional, false),
        ("moved", moved, false),
        ("moved back", optional, false),
        ("another authority", optional, true),
        ("no clients", str::to_owned, true),
    ] {
        match name {
            "renewed" => {
                certificate(folder.path());
                gate.app().reread();
            }
            "moved" => {
                let (from, to) = (
                    folder.path().join("tls.crt"),
                    folder.path().join("other.crt"),
                );
                std::fs::copy(from, to).expect("copied");
            }
            "another authority" => authority(folder.path()),
            _ => {}
        }
        let mut stream = connect(&gate).await;
        assert_eq!(ask(&gate, &mut stream, "/x").await, Some(Answered::GoesOn));
        gate.take_over(change).expect("good");
        let answer = ask(&gate, &mut stream, "/x").await;
        assert_eq!(answer != Some(Answered::GoesOn), ends, "{name}");
        if !ends {
            assert_eq!(ask(&gate, &mut stream, "/x").await, Some(Answered::GoesOn));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_spoken_binds_those_who_are_there() {
    let (puppet, ..) = waiting().await;
    let gate = Gate::with(Plan {
        routes: puppet.route(", access: public"),
        ..Plan::default()
    })
    .await;
    for top in [
        "h2c: true\n",
        "trusted_proxies: [127.0.0.1]\n",
        "tls: self_signed\n",
        "proxy_protocol: true\ntrusted_proxies: [127.0.0.1]\n",
    ] {
        gate.take_over(str::to_owned).expect("good");
        let mut stream = TcpStream::connect(gate.address()).await.expect("connects");
        assert_eq!(ask(&gate, &mut stream, "/x").await, Some(Answered::GoesOn));
        gate.take_over(|text| format!("{top}{text}")).expect("good");
        let answer = ask(&gate, &mut stream, "/x").await;
        assert_ne!(answer, Some(Answered::GoesOn), "{top}");
        ends(&mut stream).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_switched_off_and_on_at_the_same_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let (puppet, ..) = waiting().await;
    let with: Change = str::to_owned;
    let without: Change = |text| {
        let lines = text.lines().filter(|line| !line.starts_with("tls:"));
        lines.flat_map(|line| [line, "\n"]).collect()
    };
    let gate = with_files(folder.path(), &puppet).await;
    for round in 0..2 {
        let mut encrypted = connect(&gate).await;
        assert_eq!(
            ask(&gate, &mut encrypted, "/x").await,
            Some(Answered::GoesOn)
        );
        assert_eq!(gate.take_over(without).expect("good"), [""; 0], "{round}");
        assert_ne!(
            ask(&gate, &mut encrypted, "/x").await,
            Some(Answered::GoesOn)
        );
        ends(&mut encrypted).await;
        assert!(tls::connect(&gate, &["http/1.1"]).await.is_none());
        let mut plain = TcpStream::connect(gate.address()).await.expect("connects");
        assert_eq!(ask(&gate, &mut plain, "/x").await, Some(Answered::GoesOn));
        assert_eq!(gate.take_over(with).expect("good"), [""; 0], "{round}");
        assert_ne!(ask(&gate, &mut plain, "/x").await, Some(Answered::GoesOn));
        ends(&mut plain).await;
        let mut plain = TcpStream::connect(gate.address()).await.expect("connects");
        say(&gate, &mut plain, "/x").await;
        let mut heard = Vec::new();
        let _cut = in_time(plain.read_to_end(&mut heard)).await;
        assert!(!heard.starts_with(b"HTTP/1.1 200"), "not in the clear");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_came_with_a_reload_is_renewed_like_any_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let (puppet, ..) = waiting().await;
    let gate = Gate::with(Plan {
        routes: puppet.route(", access: public"),
        ..Plan::default()
    })
    .await;
    certificate(folder.path());
    let at = folder.path().display();
    let tls = format!("tls: {{ certificate_file: {at}/tls.crt, key_file: {at}/tls.key }}\n");
    let waiting = gate.take_over(|text| format!("{tls}{text}")).expect("good");
    assert_eq!(waiting, [""; 0]);
    let shown = async || {
        let stream = tls::connect(&gate, &["http/1.1"]).await.expect("TLS");
        let shown = stream.get_ref().1.peer_certificates().expect("some");
        shown.first().expect("one").to_vec()
    };
    let first = shown().await;
    certificate(folder.path());
    assert_eq!(shown().await, first, "not read yet");
    gate.app().reread();
    assert_ne!(shown().await, first);
}

/// What becomes of a configuration.
type Change = fn(&str) -> String;

/// What an answer says of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answered {
    GoesOn,
    Closes,
}

/// A tool that answers at once, but for `/slow`: of that it tells, and waits until it may.
async fn waiting() -> (Puppet, Arc<Notify>, Arc<Notify>) {
    let (arrived, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let told = (Arc::clone(&arrived), Arc::clone(&go_on));
    let puppet = Puppet::playing(move |_, mut line| {
        let (arrived, go_on) = told.clone();
        async move {
            while let Some(request) = line.request().await {
                if request.head.starts_with("GET /slow") {
                    arrived.notify_one();
                    go_on.notified().await;
                }
                line.say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                    .await;
            }
        }
    })
    .await;
    (puppet, arrived, go_on)
}

/// A gateway with a certificate in `folder`, where an authority is as well.
async fn with_files(folder: &Path, puppet: &Puppet) -> Gate {
    certificate(folder);
    authority(folder);
    let folder = folder.display();
    Gate::with(Plan {
        https: true,
        top: format!("tls: {{ certificate_file: {folder}/tls.crt, key_file: {folder}/tls.key }}\n"),
        routes: puppet.route(", access: public"),
        ..Plan::default()
    })
    .await
}

fn certificate(folder: &Path) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
    let made = params.self_signed(&key).expect("a certificate");
    std::fs::write(folder.join("tls.key"), key.serialize_pem()).expect("written");
    std::fs::write(folder.join("tls.crt"), made.pem()).expect("written");
}

fn authority(folder: &Path) {
    let mut params = CertificateParams::new([]).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let made = params.self_signed(&key).expect("a certificate");
    std::fs::write(folder.join("ca.crt"), made.pem()).expect("written");
}

/// The configuration of [`with_files`] that asks clients for certificates.
fn clients(text: &str, auth: &str) -> String {
    let (before, after) = text.split_once("/tls.key").expect("a key");
    let (_, folder) = before.rsplit_once(' ').expect("a folder");
    format!("{before}/tls.key, client_ca_file: {folder}/ca.crt, client_auth: {auth}{after}")
}

async fn connect(gate: &Gate) -> impl AsyncRead + AsyncWrite + Unpin + use<> {
    let stream = tls::connect(gate, &["http/1.1"]).await;
    stream.expect("a handshake")
}

async fn ask(
    gate: &Gate,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    path: &str,
) -> Option<Answered> {
    say(gate, stream, path).await;
    hear(stream).await
}

/// A request; a peer that has gone is no failure here, what comes back is what counts.
async fn say(gate: &Gate, stream: &mut (impl AsyncWrite + Unpin), path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address());
    let _written = stream.write_all(request.as_bytes()).await;
    let _flushed = stream.flush().await;
}

/// The next answer, which is a good one; `None` at the end of the connection.
async fn hear(stream: &mut (impl AsyncRead + Unpin)) -> Option<Answered> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head.push(char::from(in_time(stream.read_u8()).await.ok()?));
    }
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert!(head.contains("\r\ncontent-length: 0\r\n"), "{head}");
    let closes = head.contains("\r\nconnection: close\r\n");
    Some(if closes {
        Answered::Closes
    } else {
        Answered::GoesOn
    })
}

async fn ends(stream: &mut (impl AsyncRead + Unpin)) {
    let more = in_time(stream.read_u8()).await;
    assert!(more.is_err(), "nothing more comes: {more:?}");
}

async fn get<S: AsyncRead + AsyncWrite + Unpin>(gate: &Gate, frames: &mut Frames<S>, stream: u32) {
    let host = gate.address().to_string();
    let fields = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", host.as_str()),
        (":path", "/x"),
    ];
    frames.headers(stream, &fields, END_STREAM).await;
}

/// Waits for a frame of this kind.
async fn next<S: AsyncRead + AsyncWrite + Unpin>(frames: &mut Frames<S>, wanted: u8) {
    loop {
        let (kind, flags, ..) = frames.frame().await.expect("the connection is there");
        if kind == SETTINGS && flags == 0 {
            frames.send(SETTINGS, 1, 0, &[]).await;
        }
        if kind == wanted {
            return;
        }
    }
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work)
        .await
        .expect("the other end says something in time")
}
