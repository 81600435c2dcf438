//! A token that the tenant's API refuses before its time: one refresh, one replay.

use bytes::Bytes;
use http::Method;
use sidegate::sandbox::Fault;
use sidegate::sandbox::Place;
use sidegate::sandbox::Settings;

use crate::support::Gate;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::browser::SCRIPT;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_token_is_renewed_and_the_request_sent_once_more() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    let before = browser.jar["sidegate"].clone();
    gate.advance(60);
    gate.control()
        .set_fault(Place::Rest, Fault::Unauthorized, Some(1));
    let answer = browser.fetch("/mc/rest/echo/x").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let stats = gate.control().stats();
    assert_eq!((stats.refreshes, stats.rest_calls), (1, 2));
    assert_ne!(
        browser.jar["sidegate"], before,
        "the browser gets the new pair"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_body_is_sent_again_and_a_large_one_is_not() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    gate.advance(60);
    gate.control()
        .set_fault(Place::Rest, Fault::Unauthorized, Some(1));
    let answer = browser
        .post("/mc/rest/echo/small", vec![b'x'; 60_000])
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["body_bytes"], 60_000);
    gate.advance(60);
    gate.control()
        .set_fault(Place::Rest, Fault::Unauthorized, Some(1));
    let answer = browser
        .post("/mc/rest/echo/large", vec![b'x'; 200_000])
        .await;
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(answer.json()["errorcode"], 0, "the API's own answer");
    assert_eq!(gate.control().stats().refreshes, 2, "renewed all the same");
    let answer = browser
        .post("/mc/rest/echo/large", vec![b'x'; 200_000])
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_refusal_is_passed_on_and_a_403_is_never_retried() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    gate.advance(60);
    gate.control()
        .set_fault(Place::Rest, Fault::Unauthorized, None);
    for _ in 0..5 {
        let answer = browser
            .send(Method::GET, "/mc/rest/echo/x", &SCRIPT, Bytes::new())
            .await;
        assert_eq!(
            (answer.status, answer.json()["errorcode"].as_i64()),
            (401, Some(0))
        );
    }
    assert_eq!(
        gate.control().stats().refreshes,
        1,
        "a young token is not renewed again"
    );
    gate.control()
        .set_fault(Place::Rest, Fault::Forbidden, None);
    gate.advance(60);
    assert_eq!(browser.fetch("/mc/rest/echo/x").await.status, 403);
    assert_eq!(gate.control().stats().refreshes, 1);
}

/// Browsers ask for compressed answers, and refusals come compressed, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_that_is_compressed_is_one() {
    let puppet = Puppet::playing(|_, mut line| async move {
        while line.request().await.is_some() {
            let head = format!(
                "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
                GZIPPED.len()
            );
            line.say([head.as_bytes(), GZIPPED].concat()).await;
        }
    })
    .await;
    let gate = Gate::with(Plan {
        sandbox: Settings {
            rest_instance_url: Some(puppet.origin()),
            ..Settings::default()
        },
        instance_hosts: Some(format!("\"SANDBOX\", \"{}\"", puppet.origin())),
        ..Plan::default()
    })
    .await;
    let mut browser = gate.signed_in("ada").await;
    gate.advance(60);
    let mut fields = SCRIPT.to_vec();
    fields.push(("accept-encoding", "gzip"));
    for round in 1..=3 {
        let answer = browser
            .send(Method::GET, "/mc/rest/echo/x", &fields, Bytes::new())
            .await;
        assert_eq!((answer.status, &*answer.body), (401, GZIPPED));
        assert_eq!(answer.header("content-encoding"), "gzip");
        let stats = gate.control().stats();
        assert_eq!((stats.refreshes, puppet.seen().len()), (1, 1 + round));
    }
}

/// `{"message":"Not Authorized","errorcode":0,"documentation":""}`.
const GZIPPED: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xab\x56\xca\x4d\x2d\x2e\x4e\x4c\x4f\x55\xb2\x52\xf2\xcb\x2f\x51\x70\x2c\x2d\xc9\xc8\x2f\xca\xac\x4a\x4d\x51\xd2\x51\x4a\x2d\x2a\xca\x2f\x4a\xce\x4f\x01\x4a\x1a\xe8\x28\xa5\xe4\x27\x97\xe6\xa6\xe6\x95\x24\x96\x64\xe6\xe7\x01\x95\x2b\xd5\x02\x00\x0d\x7a\x9b\x9c\x3d\x00\x00\x00";
