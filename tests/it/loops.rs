//! Browsers whose sessions never come back are told why.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use sidegate::sandbox::ClientKind;
use sidegate::sandbox::Fault;
use sidegate::sandbox::Place;
use sidegate::sandbox::Settings;
use sidegate::time::Clock as _;
use sidegate::time::ManualClock;

use crate::support::Answer;
use crate::support::Browser;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::browser::exchange;
use crate::support::browser::request;
use crate::support::browser::split_url;

/// Signs in over and over, keeping of the session what `keep` lets through.
async fn go_round(
    gate: &Gate,
    browser: &mut Browser,
    keep: impl Fn(&mut Browser),
) -> (usize, Answer) {
    for round in 0..10 {
        let start = browser.navigate("/page").await;
        if start.status != 302 {
            return (round, start);
        }
        let callback = browser.consent(start.header("location"), "ada").await;
        let arrived = browser.navigate(&callback).await;
        assert_eq!(
            (arrived.status, arrived.header("location")),
            (303, "/page"),
            "round {round}"
        );
        keep(browser);
        gate.advance(1);
    }
    panic!("round and round it goes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_cookie_that_never_comes_back_ends_in_a_page_after_three_sign_ins() {
    let gate = Gate::start().await;
    let mut browser = gate.browser();
    let lose = |browser: &mut Browser| {
        browser.jar.remove("sidegate");
    };
    let (rounds, page) = go_round(&gate, &mut browser, lose).await;
    assert_eq!(
        (rounds, page.status, page.code().as_str()),
        (3, 400, "SG-2017"),
        "{page:?}"
    );
    assert!(page.header("content-type").starts_with("text/html"));
    let (rounds, _) = go_round(&gate, &mut browser, lose).await;
    assert!(rounds > 0, "after the page, another try is let through");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_names_what_is_wrong_with_the_session() {
    let gate = Gate::start().await;
    let mut browser = gate.browser();
    let spoil = |browser: &mut Browser| {
        browser
            .jar
            .insert("sidegate".to_owned(), "spoilt".to_owned());
    };
    let (_, page) = go_round(&gate, &mut browser, spoil).await;
    assert_eq!(page.code(), "SG-2018", "{page:?}");
    let mut browser = gate.browser();
    let cut = |browser: &mut Browser| {
        let whole = browser.jar.remove("sidegate").expect("a session");
        browser.jar.insert("sidegate.2".to_owned(), whole);
    };
    let (_, page) = go_round(&gate, &mut browser, cut).await;
    assert_eq!(page.code(), "SG-2019", "{page:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_in_often_is_no_loop() {
    let gate = Gate::start().await;
    for round in 0..6 {
        let mut browser = gate.browser();
        let answer = browser.sign_in("/", "ada").await;
        assert_eq!(answer.status, 303, "{round}");
        assert_eq!(browser.navigate("/").await.status, 200, "{round}");
        let signed_out = browser
            .send(
                Method::POST,
                "/oauth2/sign_out",
                &[("sec-fetch-site", "same-origin")],
                Bytes::new(),
            )
            .await;
        assert_eq!(signed_out.status, 204, "{round}");
        assert!(browser.jar.is_empty(), "{:?}", browser.jar);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_loop_is_none() {
    let gate = Gate::start().await;
    let mut browser = gate.browser();
    for _ in 0..6 {
        assert_eq!(browser.sign_in("/page", "ada").await.status, 303);
        browser.jar.remove("sidegate");
        gate.advance(61);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_that_meets_a_dead_session_is_not_lost_without_a_word() {
    let gate = Gate::start().await;
    let fields = [
        ("accept", "text/html"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
        ("sec-fetch-site", "same-origin"),
    ];
    let page = gate
        .browser()
        .send(Method::POST, "/form", &fields, Bytes::from_static(b"a=1"))
        .await;
    assert_eq!(
        (page.status, page.code().as_str()),
        (401, "SG-2022"),
        "{page:?}"
    );
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(
        page.text().contains("/oauth2/start?rd="),
        "a way to sign in"
    );
    assert!(gate.tool.requests().is_empty(), "nothing was forwarded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chunk_that_gets_lost_on_the_way_is_named() {
    let gate = Gate::with(Plan {
        sandbox: Settings {
            token_length: 2_048,
            ..Settings::default()
        },
        ..Plan::default()
    })
    .await;
    for lost in ["sidegate.1", "sidegate.2"] {
        let mut browser = gate.browser();
        let (rounds, page) = go_round(&gate, &mut browser, |browser| {
            browser.jar.remove(lost).expect("a chunk");
        })
        .await;
        assert_eq!(
            (rounds, page.status, page.code().as_str()),
            (3, 400, "SG-2019"),
            "{lost}: {page:?}"
        );
        gate.advance(61);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_the_provider_ends_at_once_is_named() {
    let gate = Gate::with(Plan {
        sandbox: Settings {
            access_token_lifetime: Duration::from_secs(1),
            ..Settings::default()
        },
        ..Plan::default()
    })
    .await;
    let mut browser = gate.browser();
    let end = |_: &mut Browser| gate.control().revoke_all();
    let (rounds, page) = go_round(&gate, &mut browser, end).await;
    assert_eq!(
        (rounds, page.status, page.code().as_str()),
        (3, 502, "SG-2020"),
        "{page:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sessions_at_once_are_named() {
    let gate = Gate::start().await;
    let mut browser = gate.browser();
    // As a cookie of the parent domain does, which no answer of ours can remove.
    let planted = gate.signed_in("mei").await.jar["sidegate"].clone();
    let twice = |browser: &mut Browser| {
        let own = browser.jar.remove("sidegate").expect("a session");
        let both = format!("{own}; sidegate={planted}");
        browser.jar.insert("sidegate".to_owned(), both);
    };
    let (rounds, page) = go_round(&gate, &mut browser, twice).await;
    assert_eq!(
        (rounds, page.status, page.code().as_str()),
        (3, 400, "SG-2024"),
        "{page:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_http_behind_a_terminator_is_named_within_the_loop_too() {
    let mut sandbox = Settings::default();
    for client in &mut sandbox.clients {
        if matches!(client.kind, ClientKind::Web { .. }) {
            client.redirect_uris = vec!["https://tool.example.com/oauth2/callback".to_owned()];
        }
    }
    let gate = Gate::with(Plan {
        sandbox,
        public_url: Some("https://tool.example.com".to_owned()),
        ..Plan::default()
    })
    .await;
    let fields = |proto: &'static str| {
        [
            ("host", "tool.example.com"),
            ("accept", "text/html"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
            ("x-forwarded-proto", proto),
        ]
    };
    for (proto, code) in [("http", "SG-2021"), ("https", "SG-2017")] {
        let mut browser = gate.browser();
        let mut rounds = 0;
        let page = loop {
            let start = browser
                .send(Method::GET, "/page", &fields(proto), Bytes::new())
                .await;
            if start.status != 302 {
                break start;
            }
            assert!(rounds < 10, "round and round it goes");
            let (provider, target) = split_url(start.header("location"));
            let target = format!("{target}&login_hint=ada");
            let consent = request(provider, Method::GET, &target, &[], Bytes::new());
            let back = exchange(provider, consent).await;
            let callback = back
                .header("location")
                .strip_prefix("https://tool.example.com")
                .expect("ours")
                .to_owned();
            let arrived = browser
                .send(Method::GET, &callback, &fields(proto), Bytes::new())
                .await;
            assert_eq!(arrived.status, 303, "{arrived:?}");
            // What a browser does with a secure cookie on its way over http.
            browser.jar.remove("__Host-Http-sidegate");
            gate.advance(1);
            rounds += 1;
        };
        assert_eq!(
            (rounds, page.status, page.code().as_str()),
            (3, 400, code),
            "{page:?}"
        );
        gate.advance(61);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_differ_by_more_than_a_session_lives_are_named() {
    let gate = Gate::with(Plan {
        session: "  lifetime: 12h\n  idle_timeout: 30m\n".to_owned(),
        ..Plan::default()
    })
    .await;
    let hour_ahead = gate.clock.now().plus(Duration::from_hours(1));
    let twin = gate.twin(&Arc::new(ManualClock::at(hour_ahead)));
    // Pages come from the one that is ahead, callbacks from the other.
    let mut browser = gate.browser();
    let mut rounds = 0;
    let page = loop {
        browser.through = twin.address;
        let start = browser.navigate("/page").await;
        if start.status != 302 {
            break start;
        }
        assert!(rounds < 10, "round and round it goes");
        let callback = browser.consent(start.header("location"), "ada").await;
        browser.through = gate.address();
        let arrived = browser.navigate(&callback).await;
        assert_eq!(arrived.status, 303, "{arrived:?}");
        rounds += 1;
    };
    assert_eq!(
        (page.status, page.code().as_str()),
        (502, "SG-2023"),
        "{page:?}"
    );
    assert!(rounds <= 3, "{rounds}");
    // To the one whose clock is right, the session is good.
    browser.through = gate.address();
    assert_eq!(browser.sign_in("/page", "ada").await.status, 303);
    assert_eq!(browser.fetch("/echo/x").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_of_the_provider_end_in_a_page_each_time_and_never_in_a_redirect() {
    let gate = Gate::start().await;
    let mut browser = gate.browser();
    for round in 0..3 {
        let callback = browser.authorize("/page", "ada").await;
        let (_, query) = callback.split_once('?').expect("a query");
        let state = query
            .split('&')
            .find(|pair| pair.starts_with("state="))
            .expect("a state");
        let failed = format!("/oauth2/callback?error=server_error&{state}");
        let page = browser.navigate(&failed).await;
        assert_eq!(
            (page.status, page.code().as_str()),
            (502, "SG-2009"),
            "round {round}: {page:?}"
        );
        assert!(page.header("location").is_empty(), "round {round}");
        assert!(page.header("content-type").starts_with("text/html"));
        assert!(browser.jar.is_empty(), "{:?}", browser.jar);
    }
    gate.control()
        .set_fault(Place::Token, Fault::InternalError, None);
    for round in 0..3 {
        let page = browser.sign_in("/page", "ada").await;
        assert_eq!(
            (page.status, page.code().as_str()),
            (503, "SG-2014"),
            "round {round}: {page:?}"
        );
        assert!(page.header("location").is_empty(), "round {round}");
        gate.advance(4);
    }
    gate.control().clear_faults();
    gate.advance(4);
    assert_eq!(browser.sign_in("/page", "ada").await.status, 303);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_under_another_name_says_both_names_and_reflects_nothing_else() {
    let gate = Gate::start().await;
    for (host, shown) in [
        ("tool.evil.example:81", "tool.evil.example:81"),
        ("TOOL.evil.example", "tool.evil.example"),
        ("192.0.2.7", "192.0.2.7"),
    ] {
        for path in ["/page", "/oauth2/callback?code=a&state=b"] {
            let fields = [("host", host), ("accept", "text/html")];
            let page = gate
                .browser()
                .send(Method::GET, path, &fields, Bytes::new())
                .await;
            assert_eq!((page.status, page.code().as_str()), (421, "SG-1003"));
            let text = page.text();
            assert!(text.contains(&format!("for {shown};")), "{text}");
            assert!(text.contains(&gate.origin()), "{text}");
        }
    }
    for host in ["<b>x</b>", "a&b", "a\"b", "a'onload=x", "x<script>"] {
        let fields = [("host", host), ("accept", "text/html")];
        let page = gate
            .browser()
            .send(Method::GET, "/page", &fields, Bytes::new())
            .await;
        assert!((400..500).contains(&page.status), "{host}: {page:?}");
        assert!(!page.text().contains(host), "{host}: {page:?}");
    }
    let fields = [
        ("host", "tool.evil.example"),
        ("accept", "application/json"),
    ];
    let problem = gate
        .browser()
        .send(Method::GET, "/page", &fields, Bytes::new())
        .await;
    let note = problem.json()["note"].to_string();
    assert!(note.contains("tool.evil.example"), "{note}");
}
