//! Envelopes on their way: how they are framed, how much of them is kept, and that none looks whole
//! that is not.

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Response;
use http_body_util::BodyExt as _;
use sidegate::crypto::OsEntropy;
use sidegate::sandbox::Sandbox;
use sidegate::sandbox::Settings;
use sidegate::time::SystemClock;

use crate::soap::SOAP_11;
use crate::soap::before;
use crate::soap::raw;
use crate::soap::retrieve;
use crate::support::Browser;
use crate::support::Wire;
use crate::support::gate::free_port;
use crate::support::process::Running;
use crate::support::process::sidegate;
use crate::support::puppet::Line;
use crate::support::server::Server;
use crate::support::server::Speech;
use crate::support::server::whole;

async fn answering(mut line: Line) {
    while line.request().await.is_some() {
        line.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_framing_of_the_client_becomes_one_that_fits() {
    let (gate, puppet) = before(|_, line| answering(line)).await;
    let browser = gate.signed_in("ada").await;
    let small = retrieve(SOAP_11, "", "List");
    let large = small.replace(
        "</s:Body>",
        &format!("<a>{}</a></s:Body>", "x ".repeat(200_000)),
    );
    for envelope in [&small, &large] {
        let element = |body: &[u8]| {
            let text = String::from_utf8_lossy(body).into_owned();
            let start = text.find("<s:Header>").expect("a header");
            let end = text.find("</s:Header>").expect("its end") + "</s:Header>".len();
            assert!(text[start..end].contains("<fueloauth xmlns=\"http://exacttarget.com\">"));
            assert_eq!(format!("{}{}", &text[..start], &text[end..]), *envelope);
        };
        let chunked = {
            let parts = envelope.as_bytes().chunks(9_000);
            let parts = parts
                .map(|part| format!("{:x}\r\n{}\r\n", part.len(), String::from_utf8_lossy(part)));
            format!(
                "{}0\r\nX-Trailer: smuggled\r\n\r\n",
                parts.collect::<String>()
            )
        };
        for (fields, body) in [
            ("", envelope),
            ("Expect: 100-continue\r\n", envelope),
            ("Transfer-Encoding: chunked\r\n", &chunked),
        ] {
            let mut wire = Wire::connect(gate.address()).await;
            let request = raw(&gate, &browser, "text/xml", body, fields);
            let (head, body) = request.split_once("\r\n\r\n").expect("a head");
            wire.send(format!("{head}\r\n\r\n")).await;
            if fields.starts_with("Expect") {
                let go_on = wire.message().await.expect("go on");
                assert_eq!(go_on.status(), 100, "{go_on:?}");
            }
            wire.send(body).await;
            let answer = wire.message().await.expect("an answer");
            assert_eq!(answer.status(), 200, "{fields}: {answer:?}");
            let seen = puppet.seen().pop().expect("it came");
            let (lengths, codings) = (seen.all("content-length"), seen.all("transfer-encoding"));
            assert_eq!(lengths.len() + codings.len(), 1, "{}", seen.head);
            if let [length] = lengths.as_slice() {
                assert_eq!(*length, seen.body.len().to_string());
            }
            // A length that the client has told is told on, and so is that of what was read whole.
            let exact = !fields.contains("chunked") || envelope.len() < 60_000;
            assert_eq!(lengths.len(), usize::from(exact), "{}", seen.head);
            assert!(seen.all("expect").is_empty() && !seen.head.contains("smuggled"));
            element(&seen.body);
        }
    }
    // One for each worker at most.
    assert!(puppet.connections() <= 2, "connections are kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_envelope_that_goes_wrong_late_never_looks_whole() {
    let (gate, puppet) = before(|_, line| answering(line)).await;
    let browser = gate.signed_in("ada").await;
    let start = format!(
        "<s:Envelope xmlns:s=\"{SOAP_11}\"><s:Body>{}",
        "<a/>".repeat(50_000)
    );
    for (end, code) in [
        ("</s:Body><s:Header/></s:Envelope>", "SG-1035"),
        ("</s:Body></s:Envelope><s:Envelope/>", "SG-1033"),
        ("<!DOCTYPE x></s:Body></s:Envelope>", "SG-1034"),
        ("</s:Body></s:Envelope", "SG-1033"),
        ("&x;</s:Body></s:Envelope>", "SG-1033"),
        ("</s:Body>", "SG-1033"),
    ] {
        for chunked in [false, true] {
            let body = format!("{start}{end}");
            let (fields, body) = if chunked {
                let body = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
                ("Transfer-Encoding: chunked\r\n", body)
            } else {
                ("", body)
            };
            let wire = Wire::connect(gate.address()).await;
            let (mut reader, mut writer) = wire.halves();
            let request = raw(&gate, &browser, "text/xml", &body, fields);
            let sending = tokio::spawn(async move { writer.send(request).await });
            let answer = reader.message().await.expect("an answer");
            assert!(answer.text().contains(code), "{end}: {answer:?}");
            sending.abort();
        }
    }
    assert_eq!(puppet.seen().len(), 0, "no whole request came out of it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_megabytes_pass_in_little_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(Speech::default(), async |request| {
        let (mut body, mut read) = (request.into_body(), 0_usize);
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, bytes::Bytes::len);
        }
        Response::new(whole(read.to_string()))
    })
    .await;
    let tenant = format!("http://{}", server.address);
    let settings = Settings {
        soap_instance_url: Some(tenant.clone()),
        ..Settings::default()
    };
    let sandbox = Sandbox::start(settings, Arc::new(SystemClock), Arc::new(OsEntropy))
        .await
        .expect("the sandbox starts");
    let key = sidegate::crypto::MasterKey::generate(&OsEntropy).to_text();
    let (running, address) = serve(folder.path(), &sandbox, &tenant, &key).await;
    let mut browser = Browser::new(address);
    assert_eq!(browser.sign_in("/mc/soap/", "ada").await.status, 303);
    let head = format!("<s:Envelope xmlns:s=\"{SOAP_11}\"><s:Body><a>");
    let tail = "</a></s:Body></s:Envelope>";
    // Text, tags and sections.
    let part = format!(
        "text &amp; <b c='d'/> <![CDATA[ ]] ]]> {}",
        "x".repeat(4_000)
    );
    let block = part.repeat(260);
    let length = |blocks| head.len() + blocks * block.len() + tail.len();
    let token =
        "<s:Header><fueloauth xmlns=\"http://exacttarget.com\"></fueloauth></s:Header>".len() + 512;
    let before = running.peak_memory();
    for (chunked, blocks) in [(false, 100), (true, 20)] {
        let framing = if chunked {
            "Transfer-Encoding: chunked".to_owned()
        } else {
            format!("Content-Length: {}", length(blocks))
        };
        let mut wire = Wire::connect(address).await;
        wire.send(format!(
            "POST /mc/soap/Service.asmx HTTP/1.1\r\nHost: {address}\r\nCookie: sidegate={}\r\nSec-Fetch-Site: same-origin\r\nContent-Type: text/xml\r\n{framing}\r\n\r\n",
            browser.jar["sidegate"]
        ))
        .await;
        for part in std::iter::once(head.as_str())
            .chain(std::iter::repeat_n(block.as_str(), blocks))
            .chain([tail])
        {
            if chunked {
                wire.send(format!("{:x}\r\n", part.len())).await;
            }
            wire.send(part).await;
            if chunked {
                wire.send("\r\n").await;
            }
        }
        if chunked {
            wire.send("0\r\n\r\n").await;
        }
        let answer = wire.message().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{answer:?}");
        assert_eq!(answer.text(), (length(blocks) + token).to_string());
    }
    let length = length(100);
    assert!(length > 100_000_000, "{length}");
    let grown = running.peak_memory() - before;
    crate::support::tell(&format!("{length} bytes: {grown} bytes more of memory"));
    assert!(grown < 16 * 1024 * 1024, "{grown} bytes more");
    assert_eq!(running.stop("TERM").await, 0);
}

/// The program in front of `tenant`, and its address.
pub async fn serve(
    folder: &std::path::Path,
    sandbox: &Sandbox,
    tenant: &str,
    key: &str,
) -> (Running, SocketAddr) {
    // The public URL has to be known before the gateway listens; another process may take the port.
    for _ in 0..20 {
        let port = free_port();
        let text = format!(
            "public_url: http://127.0.0.1:{port}\nlisten: 127.0.0.1:{port}\nadmin_listen: 127.0.0.1:0\nworkers: 2\n\
             marketing_cloud:\n  subdomain: sandbox\n  client_id: sandbox-web-client\n  client_secret: {{ env: SECRET }}\n  \
             auth_base_url: {0}\n  instance_hosts: [\"{0}\", \"{tenant}\"]\nsession:\n  keys: [{{ env: KEY }}]\n\
             routes:\n  - {{ path: /mc/soap/, to: soap }}\n",
            sandbox.origin(),
        );
        std::fs::write(folder.join("sidegate.yaml"), text).expect("written");
        let command = sidegate(
            folder,
            &["serve", "--config", "sidegate.yaml"],
            &[("KEY", key), ("SECRET", "sandbox-web-secret-do-not-use")],
        );
        let mut running = Running::by_log(command);
        let started = running.line("\"event\":\"started\"");
        let started = tokio::time::timeout(Duration::from_mins(1), started).await;
        if started.expect("in time").is_some() {
            return (running, SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        }
    }
    panic!("no port is free");
}
