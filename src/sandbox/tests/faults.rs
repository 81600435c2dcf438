//! Each fault, where it can strike.

use std::error::Error;

use super::*;

#[tokio::test]
async fn statuses_at_the_token_endpoint() {
    let rig = Rig::start(Settings::default()).await;
    let control = rig.sandbox.control();
    let limited = Fault::TooManyRequests {
        retry_after: Some(7),
    };
    for (fault, status, member, value) in [
        (Fault::InternalError, 500, "errorcode", json!(0)),
        (Fault::Unavailable, 503, "errorcode", json!(50_300)),
        (limited, 429, "retryAfter", json!(7)),
        (Fault::InvalidClient, 401, "error", json!("invalid_client")),
        (Fault::InvalidGrant, 400, "error", json!("invalid_grant")),
        (Fault::WrongTypes, 200, "expires_in", json!("soon")),
        (Fault::Garbage, 200, "", Value::Null),
        (Fault::Html, 200, "", Value::Null),
        (Fault::Redirect, 302, "", Value::Null),
    ] {
        control.set_fault(Place::Token, fault.clone(), Some(1));
        let (got, body) = rig.token(code_grant("x")).await;
        assert_eq!((got, &body[member]), (status, &value), "{fault:?}");
    }
    assert_eq!(control.stats().token_calls, 9);
    assert_eq!(rig.token(code_grant("x")).await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn soap_fails_with_status_500_whatever_it_is() {
    let rig = Rig::start(Settings::default()).await;
    let control = rig.sandbox.control();
    for (fault, code, text) in [
        (Fault::TokenExpired, "q0:Security", "Token Expired"),
        (Fault::LoginFailed, "q0:Security", "Login Failed"),
        (Fault::InternalError, "soap:Server", "The server has failed"),
        (
            Fault::TooManyRequests { retry_after: None },
            "soap:Server",
            "Rate limit exceeded",
        ),
    ] {
        control.set_fault(Place::Soap, fault, Some(1));
        let request = rig.http.post(rig.url("/Service.asmx")).body("<any/>");
        let reply = request.send().await.expect("a reply");
        assert_eq!(reply.status(), 500);
        assert_eq!(reply.headers()["content-type"], "text/xml; charset=utf-8");
        let answer = reply.text().await.expect("text");
        let read = roxmltree::Document::parse(&answer).expect("a document");
        let said = |name: &str| {
            let mut nodes = read.descendants();
            nodes
                .find(|node| node.has_tag_name(name))
                .and_then(|node| node.text())
        };
        assert_eq!(said("faultcode"), Some(code), "{answer}");
        assert_eq!(said("faultstring"), Some(text), "{answer}");
    }
}

#[tokio::test]
async fn statuses_at_rest_and_userinfo() {
    let rig = Rig::start(Settings::default()).await;
    let (control, ada) = (rig.sandbox.control(), rig.sign_in("ada").await);
    for (place, path) in [
        (Place::Rest, "/platform/v1/tokenContext"),
        (Place::Userinfo, "/v2/userinfo"),
    ] {
        for (fault, status, code) in [
            (Fault::Unauthorized, 401, 0),
            (Fault::Forbidden, 403, 20_002),
            (Fault::TooManyRequests { retry_after: None }, 429, 50_200),
            (Fault::InternalError, 500, 0),
            (Fault::Unavailable, 503, 50_300),
            (Fault::ServiceNotFound, 596, 0),
        ] {
            control.set_fault(place, fault, None);
            let (got, body) = answer(rig.get(path, &ada)).await;
            assert_eq!((got, &body["errorcode"]), (status, &json!(code)));
        }
    }
    control.clear_faults();
    assert_eq!(answer(rig.get("/v2/userinfo", &ada)).await.0, 200);
}

#[tokio::test]
async fn dead_tokens_are_counted_when_they_arrive() {
    let rig = Rig::start(Settings::default()).await;
    let (control, ada) = (rig.sandbox.control(), rig.sign_in("ada").await);
    let path = "/platform/v1/tokenContext";
    assert_eq!(answer(rig.get(path, &ada)).await.0, 202);
    assert_eq!(control.stats().dead_tokens, 0);
    rig.clock.advance(Duration::from_secs(1_079));
    assert_eq!(answer(rig.get(path, &ada)).await.0, 401);
    let made_up = json!({ "access_token": "made-up" });
    assert_eq!(answer(rig.get(path, &made_up)).await.0, 401);
    assert_eq!(control.stats().dead_tokens, 2);
    control.reset();
    assert_eq!(control.stats().dead_tokens, 0);
}

#[tokio::test]
async fn connections_are_reset() {
    let rig = Rig::start(Settings::default()).await;
    let (control, ada) = (rig.sandbox.control(), rig.sign_in("ada").await);
    for path in ["/echo/x", "/status/200"] {
        control.set_fault(Place::Rest, Fault::Reset, Some(1));
        let request = rig.request(reqwest::Method::POST, path, &ada).body("x");
        let error = request.send().await.expect_err("a reset");
        assert!(is_reset(&error), "{error:?}");
    }

    control.set_fault(Place::Token, Fault::LoseReply, Some(1));
    let request = rig.http.post(rig.url("/v2/token"));
    let lost = request.json(&json!({
        "grant_type": "refresh_token",
        "client_id": "sandbox-public-client",
        "refresh_token": ada["refresh_token"],
    }));
    let error = lost.send().await.expect_err("a reset");
    assert!(is_reset(&error), "{error:?}");
    assert_eq!(control.stats().refreshes, 1, "the work was done");
    assert_eq!(rig.refresh(&ada).await.0, 400, "the token is used up");
}

/// Whether a reset, rather than an orderly close, is at the root of an error.
fn is_reset(error: &reqwest::Error) -> bool {
    std::iter::successors(error.source(), |&error| error.source())
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::ConnectionReset)
}

#[tokio::test]
async fn a_huge_reply_never_seems_to_end() {
    let rig = Rig::start(Settings::default()).await;
    rig.sandbox
        .control()
        .set_fault(Place::Token, Fault::Huge, Some(1));
    let request = rig.http.post(rig.url("/v2/token")).json(&code_grant("x"));
    let mut reply = request.send().await.expect("a head");
    let mut seen = 0;
    while seen < 8 * 1024 * 1024 {
        seen += reply.chunk().await.expect("a chunk").expect("more").len();
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_goes_by_the_clock_of_tokio() {
    let rig = Rig::start(Settings::default()).await;
    let control = rig.sandbox.control();
    let started = tokio::time::Instant::now();
    control.set_fault(Place::Token, Fault::Slow { ms: 90_000 }, Some(1));
    let (status, _) = rig.token(code_grant("x")).await;
    assert_eq!(status, 400, "the right answer, late");
    assert!(started.elapsed() >= Duration::from_secs(90));

    control.set_fault(Place::Token, Fault::Hang, Some(1));
    let hanging = rig.token(code_grant("x"));
    let hour = Duration::from_hours(1);
    tokio::time::timeout(hour, hanging)
        .await
        .expect_err("no answer");
}
