//! Fair shares: of the tenant's API by person, of sign-ins by client address.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use tokio::sync::Notify;
use tokio::sync::mpsc;

use crate::fence::Told;
use crate::support::Answer;
use crate::support::Browser;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::browser::SCRIPT;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_person_cannot_take_the_whole_api() {
    let go = Arc::new(Notify::new());
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let gong = Arc::clone(&go);
    let api = Puppet::playing(move |_, mut line| {
        let (go, arrived) = (Arc::clone(&gong), arrived.clone());
        async move {
            while let Some(request) = line.request().await {
                if request.head.contains(" /hold ") {
                    // The head is there, and the answer still under way.
                    line.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no")
                        .await;
                    arrived.send(()).expect("somebody waits");
                    go.notified().await;
                    line.say("k").await;
                } else {
                    line.say(OK).await;
                }
            }
        }
    })
    .await;
    let gate = before(&api, "limits: { per_user: 2, per_tenant: 3 }\n").await;
    let (mut ada, mut jonas) = (gate.signed_in("ada").await, gate.signed_in("jonas").await);
    let hold = |browser: &Browser| {
        let browser = browser.clone();
        tokio::spawn(async move { { browser }.fetch("/mc/rest/hold").await })
    };
    let first = [hold(&ada), hold(&ada)];
    for _ in 0..2 {
        arrivals.recv().await.expect("a request");
    }
    let refused = ada.fetch("/mc/rest/x").await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "SG-1020"));
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.header("content-type"), "application/problem+json");
    assert_eq!(
        jonas.fetch("/mc/rest/x").await.text(),
        "ok",
        "somebody else"
    );
    assert_eq!(ada.fetch("/").await.status, 200, "not the API");
    let third = hold(&jonas);
    arrivals.recv().await.expect("a request");
    let refused = jonas.fetch("/mc/rest/x").await;
    assert_eq!(refused.code(), "SG-1020", "all of the tenant's");
    for held in first.into_iter().chain([third]) {
        go.notify_one();
        drop(held);
    }
    go.notify_waiters();
    let mut free = 0;
    while free < 10 {
        go.notify_one();
        let answer = ada.fetch("/mc/rest/x").await;
        free = if answer.status == 200 { free + 1 } else { 0 };
        assert!(matches!(answer.status, 200 | 429), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_the_api_sends_away_waits_and_nobody_else() {
    let api = Puppet::playing(|_, mut line| async move {
        while let Some(request) = line.request().await {
            let busy = request.head.contains(" /busy ");
            line.say(if busy { BUSY } else { OK }).await;
        }
    })
    .await;
    let gate = before(&api, "").await;
    let (mut ada, mut jonas) = (gate.signed_in("ada").await, gate.signed_in("jonas").await);
    let busy = ada.fetch("/mc/rest/busy").await;
    assert_eq!((busy.status, busy.header("retry-after")), (429, "5"));
    assert_eq!(busy.text(), "{}", "the API's own answer");
    for left in (1..=5).rev() {
        let refused = ada.post("/mc/rest/x", "body").await;
        assert_eq!((refused.status, refused.code().as_str()), (429, "SG-4008"));
        assert_eq!(refused.header("retry-after"), left.to_string());
        assert_eq!(refused.header("content-type"), "application/problem+json");
        assert_eq!(jonas.fetch("/mc/rest/x").await.text(), "ok");
        assert_eq!(ada.fetch("/").await.status, 200, "not the API");
        gate.advance(1);
    }
    assert_eq!(ada.fetch("/mc/rest/x").await.text(), "ok");
    assert_eq!(api.seen().len(), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_may_start_so_many_sign_ins() {
    let gate = Gate::with(Plan {
        top: "rate_limits: { sign_in: 3/1m, callback: off }\n".to_owned(),
        ..Plan::default()
    })
    .await;
    for path in ["/", "/oauth2/start", "/page"] {
        assert_eq!(gate.browser().navigate(path).await.status, 302, "{path}");
    }
    for path in ["/", "/oauth2/start"] {
        let page = gate.browser().navigate(path).await;
        limited(&page, "text/html; charset=utf-8");
    }
    limited(
        &gate.browser().fetch("/oauth2/start").await,
        "application/problem+json",
    );
    assert_eq!(
        gate.browser().fetch("/").await.code(),
        "SG-2001",
        "no sign-in was started"
    );
    gate.advance(20);
    assert_eq!(gate.browser().navigate("/").await.status, 302);
    limited(
        &gate.browser().navigate("/").await,
        "text/html; charset=utf-8",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_may_come_back_so_many_times() {
    let gate = Gate::with(Plan {
        top: "rate_limits: { callback: 3/1m }\n".to_owned(),
        ..Plan::default()
    })
    .await;
    let mut browser = gate.signed_in("ada").await;
    for _ in 0..2 {
        let page = gate
            .browser()
            .navigate("/oauth2/callback?code=c&state=s")
            .await;
        assert_eq!(page.status, 400);
    }
    let page = gate
        .browser()
        .navigate("/oauth2/callback?code=c&state=s")
        .await;
    limited(&page, "text/html; charset=utf-8");
    assert_eq!(gate.control().stats().token_calls, 1);
    assert_eq!(
        browser.fetch("/").await.status,
        200,
        "sessions are not meant"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trusted_proxys_client_is_who_counts() {
    let gate = Gate::with(Plan {
        top: "trusted_proxies: [127.0.0.1]\nrate_limits: { sign_in: 1/1m }\n".to_owned(),
        ..Plan::default()
    })
    .await;
    let start = async |client: IpAddr| {
        let client = client.to_string();
        let fields = [SCRIPT[0], SCRIPT[1], ("x-forwarded-for", client.as_str())];
        let mut browser = gate.browser();
        let answer = browser.send(Method::GET, "/oauth2/start", &fields, Bytes::new());
        answer.await.status
    };
    for (client, status) in [
        ("192.0.2.1", 302),
        ("192.0.2.1", 429),
        ("192.0.2.2", 302),
        ("2001:db8::1", 302),
        ("2001:db8::2", 429),
        ("2001:db8:0:1::2", 302),
    ] {
        let client = client.parse().expect("an address");
        assert_eq!(start(client).await, status, "{client}");
    }
}

fn limited(answer: &Answer, kind: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (429, "SG-1021"));
    assert_eq!(answer.header("retry-after"), "20");
    assert_eq!(answer.header("content-type"), kind);
}

/// A gate whose tenants' API is `api`.
async fn before(api: &Puppet, top: &str) -> Gate {
    let told = Told::default();
    let plan = Plan {
        top: top.to_owned(),
        ..Plan::default()
    };
    told.say(&[("rest_instance_url", &api.origin())]);
    told.gate_with("\"127.0.0.1:*\"", plan).await
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const BUSY: &str =
    "HTTP/1.1 429 Too Many Requests\r\nretry-after: 5\r\ncontent-length: 2\r\n\r\n{}";
