//! How upstreams are spoken to: Unix sockets, TLS with authorities and certificates of one's own,
//! HTTP/2, gRPC.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::Request;
use http::Response;
use http_body_util::BodyExt as _;
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::PrivateKeyDer;
use tokio::sync::Notify;
use tokio::sync::mpsc;

use crate::support::Gate;
use crate::support::Plan;
use crate::support::Wire;
use crate::support::server::Server;
use crate::support::server::Speech;
use crate::support::server::echo;
use crate::support::server::whole;
use crate::tls::connect;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_may_listen_on_a_unix_socket() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("tool.sock");
    let gate = before(&format!("unix:{}", socket.display()), "", "").await;
    assert_eq!(gate.browser().fetch("/x").await.code(), "SG-4001");
    Server::on_unix_socket(&socket, async |request| echo(&request));
    for _ in 0..3 {
        let answer = gate.browser().fetch("/x").await;
        assert!(answer.text().starts_with("HTTP/1.1 /x "), "{answer:?}");
        assert!(
            answer.text().contains(&gate.address().to_string()),
            "{answer:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_checked_by_our_own_authority_and_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new(folder.path());
    let server = Server::start(
        Speech {
            tls: Some(authority.server("localhost", true, &["http/1.1"])),
            ..Speech::default()
        },
        async |request| echo(&request),
    )
    .await;
    let port = server.address.port();
    let files = |names: &[&str]| {
        let file = |name: &&str| {
            let (key, file) = name.split_once('=').expect("a pair");
            format!("{key}: {}", folder.path().join(file).display())
        };
        let list: Vec<_> = names.iter().map(file).collect();
        format!("upstream_tls: {{ {} }}", list.join(", "))
    };
    let all = files(&[
        "ca_file=ca.pem",
        "certificate_file=us.pem",
        "key_file=us.key",
    ]);
    let ca = files(&["ca_file=ca.pem"]);
    let us = files(&["certificate_file=us.pem", "key_file=us.key"]);
    for (host, option, good) in [
        ("localhost", &all, true),
        // Another name, no certificate of ours, no authority that it is from.
        ("127.0.0.1", &all, false),
        ("localhost", &ca, false),
        ("localhost", &us, false),
    ] {
        let to = format!("https://{host}:{port}");
        for (route, top) in [
            (format!(", {option}"), String::new()),
            (String::new(), format!("{option}\n")),
        ] {
            let gate = before(&to, &route, &top).await;
            let answer = gate.browser().fetch("/x").await;
            let text = answer.text();
            if good {
                assert!(text.starts_with("HTTP/1.1 /x "), "{host} {option}: {text}");
            } else {
                assert_eq!(answer.status, 502, "{host} {option}: {text}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_is_spoken_by_prior_knowledge_or_by_alpn() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new(folder.path());
    let ca = folder.path().join("ca.pem");
    let top = format!("upstream_tls: {{ ca_file: {} }}\n", ca.display());
    for (alpn, version) in [
        (None, "HTTP/2.0"),
        (Some(&["h2", "http/1.1"][..]), "HTTP/2.0"),
        (Some(&["http/1.1"][..]), "HTTP/1.1"),
    ] {
        let speech = Speech {
            tls: alpn.map(|alpn| authority.server("localhost", false, alpn)),
            h2: alpn.is_none(),
            max_streams: None,
        };
        let server = Server::start(speech, async |request| echo(&request)).await;
        let scheme = if alpn.is_some() { "https" } else { "http" };
        let to = format!("{scheme}://localhost:{}", server.address.port());
        let gate = before(&to, ", protocol: h2", &top).await;
        let fetches: Vec<_> = (0..20)
            .map(|_| {
                let browser = gate.browser();
                tokio::spawn(async move { { browser }.fetch("/x").await })
            })
            .collect();
        for fetch in fetches {
            let text = fetch.await.expect("no panic").text();
            assert!(text.starts_with(version), "{alpn:?}: {text}");
            assert!(
                text.contains(&format!("{}", gate.address())),
                "{alpn:?}: {text}"
            );
            assert!(text.ends_with("te=None"), "{alpn:?}: {text}");
        }
        if version == "HTTP/2.0" {
            assert!(
                server.connections() <= 2,
                "one a worker: {}",
                server.connections()
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstreams_limit_on_streams_is_kept() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (under_way, peak) = (Arc::clone(&now), Arc::clone(&most));
    let speech = Speech {
        h2: true,
        max_streams: Some(1),
        ..Speech::default()
    };
    let server = Server::start(speech, move |_| {
        let (now, most) = (Arc::clone(&under_way), Arc::clone(&peak));
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            now.fetch_sub(1, Ordering::SeqCst);
            Response::new(whole("ok"))
        }
    })
    .await;
    let gate = before(&format!("http://{}", server.address), ", protocol: h2", "").await;
    let fetches: Vec<_> = (0..20)
        .map(|_| {
            let browser = gate.browser();
            tokio::spawn(async move { { browser }.fetch("/x").await.text() })
        })
        .collect();
    for fetch in fetches {
        assert_eq!(fetch.await.expect("no panic"), "ok");
    }
    let connections = server.connections();
    assert!(connections <= 2, "one a worker: {connections}");
    assert!(most.load(Ordering::SeqCst) <= connections);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trailers_pass_both_ways_and_only_on_such_routes() {
    for (protocol, h2) in [("h2", true), ("http1", false)] {
        let speech = Speech {
            h2,
            ..Speech::default()
        };
        let server = Server::start(speech, async |request: Request<Incoming>| {
            let te = request.headers().get("te").cloned();
            let mut body = request.into_body();
            let mut trailers = HeaderMap::new();
            while let Some(Ok(frame)) = body.frame().await {
                if let Ok(found) = frame.into_trailers() {
                    trailers = found;
                }
            }
            let mut end = HeaderMap::new();
            end.insert("grpc-status", "0".parse().expect("a value"));
            end.insert("set-cookie", "a=b".parse().expect("a value"));
            let text = format!("te={te:?} {trailers:?}");
            let frames = [Ok(Frame::data(Bytes::from(text))), Ok(Frame::trailers(end))];
            Response::new(StreamBody::new(futures_util::stream::iter(frames)).boxed())
        })
        .await;
        let plan = Plan {
            https: true,
            top: "tls: self_signed\n".to_owned(),
            routes: format!(
                "\n  - {{ path: /, to: \"http://{}\", access: public, protocol: {protocol} }}\n",
                server.address
            ),
            ..Plan::default()
        };
        let gate = Gate::with(plan).await;
        let stream = connect(&gate, &["h2"]).await.expect("a handshake");
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("a handshake");
        let driver = tokio::spawn(connection);
        let mut sent = HeaderMap::new();
        sent.insert("x-checksum", "1".parse().expect("a value"));
        sent.insert("x-forwarded-user", "eve".parse().expect("a value"));
        let frames = [
            Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from("call"))),
            Ok(Frame::trailers(sent)),
        ];
        let request = Request::post(format!("https://{}/svc/Method", gate.address()))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(StreamBody::new(futures_util::stream::iter(frames)))
            .expect("a request");
        let mut answer = sender.send_request(request).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        let (mut text, mut trailers) = (Vec::new(), None);
        while let Some(frame) = answer.body_mut().frame().await {
            match frame.expect("whole").into_data() {
                Ok(data) => text.extend_from_slice(&data),
                Err(frame) => trailers = frame.into_trailers().ok(),
            }
        }
        let text = String::from_utf8(text).expect("text");
        if h2 {
            assert_eq!(text, "te=Some(\"trailers\") {\"x-checksum\": \"1\"}");
            let trailers = trailers.expect("they pass");
            assert_eq!(trailers.len(), 1, "{trailers:?}");
            assert_eq!(trailers["grpc-status"], "0");
        } else {
            assert_eq!((text.as_str(), trailers), ("te=None {}", None));
        }
        driver.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_a_call_pass_both_ways_one_by_one() {
    let speech = Speech {
        h2: true,
        ..Speech::default()
    };
    let server = Server::start(speech, async |request: Request<Incoming>| {
        Response::new(
            request
                .into_body()
                .map_err(|error| panic!("{error}"))
                .boxed(),
        )
    })
    .await;
    let plan = Plan {
        https: true,
        top: "tls: self_signed\n".to_owned(),
        routes: format!(
            "\n  - {{ path: /, to: \"http://{}\", access: public, protocol: h2 }}\n",
            server.address
        ),
        ..Plan::default()
    };
    let gate = Gate::with(plan).await;
    let stream = connect(&gate, &["h2"]).await.expect("a handshake");
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .expect("a handshake");
    let driver = tokio::spawn(connection);
    let (say, said) = mpsc::channel::<&'static [u8]>(1);
    let frames = futures_util::stream::unfold(said, async |mut said| {
        let frame = Frame::data(Bytes::from_static(said.recv().await?));
        Some((Ok::<_, std::convert::Infallible>(frame), said))
    });
    let request = Request::post(format!("https://{}/svc/Chat", gate.address()))
        .header("content-type", "application/grpc+proto")
        .body(StreamBody::new(Box::pin(frames)))
        .expect("a request");
    say.send(b"hello").await.expect("it is read");
    let mut answer = sender.send_request(request).await.expect("an answer");
    for (said, next) in [(&b"hello"[..], &b"again"[..]), (b"again", b"bye")] {
        let frame = answer.body_mut().frame().await.expect("an echo");
        let frame = frame.expect("good").into_data().expect("data");
        assert_eq!(frame, said);
        say.send(next).await.expect("it is read");
    }
    drop(say);
    let frame = answer.body_mut().frame().await.expect("an echo");
    assert_eq!(frame.expect("good").into_data().expect("data"), "bye");
    assert!(
        answer
            .body_mut()
            .frame()
            .await
            .is_none_or(|end| end.is_ok())
    );
    driver.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_answers_early_is_heard_and_let_go() {
    let (ended, mut ends) = mpsc::unbounded_channel();
    let speech = Speech {
        h2: true,
        ..Speech::default()
    };
    let server = Server::start(speech, move |request: Request<Incoming>| {
        let ended = ended.clone();
        async move {
            if request.method() == http::Method::POST {
                let mut body = request.into_body();
                body.frame().await.expect("a part").expect("good");
                tokio::spawn(async move {
                    while let Some(Ok(_)) = body.frame().await {}
                    ended.send(()).expect("somebody waits");
                });
                let mut answer = Response::new(whole("enough"));
                *answer.status_mut() = http::StatusCode::PAYLOAD_TOO_LARGE;
                return answer;
            }
            Response::new(whole("ok"))
        }
    })
    .await;
    let gate = before(&format!("http://{}", server.address), ", protocol: h2", "").await;
    for _ in 0..4 {
        let mut wire = Wire::connect(gate.address()).await;
        wire.send(half_a_post(&gate)).await;
        let answer = wire.message().await.expect("an answer");
        assert_eq!((answer.status(), answer.text().as_str()), (413, "enough"));
        // The client says nothing more, and still nobody waits for it.
        let end = tokio::time::timeout(Duration::from_secs(5), ends.recv()).await;
        end.expect("the stream ends").expect("heard");
        assert_eq!(gate.browser().fetch("/").await.text(), "ok");
    }
    assert!(server.connections() <= 2, "the connection is kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_breaks_off_ends_its_stream_and_nothing_else() {
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let speech = Speech {
        h2: true,
        ..Speech::default()
    };
    let server = Server::start(speech, move |request: Request<Incoming>| {
        let arrived = arrived.clone();
        async move {
            if request.method() == http::Method::POST {
                let mut body = request.into_body();
                body.frame().await.expect("a part").expect("good");
                arrived.send("begun").expect("somebody waits");
                // Whether the stream's end is read or ends this task, it is told.
                let _bell = Bell(arrived);
                while let Some(Ok(_)) = body.frame().await {}
            }
            Response::new(whole("ok"))
        }
    })
    .await;
    let gate = before(&format!("http://{}", server.address), ", protocol: h2", "").await;
    for _ in 0..8 {
        let mut wire = Wire::connect(gate.address()).await;
        wire.send(half_a_post(&gate)).await;
        assert_eq!(arrivals.recv().await, Some("begun"));
        drop(wire);
        assert_eq!(arrivals.recv().await, Some("ended"));
        assert_eq!(gate.browser().fetch("/").await.text(), "ok");
    }
    assert!(server.connections() <= 2, "the upstream is not to blame");
}

struct Bell(mpsc::UnboundedSender<&'static str>);

impl Drop for Bell {
    fn drop(&mut self) {
        // At the end of the test nobody may wait any more.
        let _heard = self.0.send("ended");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_outlives_the_shared_connection_that_it_was_meant_for() {
    let gone = Arc::new(Notify::new());
    let speech = Speech {
        h2: true,
        ..Speech::default()
    };
    let first = Server::start(speech.clone(), async |_| Response::new(whole("ok"))).await;
    let relay = Relay::start(first.address, Arc::clone(&gone)).await;
    let gate = before(&format!("http://{relay}"), ", protocol: h2", "").await;
    for round in 0..5 {
        for _ in 0..4 {
            let answer = gate.browser().post("/", "body").await;
            assert_eq!(answer.text(), "ok", "round {round}");
        }
        gone.notify_waiters();
        // Both ends learn of it in their own time; GET may be sent twice in between.
        assert_eq!(gate.browser().fetch("/").await.text(), "ok");
        assert_eq!(gate.browser().fetch("/").await.text(), "ok");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_was_refused_is_asked_again_and_one_that_broke_is_not() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("bound");
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let asked = Arc::clone(&counter);
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.expect("a handshake");
                while let Some(Ok((request, mut answer))) = connection.accept().await {
                    let number = asked.fetch_add(1, Ordering::SeqCst);
                    match request.uri().path() {
                        "/busy" if number == 0 => answer.send_reset(h2::Reason::REFUSED_STREAM),
                        "/broken" => answer.send_reset(h2::Reason::INTERNAL_ERROR),
                        _ => drop(answer.send_response(Response::new(()), true)),
                    }
                }
            });
        }
    });
    let gate = before(&format!("http://{address}"), ", protocol: h2", "").await;
    let mut browser = gate.browser();
    for (method, path, status, times) in [
        ("GET", "/busy", 200, 2),
        ("POST", "/busy", 502, 1),
        ("GET", "/broken", 502, 1),
    ] {
        asked.store(0, Ordering::SeqCst);
        let answer = match method {
            "GET" => browser.fetch(path).await,
            _ => browser.post(path, "body").await,
        };
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(asked.load(Ordering::SeqCst), times, "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_is_asked_for_in_the_language_of_the_route() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("tool.sock");
    let (asked, mut questions) = mpsc::unbounded_channel();
    let serve = move |request: Request<Incoming>| {
        let version = format!("{:?} {}", request.version(), request.uri().path());
        // At the end of the test nobody listens any more.
        let _heard = asked.send(version);
        async { Response::new(whole("ok")) }
    };
    Server::on_unix_socket(&socket, serve.clone());
    let speech = Speech {
        h2: true,
        ..Speech::default()
    };
    let server = Server::start(speech, serve).await;
    for (to, protocol, question) in [
        (
            format!("unix:{}", socket.display()),
            "http1",
            "HTTP/1.1 /up",
        ),
        (format!("http://{}", server.address), "h2", "HTTP/2.0 /up"),
    ] {
        let options = format!(", protocol: {protocol}, health: {{ path: /up }}");
        let gate = before(&to, &options, "").await;
        // One question for both workers, and the next one is far away.
        assert_eq!(questions.recv().await.expect("asked"), question);
        assert_eq!(gate.browser().fetch("/x").await.text(), "ok");
        let seen = questions.recv().await.expect("asked");
        assert_eq!(seen, question.replace("/up", "/x"));
        gate.stop().await;
    }
}

/// Passes bytes on until all connections are cut.
struct Relay;

impl Relay {
    async fn start(to: std::net::SocketAddr, cut: Arc<Notify>) -> std::net::SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let cut = Arc::clone(&cut);
                tokio::spawn(async move {
                    let mut far = tokio::net::TcpStream::connect(to).await.expect("connects");
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        () = cut.notified() => {}
                    }
                });
            }
        });
        address
    }
}

fn half_a_post(gate: &Gate) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000\r\n\r\nhalf",
        gate.address()
    )
}

/// A certificate authority in a folder: `ca.pem`, and `us.pem` with `us.key` for a client.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    roots: Arc<RootCertStore>,
}

impl Authority {
    pub fn new(folder: &Path) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate");
        std::fs::write(folder.join("ca.pem"), certificate.pem()).expect("written");
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone()).expect("good");
        let issuer = Issuer::new(params, key);
        let us = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["sidegate.test".to_owned()]).expect("parameters");
        let signed = params.signed_by(&us, &issuer).expect("a certificate");
        std::fs::write(folder.join("us.pem"), signed.pem()).expect("written");
        std::fs::write(folder.join("us.key"), us.serialize_pem()).expect("written");
        Self {
            issuer,
            roots: Arc::new(roots),
        }
    }

    /// TLS for a server called `name`, which asks for a client's certificate if it is `strict`.
    pub fn server(&self, name: &str, strict: bool, alpn: &[&str]) -> Arc<ServerConfig> {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        let signed = params.signed_by(&key, &self.issuer).expect("a certificate");
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions");
        let builder = if strict {
            let roots = Arc::clone(&self.roots);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            builder.with_client_cert_verifier(verifier.expect("a verifier"))
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let mut config = builder
            .with_single_cert(vec![signed.der().clone()], key)
            .expect("they go together");
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

pub async fn before(to: &str, options: &str, top: &str) -> Gate {
    Gate::with(Plan {
        top: top.to_owned(),
        routes: format!("\n  - {{ path: /, to: \"{to}\", access: public{options} }}\n"),
        ..Plan::default()
    })
    .await
}
