//! Sessions that end before their time, and what was running in their name.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::Browser;
use crate::support::Gate;
use crate::support::Plan;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copied_cookie_is_worth_nothing_after_the_sign_out() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    let mut thief = browser.clone();
    let mut bystander = gate.signed_in("ada").await;
    for _ in 0..4 {
        assert_eq!(thief.fetch("/echo").await.status, 200);
    }
    assert_eq!(browser.post("/oauth2/sign_out", "").await.status, 204);
    // Both workers may have opened the session before.
    for _ in 0..4 {
        let mut again = thief.clone();
        let answer = again.fetch("/echo").await;
        assert_eq!((answer.status, answer.code()), (401, "SG-2001".to_owned()));
        assert!(again.jar.is_empty(), "its cookies are cleared");
    }
    assert_eq!(thief.navigate("/echo").await.status, 302);
    assert_eq!(
        bystander.fetch("/echo").await.status,
        200,
        "another session of the same person"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_out_ends_websockets_and_event_streams_within_a_second() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    // Several of each, so that both workers have some.
    let mut sockets = Vec::new();
    let mut feeds = Vec::new();
    for _ in 0..4 {
        sockets.push(open(&gate, &browser, &socket(&gate)).await);
        feeds.push(open(&gate, &browser, FEED).await);
    }
    let mut others = open(&gate, &gate.signed_in("ada").await, &socket(&gate)).await;
    assert_eq!(browser.post("/oauth2/sign_out", "").await.status, 204);
    for stream in sockets {
        let rest = rest(stream).await;
        assert_eq!(rest, CLOSED, "a close frame with 1008");
    }
    for stream in feeds {
        let rest = rest(stream).await;
        assert!(!rest.ends_with(b"0\r\n\r\n"), "it does not look whole");
    }
    others.write_all(b"\x81\x82\0\0\0\0hi").await.expect("open");
    let mut echo = [0; 4];
    others.read_exact(&mut echo).await.expect("open");
    assert_eq!(&echo, b"\x81\x02hi", "another session's socket stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_end_with_the_lifetime_of_their_session_and_not_with_its_idle_limit() {
    let gate = Gate::start().await;
    let browser = gate.signed_in("ada").await;
    let mut socket = open(&gate, &browser, &socket(&gate)).await;
    let feed = open(&gate, &browser, FEED).await;
    gate.advance(2 * 3600);
    let mut echo = [0; 4];
    socket.write_all(b"\x81\x82\0\0\0\0hi").await.expect("open");
    socket.read_exact(&mut echo).await.expect("open");
    gate.advance(10 * 3600);
    assert_eq!(rest(socket).await, CLOSED);
    rest(feed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_ends_sessions_of_before_and_lets_people_sign_in_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("revoked.yaml");
    std::fs::write(&file, "# nobody\n").expect("our own file");
    let gate = Gate::with(Plan {
        session: format!("  not_before: {}\n", file.display()),
        ..Plan::default()
    })
    .await;
    let (mut ada, mut mei) = (gate.signed_in("ada").await, gate.signed_in("mei").await);
    let feed = open(&gate, &ada, FEED).await;
    gate.advance(60);
    let list = |text: &str| {
        // As a whole: the gateway looks by itself, too, and an empty list would be a good one.
        let beside = directory.path().join("beside");
        std::fs::write(&beside, text).expect("our own file");
        std::fs::rename(&beside, &file).expect("our own file");
        gate.app().reread();
    };
    // The example people are numbered; the page's userinfo tells who is who.
    let userinfo = ada.fetch("/oauth2/userinfo").await.json();
    let sub = userinfo["user"]["sub"].as_str().expect("a sub");
    list(&format!("users: {{ \"{sub}\": 2023-11-14T22:14:00Z }}"));
    assert_eq!(ada.clone().fetch("/echo").await.code(), "SG-2001");
    assert_eq!(mei.fetch("/echo").await.status, 200);
    rest(feed).await;
    list("users: { who knows");
    assert_eq!(
        ada.clone().fetch("/echo").await.status,
        401,
        "the old list stays"
    );
    assert_eq!(mei.fetch("/echo").await.status, 200);
    list("everybody: 2030-01-01T00:00:00Z");
    assert_eq!(mei.fetch("/echo").await.status, 401);
    assert_eq!(ada.sign_in("/", "ada").await.status, 303);
    assert_eq!(
        ada.fetch("/echo").await.status,
        200,
        "an instant to come counts as now"
    );
    list("");
    assert_eq!(ada.fetch("/echo").await.status, 200);
}

/// Sends a request with the browser's cookies and reads the answer's head.
async fn open(gate: &Gate, browser: &Browser, request: &str) -> TcpStream {
    let cookies: Vec<_> = browser
        .jar
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut stream = TcpStream::connect(gate.address()).await.expect("connects");
    let head = format!(
        "{request}Host: {}\r\nCookie: {}\r\n\r\n",
        gate.address(),
        cookies.join("; ")
    );
    stream.write_all(head.as_bytes()).await.expect("writes");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.expect("a head"));
    }
    let answer = String::from_utf8(answer).expect("text");
    assert!(
        answer.starts_with("HTTP/1.1 101 ") || answer.starts_with("HTTP/1.1 200 "),
        "{answer}"
    );
    stream
}

/// What still comes until the other end closes, which has to be soon: a tick is a second.
async fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let read = timeout(Duration::from_secs(5), stream.read_to_end(&mut rest));
    read.await.expect("it ends").ok();
    rest
}

fn socket(gate: &Gate) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: {}\r\n",
        gate.origin()
    )
}

const FEED: &str = "GET /sse?n=0&ms=20 HTTP/1.1\r\n";

const CLOSED: &[u8] = b"\x88\x0d\x03\xf0session end";
