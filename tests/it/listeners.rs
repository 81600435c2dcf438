//! What is spoken at the listener: HTTP/2 by prior knowledge, the PROXY protocol, sockets in the file
//! system, client certificates, and certificates that change.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::CertifiedIssuer;
use rcgen::ExtendedKeyUsagePurpose;
use rcgen::IsCa;
use rcgen::KeyPair;
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::ServerName;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;

use crate::support::Gate;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::Wire;
use crate::support::raw;
use crate::support::serving;
use crate::support::serving::Serving;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_by_prior_knowledge_is_an_option() {
    let open = Gate::with(Plan {
        top: "h2c: true".to_owned(),
        ..Plan::default()
    })
    .await;
    let mut stream = TcpStream::connect(open.address()).await.expect("connects");
    // The preface byte by byte, then SETTINGS: the server's own come back.
    for byte in PREFACE {
        stream.write_all(&[*byte]).await.expect("writes");
    }
    stream
        .write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])
        .await
        .expect("writes");
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).await.expect("a frame");
    assert_eq!((frame[3], frame[4]), (4, 0), "SETTINGS: {frame:?}");
    // HTTP/1.1 goes on, also where it begins like the preface.
    let host = open.address();
    for method in ["GET", "PROPFIND"] {
        let mut wire = Wire::connect(host).await;
        wire.send(format!("{method} /open/x HTTP/1.1\r\nHost: {host}\r\n\r\n"))
            .await;
        let answer = wire.message().await.expect("an answer");
        assert_eq!(answer.status(), 404, "the tool's: {answer:?}");
    }
    assert_eq!(open.tool.requests().len(), 2);
    for (gate, bytes) in [
        (&open, b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".as_slice()),
        (&Gate::start().await, PREFACE),
    ] {
        let text = raw::talk(gate.address(), bytes).await;
        // hyper has no answer for a preface that it does not expect.
        assert!(text.is_empty() || raw::status(&text) == 400, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trusted_proxy_names_the_client_and_has_to() {
    let gate = Gate::with(Plan {
        top: "proxy_protocol: true\ntrusted_proxies: [127.0.0.1]\ntimeouts: { tls_handshake: 3s }"
            .to_owned(),
        ..Plan::default()
    })
    .await;
    let get = format!("GET /open/x HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address());
    let v1 = "PROXY TCP4 192.0.2.7 192.0.2.1 5000 443\r\n";
    let mut wire = Wire::connect(gate.address()).await;
    wire.send(format!("{v1}{get}")).await;
    assert_eq!(wire.message().await.expect("an answer").status(), 404);
    wire.send(&get).await;
    assert_eq!(wire.message().await.expect("and another").status(), 404);
    let seen = gate.tool.requests();
    assert_eq!(seen.len(), 2);
    for request in seen {
        assert_eq!(request.header("x-forwarded-for"), Some("192.0.2.7"));
    }
    // A second header is no header but a request, and a bad one.
    let mut wire = Wire::connect(gate.address()).await;
    wire.send(format!("{v1}{v1}{get}")).await;
    // What was not read when it closes may cost the answer, never more.
    let status = wire.message().await.map(|answer| answer.status());
    assert!([None, Some(400)].contains(&status), "{status:?}");
    for without in [
        get.as_str(),
        "PROXY TCP4 1.1.1.1\r\n",
        "PROXY TCP4 192.0.2.7 ",
    ] {
        let mut wire = Wire::connect(gate.address()).await;
        wire.send(without).await;
        wire.ends().await;
    }
    let stranger = Gate::with(Plan {
        top: "proxy_protocol: true\ntrusted_proxies: [192.0.2.1]".to_owned(),
        ..Plan::default()
    })
    .await;
    let mut wire = Wire::connect(stranger.address()).await;
    wire.send(format!("{v1}{get}")).await;
    wire.ends().await;
    assert_eq!(gate.tool.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_in_the_file_system_is_served() {
    let tool = Puppet::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let folder = tempfile::tempdir().expect("a folder");
    let top = "listen: unix:gate.sock\nlisten_mode: '0600'";
    let text = serving::configuration(&tool.origin(), top);
    // The second finds what the first left behind.
    for _ in 0..2 {
        let gateway = serving::start(folder.path(), &text).await;
        let path = folder.path().join("gate.sock");
        let mut stream = UnixStream::connect(&path).await.expect("connects");
        let get = serving::get("/x").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
        stream.write_all(get.as_bytes()).await.expect("writes");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("reads");
        assert_eq!(raw::status(&answer), 200, "{answer}");
        assert_eq!(gateway.running.stop("TERM").await, 0);
    }
    let seen = tool.seen();
    let client = seen.last().map(|request| request.all("x-forwarded-for"));
    assert_eq!(client, Some(vec!["127.0.0.1"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_certificate_is_taken_over_and_a_bad_one_is_not() {
    let authority = authority();
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second) = (issue(&authority), issue(&authority));
    write(folder.path(), &first);
    let mut gateway = serve_tls(folder.path(), "").await;
    assert_eq!(shown(&gateway, &authority).await, first.der);
    std::fs::write(folder.path().join("tls.crt"), "nonsense").expect("written");
    let refused = gateway.running.line("\"event\":\"files.refused\"").await;
    assert!(refused.is_some_and(|line| line.contains("tls.crt")));
    assert_eq!(shown(&gateway, &authority).await, first.der);
    write(folder.path(), &second);
    let changed = gateway
        .running
        .line("\"event\":\"certificate.changed\"")
        .await;
    assert!(changed.is_some());
    assert_eq!(shown(&gateway, &authority).await, second.der);
    assert_eq!(gateway.running.stop("TERM").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_can_be_asked_for_certificates() {
    let (authority, other) = (authority(), authority());
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &issue(&authority));
    std::fs::write(folder.path().join("ca.crt"), authority.pem()).expect("written");
    let (good, bad) = (issue(&authority), issue(&other));
    for (auth, without) in [("required", false), ("optional", true)] {
        let more = format!(", client_ca_file: ca.crt, client_auth: {auth}");
        let gateway = serve_tls(folder.path(), &more).await;
        assert!(served(&gateway, &authority, Some(&good)).await, "{auth}");
        assert!(!served(&gateway, &authority, Some(&bad)).await, "{auth}");
        assert_eq!(served(&gateway, &authority, None).await, without, "{auth}");
        assert_eq!(gateway.running.stop("TERM").await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tools_are_told_of_the_certificate_and_of_none_that_was_made_up() {
    let authority = authority();
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &issue(&authority));
    std::fs::write(folder.path().join("ca.crt"), authority.pem()).expect("written");
    let client = issue(&authority);
    let told = format!(":{}:", STANDARD.encode(&client.der));
    for (key, expected) in [
        (", client_cert_header: true", Some(told.as_str())),
        ("", None),
    ] {
        let tool = Puppet::saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        let clients = format!(", client_ca_file: ca.crt, client_auth: optional{key}");
        let gateway = serve_tls_before(folder.path(), &clients, &tool.origin()).await;
        for (shown, expected) in [(Some(&client), expected), (None, None)] {
            let stream = connect(&gateway, &authority, shown).await;
            let mut stream = stream.expect("a handshake");
            let ask = serving::get("/x").replace(
                "\r\n\r\n",
                "\r\nClient-Cert: :AAAA:\r\nclient_cert: :AAAA:\r\nClient-Cert-Chain: :AAAA:\r\nConnection: close\r\n\r\n",
            );
            stream.write_all(ask.as_bytes()).await.expect("written");
            let mut answer = String::new();
            let _end = stream.read_to_string(&mut answer).await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            let seen = tool.seen().pop().expect("a request");
            assert_eq!(seen.all("client-cert"), Vec::from_iter(expected), "{key}");
            assert!(
                !seen.head.to_ascii_lowercase().contains("aaaa"),
                "{}",
                seen.head
            );
        }
        assert_eq!(gateway.running.stop("TERM").await, 0);
    }
}

/// A certificate and its key.
struct Issued {
    der: CertificateDer<'static>,
    certificate: String,
    key: KeyPair,
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new([]).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    CertifiedIssuer::self_signed(params, key).expect("a certificate")
}

fn issue(authority: &Authority) -> Issued {
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let key = KeyPair::generate().expect("a key");
    let issued = params.signed_by(&key, authority).expect("a certificate");
    Issued {
        der: issued.der().clone(),
        certificate: issued.pem(),
        key,
    }
}

fn write(folder: &Path, issued: &Issued) {
    std::fs::write(folder.join("tls.key"), issued.key.serialize_pem()).expect("written");
    std::fs::write(folder.join("tls.crt"), &issued.certificate).expect("written");
}

async fn serve_tls(folder: &Path, more: &str) -> Serving {
    serve_tls_before(folder, more, "http://127.0.0.1:1").await
}

async fn serve_tls_before(folder: &Path, more: &str, tool: &str) -> Serving {
    let top = format!(
        "listen: 127.0.0.1:0\ntls: {{ certificate_file: tls.crt, key_file: tls.key{more} }}"
    );
    let text = serving::configuration(tool, &top);
    serving::start(folder, &text).await
}

/// The certificate that a new handshake is given.
async fn shown(gateway: &Serving, authority: &Authority) -> CertificateDer<'static> {
    let stream = connect(gateway, authority, None)
        .await
        .expect("a handshake");
    let chain = stream.get_ref().1.peer_certificates().expect("a chain");
    chain[0].clone().into_owned()
}

/// Whether a request is answered at all.
async fn served(gateway: &Serving, authority: &Authority, client: Option<&Issued>) -> bool {
    let Ok(mut stream) = connect(gateway, authority, client).await else {
        return false;
    };
    // With TLS 1.3 a client learns of its refusal when it reads.
    let _written = stream.write_all(serving::get("/x").as_bytes()).await;
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.is_ok() && start.starts_with(b"HTTP/1.1 502")
}

async fn connect(
    gateway: &Serving,
    authority: &Authority,
    client: Option<&Issued>,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).expect("an authority");
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let config = match client {
        Some(issued) => {
            let key = PrivateKeyDer::try_from(issued.key.serialize_der()).expect("a key");
            let chain = vec![issued.der.clone()];
            config
                .with_client_auth_cert(chain, key)
                .expect("they go together")
        }
        None => config.with_no_client_auth(),
    };
    let stream = TcpStream::connect(gateway.public).await?;
    let name = ServerName::try_from("127.0.0.1").expect("an address");
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
