//! The example tool.

use super::*;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

async fn start() -> (Tool, HttpClient) {
    let tool = Tool::start(([127, 0, 0, 1], 0).into()).await;
    (tool.expect("a free port"), http_client())
}

#[tokio::test]
async fn the_page_shows_who_is_there() {
    let (tool, http) = start().await;
    let request = http
        .get(tool.origin().to_string())
        .header("x-forwarded-user", "10654321")
        .header("x-forwarded-preferred-username", "<b>ada</b>")
        .header("x-forwarded-email", "ada.martin@example.com")
        .header("x-marketing-cloud-business-unit", "7281698");
    let reply = request.send().await.expect("a reply");
    assert!(reply.headers().contains_key("content-security-policy"));
    let html = reply.text().await.expect("a page");
    for part in ["Campaign Desk", "ada.martin@example.com", "7281698"] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("<b>ada"), "markup is escaped");
    for asset in ["desk.css", "desk.js"] {
        let url = format!("{}/{asset}", tool.origin());
        assert_eq!(http.get(url).send().await.expect("a reply").status(), 200);
    }
}

#[tokio::test]
async fn it_measures_uploads_and_records_requests() {
    let (tool, http) = start().await;
    let url = format!("{}/upload", tool.origin());
    let (_, upload) = answer(http.post(url).body(vec![0_u8; 1_000_000])).await;
    assert_eq!(upload["body_bytes"], 1_000_000);
    let url = format!("{}/echo/x?y", tool.origin());
    let (_, echo) = answer(http.get(url)).await;
    assert_eq!(echo["target"], "/echo/x?y");
    let targets: Vec<_> = tool.requests().into_iter().map(|r| r.target).collect();
    assert_eq!(targets, ["/upload", "/echo/x?y"]);
}

#[tokio::test]
async fn it_sets_cookies_and_sends_bytes() {
    let (tool, http) = start().await;
    let url = format!("{}/set-cookie?name=a&value=1&name=b&value=2", tool.origin());
    let reply = http.get(url).send().await.expect("a reply");
    let cookies: Vec<_> = reply.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1; Path=/", "b=2; Path=/"]);
    let reply = http
        .get(format!("{}/download/70000", tool.origin()))
        .send()
        .await;
    let bytes = reply.expect("a reply").bytes().await.expect("bytes");
    assert_eq!(bytes.len(), 70_000);
}

#[tokio::test(start_paused = true)]
async fn events_come_one_a_tick() {
    let (tool, http) = start().await;
    let started = tokio::time::Instant::now();
    let url = format!("{}/sse?n=3&ms=60000", tool.origin());
    let text = http.get(url).send().await.expect("a head").text().await;
    assert_eq!(text.expect("events").matches("event: tick").count(), 3);
    assert!(started.elapsed() >= Duration::from_mins(2));
}

#[tokio::test]
async fn a_web_socket_echoes() {
    let (tool, http) = start().await;
    let mut stream = TcpStream::connect(tool.origin().authority())
        .await
        .expect("it is up");
    // The key and its answer are those of RFC 6455 §1.3.
    let handshake = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(handshake.as_bytes()).await.expect("open");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a head"));
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101"), "{head}");
    assert!(head.contains("s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");

    let hello = [0x82, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2];
    stream.write_all(&hello).await.expect("open");
    let mut frame = [0; 4];
    stream.read_exact(&mut frame).await.expect("a frame");
    assert_eq!(&frame, b"\x82\x02hi");

    let reply = http.get(format!("{}/ws", tool.origin())).send().await;
    assert_eq!(reply.expect("a reply").status(), 426);
    tool.shutdown().await;
    assert_eq!(
        stream.read(&mut frame).await.ok(),
        Some(0),
        "it ends with the tool"
    );
}
