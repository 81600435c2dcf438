//! Requests from pages of other origins: refused, unless the origin is one that the operator lists.

use bytes::Bytes;
use http::Method;

use crate::support::Answer;
use crate::support::Browser;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::Wire;

const APP: &str = "https://app.example.com";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listed_origin_may_do_what_our_own_pages_may() {
    let gate = listing().await;
    let mut ada = gate.signed_in("ada").await;
    for path in ["/echo/x", "/maybe/x", "/mc/rest/echo/x"] {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let answer = from(&mut ada, method.clone(), path, APP).await;
            assert!(
                [200, 404].contains(&answer.status),
                "{method} {path}: {answer:?}"
            );
            assert_shared(&answer);
            for origin in [
                "https://evil.example",
                "null",
                "https://app.example.com.evil",
                "http://app.example.com",
            ] {
                let answer = from(&mut ada, method.clone(), path, origin).await;
                assert_eq!((answer.status, answer.code().as_str()), (403, "SG-1006"));
                assert_not_shared(&answer);
            }
        }
    }
    let signed_out = from(&mut ada, Method::POST, "/oauth2/sign_out", APP).await;
    assert_eq!(signed_out.status, 204);
    assert_shared(&signed_out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listed_origin_reads_refusals_and_failures_too() {
    let gate = listing().await;
    let mut stranger = gate.browser();
    let mut ada = gate.signed_in("ada").await;
    for (answer, status) in [
        (from(&mut stranger, Method::GET, "/echo/x", APP).await, 401),
        (
            from(&mut stranger, Method::GET, "/oauth2/userinfo", APP).await,
            401,
        ),
        (
            from(&mut ada, Method::GET, "/oauth2/userinfo", APP).await,
            200,
        ),
        (from(&mut ada, Method::GET, "/oauth2/none", APP).await, 404),
        (from(&mut ada, Method::GET, "/a;b", APP).await, 400),
        (from(&mut ada, Method::GET, "/dead/x", APP).await, 502),
        (from(&mut stranger, Method::GET, "/open/x", APP).await, 404),
    ] {
        assert_eq!(answer.status, status, "{answer:?}");
        assert_shared(&answer);
    }
    let twice = [
        ("origin", APP),
        ("origin", APP),
        ("sec-fetch-site", "cross-site"),
    ];
    for fields in [
        &[][..],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &twice,
    ] {
        let answer = ada.send(Method::GET, "/echo/x", fields, Bytes::new()).await;
        assert_eq!(answer.status, 200);
        assert_not_shared(&answer);
        // A cache must not show this answer to a page of the listed origin.
        assert_eq!(answer.header("vary"), "origin");
    }
    let plain = Gate::start().await;
    let answer = from(
        &mut plain.signed_in("ada").await,
        Method::GET,
        "/echo/x",
        APP,
    )
    .await;
    assert_not_shared(&answer);
    assert_eq!(
        answer.header("vary"),
        "",
        "nothing is shared where nothing is listed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn browsers_of_a_listed_origin_may_ask_first() {
    let gate = listing().await;
    let mut browser = gate.browser();
    for (path, names, allowed) in [
        (
            "/echo/x",
            "content-type, X-Requested-With",
            "content-type, X-Requested-With",
        ),
        ("/mc/rest/asset/v1/x", "authorization", "authorization"),
        ("/open/x", "", ""),
        ("/oauth2/sign_out", "x\"y", ""),
    ] {
        let fields = [
            ("origin", APP),
            ("access-control-request-method", "DELETE"),
            ("access-control-request-headers", names),
        ];
        let answer = browser
            .send(Method::OPTIONS, path, &fields, Bytes::new())
            .await;
        assert_eq!(answer.status, 204, "{path}: {answer:?}");
        assert_eq!(answer.header("access-control-allow-headers"), allowed);
        let methods = "GET, HEAD, POST, PUT, PATCH, DELETE";
        assert_eq!(answer.header("access-control-allow-methods"), methods);
        assert_eq!(answer.header("access-control-max-age"), "600");
        assert_shared(&answer);
        let vary = answer.headers.get_all("vary").iter();
        let vary: Vec<_> = vary.map(|vary| vary.to_str().expect("text")).collect();
        assert_eq!(
            vary.join(", "),
            "access-control-request-method, access-control-request-headers, origin"
        );
    }
    for origin in ["https://evil.example", "null", "https://APP.example.com"] {
        let fields = [
            ("origin", origin),
            ("access-control-request-method", "DELETE"),
        ];
        let answer = browser
            .send(Method::OPTIONS, "/echo/x", &fields, Bytes::new())
            .await;
        assert_eq!(answer.status, 401, "{origin}: {answer:?}");
        assert_not_shared(&answer);
    }
    assert!(gate.tool.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_with_a_policy_of_its_own_keeps_it() {
    let puppet = Puppet::saying(
        "HTTP/1.1 200 OK\r\naccess-control-allow-origin: https://partner.example\r\nvary: Origin\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    let gate = Gate::with(Plan {
        top: format!("allowed_origins: {APP}\n"),
        routes: puppet.route(", access: public"),
        ..Plan::default()
    })
    .await;
    let answer = from(&mut gate.browser(), Method::GET, "/x", APP).await;
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "https://partner.example"
    );
    assert!(
        !answer
            .headers
            .contains_key("access-control-allow-credentials")
    );
    assert_eq!(answer.headers.get_all("vary").iter().count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenants_api_shares_nothing_by_itself() {
    let puppet = Puppet::saying(
        "HTTP/1.1 200 OK\r\naccess-control-allow-origin: *\r\naccess-control-allow-credentials: true\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    let gate = Gate::with(Plan {
        sandbox: sidegate::sandbox::Settings {
            rest_instance_url: Some(puppet.origin()),
            ..Default::default()
        },
        instance_hosts: Some("127.0.0.1".to_owned()),
        top: format!("allowed_origins: [{APP}]\n"),
        ..Plan::default()
    })
    .await;
    let mut ada = gate.signed_in("ada").await;
    assert_shared(&from(&mut ada, Method::GET, "/mc/rest/x", APP).await);
    assert_not_shared(&from(&mut ada, Method::GET, "/mc/rest/x", "https://evil.example").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_may_come_from_a_listed_origin() {
    let gate = listing().await;
    let ada = gate.signed_in("ada").await;
    for (origin, status) in [(APP, 101), ("https://evil.example", 403), ("null", 403)] {
        let mut wire = Wire::connect(gate.address()).await;
        wire.send(format!(
            "GET /ws HTTP/1.1\r\nHost: {}\r\nCookie: sidegate={}\r\nOrigin: {origin}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            gate.address(),
            ada.jar["sidegate"]
        ))
        .await;
        let answer = wire.message().await.expect("an answer");
        assert_eq!(answer.status(), status, "{origin}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configured_header_stands_in_for_silence_only() {
    let gate = listing().await;
    let mut ada = gate.signed_in("ada").await;
    for (fields, status) in [
        (&[("x-tool-request", "1")][..], 200),
        (&[("x-tool-request", "")], 200),
        (&[], 403),
        (&[("x_tool_request", "1")], 403),
        (
            &[("x-tool-request", "1"), ("origin", "https://evil.example")],
            403,
        ),
        (
            &[("x-tool-request", "1"), ("sec-fetch-site", "cross-site")],
            403,
        ),
        (
            &[("x-tool-request", "1"), ("sec-fetch-site", "same-site")],
            403,
        ),
    ] {
        let answer = ada
            .send(Method::POST, "/echo/x", fields, Bytes::new())
            .await;
        assert_eq!(answer.status, status, "{fields:?}: {answer:?}");
    }
    let plain = Gate::start().await;
    let mut ada = plain.signed_in("ada").await;
    let fields = [("x-tool-request", "1")];
    let answer = ada
        .send(Method::POST, "/echo/x", &fields, Bytes::new())
        .await;
    assert_eq!(answer.status, 403, "where none is configured, none counts");
}

/// A proxy in front passes on what we say yes to: forged requests get no yes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auth_answers_no_to_what_another_site_may_have_caused() {
    let gate = Gate::start().await;
    let mut ada = gate.signed_in("ada").await;
    let origin = gate.origin();
    for (method, fields, status) in [
        (Method::GET, &[][..], 202),
        (Method::GET, &[("sec-fetch-site", "cross-site")], 202),
        (Method::POST, &[("sec-fetch-site", "cross-site")], 403),
        (Method::POST, &[("origin", "null")], 403),
        (
            Method::GET,
            &[
                ("sec-fetch-mode", "websocket"),
                ("origin", "https://evil.example"),
            ],
            403,
        ),
        (
            Method::GET,
            &[("upgrade", "WebSocket"), ("origin", "https://evil.example")],
            403,
        ),
        (
            Method::GET,
            &[("upgrade", "WebSocket"), ("origin", origin.as_str())],
            202,
        ),
        // A proxy need not pass on what the browser said.
        (Method::POST, &[], 202),
        (Method::POST, &[("origin", origin.as_str())], 202),
        (
            Method::GET,
            &[
                ("x-forwarded-method", "POST"),
                ("sec-fetch-site", "same-site"),
            ],
            403,
        ),
        (
            Method::GET,
            &[
                ("x-original-method", "DELETE"),
                ("origin", "https://evil.example"),
            ],
            403,
        ),
        (
            Method::GET,
            &[
                ("x-forwarded-method", "POST"),
                ("sec-fetch-site", "same-origin"),
            ],
            202,
        ),
        (
            Method::GET,
            &[
                ("x-forwarded-method", "GET"),
                ("sec-fetch-site", "cross-site"),
            ],
            202,
        ),
        (Method::GET, &[("x-forwarded-method", "G T")], 400),
    ] {
        let answer = ada
            .send(method.clone(), "/oauth2/auth", fields, Bytes::new())
            .await;
        assert_eq!(answer.status, status, "{method} {fields:?}: {answer:?}");
    }
    let fields = [("x-forwarded-method", "POST")];
    let answer = gate
        .browser()
        .send(Method::GET, "/oauth2/auth", &fields, Bytes::new())
        .await;
    assert_eq!(answer.status, 401, "who is nobody has to sign in first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_isolated_route_is_for_links_and_our_own_pages() {
    let gate = Gate::with(Plan {
        routes: "\n  - { path: /alone/, to: TOOL, access: public, isolated: true }\n  - { path: /, to: TOOL, access: public }\n"
            .to_owned(),
        ..Plan::default()
    })
    .await;
    let mut browser = gate.browser();
    for (path, fields, status) in [
        ("/alone/x", &[][..], 404),
        ("/alone/x", &[("sec-fetch-site", "same-origin")], 404),
        (
            "/alone/x",
            &[
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
            ],
            404,
        ),
        (
            "/alone/x",
            &[
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "no-cors"),
            ],
            403,
        ),
        (
            "/alone/x",
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")],
            403,
        ),
        (
            "/other/x",
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")],
            404,
        ),
    ] {
        let answer = browser.send(Method::GET, path, fields, Bytes::new()).await;
        assert_eq!(answer.status, status, "{path} {fields:?}: {answer:?}");
        if status == 403 {
            assert_eq!(answer.code(), "SG-1016");
        }
    }
}

async fn listing() -> Gate {
    Gate::with(Plan {
        top: format!("allowed_origins: [{APP}]\ncsrf: {{ header: X-Tool-Request }}\n"),
        routes: format!(
            "{}  - {{ path: /dead/, to: http://127.0.0.1:1 }}\n",
            Plan::default().routes
        ),
        ..Plan::default()
    })
    .await
}

/// What a browser sends for a page of `origin`.
async fn from(browser: &mut Browser, method: Method, path: &str, origin: &str) -> Answer {
    let fields = [
        ("origin", origin),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-dest", "empty"),
    ];
    browser.send(method, path, &fields, Bytes::new()).await
}

fn assert_shared(answer: &Answer) {
    let origins = answer.headers.get_all("access-control-allow-origin");
    assert_eq!(origins.iter().collect::<Vec<_>>(), [APP], "{answer:?}");
    assert_eq!(answer.header("access-control-allow-credentials"), "true");
    let vary = answer.headers.get_all("vary");
    assert!(vary.iter().any(|vary| vary == "origin"), "{answer:?}");
}

fn assert_not_shared(answer: &Answer) {
    let mut names = answer.headers.keys();
    let shared = names.find(|name| name.as_str().starts_with("access-control-"));
    assert_eq!(shared, None, "{answer:?}");
}
