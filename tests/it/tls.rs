//! TLS at the public listener: both HTTP versions by ALPN, cookies for https, nothing in plain text.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use http::Request;
use http::Version;
use http_body_util::BodyExt as _;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::client::conn::http2;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::DigitallySignedStruct;
use rustls::SignatureScheme;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::client::danger::ServerCertVerified;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::ServerName;
use rustls_pki_types::UnixTime;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::Answer;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::browser;
use crate::support::raw;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_versions_of_http_are_spoken_by_alpn() {
    let gate = self_signed(None).await;
    for (offered, agreed) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&["h2"], Some("h2")),
        (&[], None),
    ] {
        let stream = connect(&gate, offered).await.expect("a handshake");
        let (_, session) = stream.get_ref();
        let alpn = session.alpn_protocol();
        assert_eq!(alpn, agreed.map(str::as_bytes), "{offered:?}");
        let answer = ask(&gate, stream, "/open/x", &[]).await;
        assert_eq!(answer.status, 404, "the tool answers over {agreed:?}");
    }
    assert!(
        connect(&gate, &["spdy/3"]).await.is_none(),
        "nothing in common"
    );
    let seen = gate.tool.requests();
    assert_eq!(seen.len(), 4);
    for request in seen {
        assert_eq!(request.header("x-forwarded-proto"), Some("https"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cookies_of_an_https_site_are_locked_to_it() {
    let gate = self_signed(None).await;
    for protocol in ["http/1.1", "h2"] {
        let (start, jar, end) = sign_in(&gate, protocol).await;
        for (answer, prefix) in [
            (&start, "__Host-Http-sidegate-login-"),
            (&end, "__Host-Http-sidegate="),
        ] {
            let lines = answer.set_cookies();
            let line = lines.iter().find(|line| line.starts_with(prefix));
            let line = line.unwrap_or_else(|| panic!("{prefix}: {lines:?}"));
            for attribute in ["; Secure", "; HttpOnly", "; Path=/", "; SameSite=Lax"] {
                assert!(line.contains(attribute), "{attribute}: {line}");
            }
            assert!(!line.contains("Domain"), "{line}");
            assert!(answer.headers.contains_key("strict-transport-security"));
        }
        let removed = end.set_cookies();
        let removed = removed.iter().find(|line| line.contains("Max-Age=0"));
        assert!(removed.is_some_and(|line| line.contains("; Secure")));
        let cookie = format!("__Host-Http-sidegate={}", jar["__Host-Http-sidegate"]);
        let stream = connect(&gate, &[protocol]).await.expect("a handshake");
        let answer = ask(&gate, stream, "/echo/x", &[("cookie", &cookie)]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cookies_that_http2_splits_are_put_together() {
    let gate = self_signed(None).await;
    let (_, jar, _) = sign_in(&gate, "h2").await;
    let ours = format!("__Host-Http-sidegate={}", jar["__Host-Http-sidegate"]);
    let stream = connect(&gate, &["h2"]).await.expect("a handshake");
    let crumbs = [("cookie", "a=1"), ("cookie", &ours), ("cookie", "b=2")];
    let answer = ask(&gate, stream, "/echo/x", &crumbs).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let request = gate.tool.requests().pop().expect("it arrived");
    let cookies: Vec<_> = request
        .headers
        .iter()
        .filter(|(name, _)| name == "cookie")
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(cookies, ["a=1; b=2"]);
    assert_eq!(request.header("x-forwarded-user"), Some("10654321"));
    let host = gate.address().to_string();
    assert_eq!(request.header("host"), Some(host.as_str()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_http2_host_that_differs_from_the_authority_is_refused() {
    let gate = self_signed(None).await;
    for (host, status) in [
        (gate.address().to_string(), 404),
        ("evil.example".to_owned(), 400),
    ] {
        let stream = connect(&gate, &["h2"]).await.expect("a handshake");
        let answer = ask(&gate, stream, "/open/x", &[("host", &host)]).await;
        assert_eq!(answer.status, status, "{host}");
    }
    assert_eq!(gate.tool.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_http2_answer_that_breaks_off_is_an_error() {
    let puppet = Puppet::playing(|_, mut line| async move {
        line.request().await;
        line.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n")
            .await;
    })
    .await;
    let gate = self_signed(Some(puppet.route(", access: public"))).await;
    let stream = connect(&gate, &["h2"]).await.expect("a handshake");
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .expect("a handshake");
    let driver = tokio::spawn(connection);
    let request = request(&gate, "/", &[], true);
    let mut answer = sender.send_request(request).await.expect("a head");
    assert_eq!(answer.status(), 200);
    let mut read = Vec::new();
    let end = loop {
        match answer.body_mut().frame().await {
            Some(Ok(frame)) => read.extend(frame.into_data().expect("data")),
            other => break other,
        }
    };
    assert!(matches!(end, Some(Err(_))), "{end:?} after {read:?}");
    driver.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_text_on_the_tls_port_is_refused() {
    let gate = self_signed(None).await;
    let request = format!("GET /open/x HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address());
    let text = raw::talk(gate.address(), request).await;
    assert!(!text.contains("HTTP/"), "{text:?}");
    assert!(gate.tool.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_certificate_in_the_files_is_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).expect("made");
    let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    std::fs::write(&certificate, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let gate = Gate::with(Plan {
        https: true,
        top: format!(
            "tls: {{ certificate_file: {}, key_file: {} }}\n",
            certificate.display(),
            key.display()
        ),
        ..Plan::default()
    })
    .await;
    let stream = connect(&gate, &["http/1.1"]).await.expect("a handshake");
    let shown = stream.get_ref().1.peer_certificates().expect("a chain");
    assert_eq!(shown, [made.cert.der().clone()]);
    assert_eq!(ask(&gate, stream, "/open/x", &[]).await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_takes_its_request_along() {
    let (told, mut ends) = mpsc::unbounded_channel();
    let puppet = Puppet::playing(move |_, mut line| {
        let told = told.clone();
        async move {
            line.request().await;
            told.send("asked").expect("somebody waits");
            line.wire.ends().await;
            told.send("left").expect("somebody waits");
        }
    })
    .await;
    let gate = self_signed(Some(puppet.route(", access: public"))).await;
    let mut stream = connect(&gate, &["http/1.1"]).await.expect("a handshake");
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address());
    stream.write_all(request.as_bytes()).await.expect("written");
    assert_eq!(ends.recv().await, Some("asked"));
    drop(stream);
    assert_eq!(ends.recv().await, Some("left"));
}

pub async fn self_signed(routes: Option<String>) -> Gate {
    let usual = Plan::default();
    Gate::with(Plan {
        https: true,
        top: "tls: self_signed\n".to_owned(),
        routes: routes.unwrap_or(usual.routes),
        ..Plan::default()
    })
    .await
}

/// A sign-in over `protocol`: its first answer, the cookies at the end, and its last answer.
async fn sign_in(gate: &Gate, protocol: &str) -> (Answer, HashMap<String, String>, Answer) {
    let page = [("accept", "text/html")];
    let stream = connect(gate, &[protocol]).await.expect("a handshake");
    let start = ask(gate, stream, "/", &page).await;
    assert_eq!(start.status, 302, "{start:?}");
    let (provider, target) = browser::split_url(start.header("location"));
    let target = format!("{target}&login_hint=ada");
    let request = browser::request(provider, http::Method::GET, &target, &[], Bytes::new());
    let back = browser::exchange(provider, request).await;
    let callback = back
        .header("location")
        .strip_prefix(&format!("https://{}", gate.address()));
    let callback = callback.unwrap_or_else(|| panic!("the callback is ours: {back:?}"));
    let attempt = cookies(&start);
    let pairs: Vec<_> = attempt
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let stream = connect(gate, &[protocol]).await.expect("a handshake");
    let end = ask(
        gate,
        stream,
        callback,
        &[page[0], ("cookie", &pairs.join("; "))],
    )
    .await;
    assert_eq!(end.status, 303, "{end:?}");
    let jar = cookies(&end);
    (start, jar, end)
}

fn cookies(answer: &Answer) -> HashMap<String, String> {
    let lines = answer.set_cookies();
    let pairs = lines
        .iter()
        .filter_map(|line| line.split(';').next()?.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

pub async fn connect(gate: &Gate, protocols: &[&str]) -> Option<TlsStream<TcpStream>> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TrustsAnything))
        .with_no_client_auth();
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    let tcp = TcpStream::connect(gate.address()).await.expect("connects");
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
        .ok()
}

/// One GET in the version that was agreed on.
async fn ask(
    gate: &Gate,
    stream: TlsStream<TcpStream>,
    path: &str,
    fields: &[(&str, &str)],
) -> Answer {
    let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let request = request(gate, path, fields, h2);
    let stream = TokioIo::new(stream);
    let (answer, driver) = if h2 {
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream)
            .await
            .expect("a handshake");
        let driver = tokio::spawn(connection);
        (sender.send_request(request).await, driver)
    } else {
        let (mut sender, connection) = http1::handshake(stream).await.expect("a handshake");
        let driver = tokio::spawn(connection);
        (sender.send_request(request).await, driver)
    };
    let (head, body) = answer.expect("an answer").into_parts();
    let body = sidegate::http::body::read_limited(body, 1024 * 1024).await;
    driver.abort();
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.expect("a whole body"),
    }
}

fn request(gate: &Gate, path: &str, fields: &[(&str, &str)], h2: bool) -> Request<Full<Bytes>> {
    let uri = if h2 {
        format!("https://{}{path}", gate.address())
    } else {
        path.to_owned()
    };
    let mut request = Request::new(Full::new(Bytes::new()));
    *request.uri_mut() = uri.parse().expect("a target");
    let headers: &mut HeaderMap = request.headers_mut();
    for (name, value) in fields {
        let name = http::HeaderName::try_from(*name).expect("a name");
        headers.append(name, (*value).try_into().expect("a value"));
    }
    if h2 {
        *request.version_mut() = Version::HTTP_2;
    } else {
        let host = gate.address().to_string();
        request
            .headers_mut()
            .insert("host", host.try_into().expect("a value"));
    }
    request
}

/// Whatever certificate is shown: what is tested is the listener.
#[derive(Debug)]
struct TrustsAnything;

impl ServerCertVerifier for TrustsAnything {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, leaf, signature, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, leaf, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
