//! The session cookie: what it is made of, how long it lives, and that nothing else passes for it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use sidegate::crypto::KeyRing;
use sidegate::crypto::MasterKey;
use sidegate::crypto::OsEntropy;
use sidegate::http::CookieNames;
use sidegate::oauth::Fence;
use sidegate::oauth::fence::HostRule;
use sidegate::sandbox::ClientKind;
use sidegate::sandbox::Settings;
use sidegate::session::CookieStore;
use sidegate::session::Policy;
use sidegate::session::Session;
use sidegate::telemetry::metrics::Events;
use sidegate::time::Clock as _;

use crate::support::Browser;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::browser::exchange;
use crate::support::browser::request;
use crate::support::browser::split_url;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_loopback_the_cookie_is_for_this_site_only() {
    let gate = Gate::start().await;
    let mut browser = gate.browser();
    let callback = browser.authorize("/", "ada").await;
    let lines = browser.navigate(&callback).await.set_cookies();
    let line = lines
        .iter()
        .find(|line| line.starts_with("sidegate="))
        .expect("a session");
    assert_eq!(
        attributes(line),
        ["HttpOnly", "Max-Age=43200", "Path=/", "SameSite=Lax"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_https_the_cookies_are_host_bound_and_secure() {
    let mut sandbox = Settings::default();
    for client in &mut sandbox.clients {
        if matches!(client.kind, ClientKind::Web { .. }) {
            client.redirect_uris = vec!["https://tool.example.com/oauth2/callback".to_owned()];
        }
    }
    let public_url = Some("https://tool.example.com".to_owned());
    let gate = Gate::with(Plan {
        sandbox,
        public_url,
        ..Plan::default()
    })
    .await;
    let fields = |cookie: &str| {
        let pairs = [
            ("host", "tool.example.com"),
            ("accept", "text/html"),
            ("cookie", cookie),
        ];
        pairs.map(|(name, value)| (name, value.to_owned()))
    };
    let ask = async |path: &str, cookie: &str| {
        let fields = fields(cookie);
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        exchange(
            gate.address(),
            request(gate.address(), Method::GET, path, &fields, Bytes::new()),
        )
        .await
    };
    let start = ask("/page", "x=y").await;
    assert_eq!(
        start.header("strict-transport-security"),
        "max-age=31536000"
    );
    let login = &start.set_cookies()[0];
    assert!(login.starts_with("__Host-Http-sidegate-login-"), "{login}");
    assert_eq!(
        attributes(login),
        [
            "HttpOnly",
            "Max-Age=600",
            "Path=/",
            "SameSite=Lax",
            "Secure"
        ]
    );

    let (provider, target) = split_url(start.header("location"));
    let consent = request(
        provider,
        Method::GET,
        &format!("{target}&login_hint=ada"),
        &[],
        Bytes::new(),
    );
    let back = exchange(provider, consent).await;
    let callback = back
        .header("location")
        .strip_prefix("https://tool.example.com")
        .expect("ours");
    let (pair, _) = login.split_once(';').expect("attributes");
    let arrived = ask(callback, pair).await;
    assert_eq!(
        (arrived.status, arrived.header("location")),
        (303, "/page"),
        "{arrived:?}"
    );
    let lines = arrived.set_cookies();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("__Host-Http-sidegate="));
    assert_eq!(
        attributes(&lines[0]),
        [
            "HttpOnly",
            "Max-Age=43200",
            "Path=/",
            "SameSite=Lax",
            "Secure"
        ]
    );
    // A browser removes a `__Host-` cookie only with `Secure`.
    assert_eq!(
        attributes(&lines[1]),
        ["HttpOnly", "Max-Age=0", "Path=/", "SameSite=Lax", "Secure"]
    );
    let (session, _) = lines[0].split_once(';').expect("attributes");
    assert_eq!(ask("/echo/x", session).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_512_characters_fit_one_cookie() {
    let gate = Gate::start().await;
    let browser = gate.signed_in("ada").await;
    let [(name, value)] = &browser.jar.iter().collect::<Vec<_>>()[..] else {
        panic!("{:?}", browser.jar)
    };
    assert!(name.len() + value.len() <= 4_096);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_2048_characters_take_two_cookies_that_work() {
    let gate = long_tokens().await;
    let mut browser = gate.signed_in("ada").await;
    assert_eq!(
        browser.jar.keys().collect::<Vec<_>>(),
        ["sidegate.1", "sidegate.2"]
    );
    assert!(
        browser
            .jar
            .iter()
            .all(|(name, value)| name.len() + value.len() <= 4_096)
    );
    let total: usize = browser.jar.values().map(String::len).sum();
    assert!(total <= 7_500, "{total}");
    assert_eq!(browser.fetch("/echo/x").await.status, 200);
    gate.advance(1_200);
    assert_eq!(
        browser.fetch("/echo/x").await.status,
        200,
        "also after a refresh"
    );
    assert_eq!(browser.jar.len(), 2);
    assert_eq!(gate.control().stats().refreshes, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks_that_make_no_whole_are_no_session_and_are_cleared() {
    let gate = long_tokens().await;
    let browser = gate.signed_in("ada").await;
    let (one, two) = (&browser.jar["sidegate.1"], &browser.jar["sidegate.2"]);
    for (case, cookie, cleared) in [
        ("the first alone", format!("sidegate.1={one}"), 1),
        ("the second alone", format!("sidegate.2={two}"), 1),
        ("swapped", format!("sidegate.1={two}; sidegate.2={one}"), 2),
        ("a gap", format!("sidegate.1={one}; sidegate.3={two}"), 2),
        (
            "from zero",
            format!("sidegate.0={one}; sidegate.1={two}"),
            1,
        ),
        (
            "one more",
            format!("sidegate.1={one}; sidegate.2={two}; sidegate.3=AA"),
            3,
        ),
        (
            "the first twice",
            format!("sidegate.1={one}; sidegate.1={one}; sidegate.2={two}"),
            2,
        ),
        (
            "whole and chunks",
            format!("sidegate={one}{two}; sidegate.1={one}; sidegate.2={two}"),
            3,
        ),
    ] {
        let fields = [("cookie", cookie.as_str())];
        let answer = gate
            .browser()
            .send(Method::GET, "/echo/x", &fields, Bytes::new())
            .await;
        assert_eq!(answer.status, 401, "{case}");
        let lines = answer.set_cookies();
        let at_root = lines.iter().filter(|line| line.contains("Path=/;"));
        assert_eq!(at_root.count(), cleared, "{case}: {lines:?}");
        // On plain http the same names may lie at `/echo`, `/echo/` and `/echo/x` too.
        assert_eq!(lines.len(), 4 * cleared, "{case}: {lines:?}");
        assert!(
            lines.iter().all(|line| line.contains("Max-Age=0")),
            "{case}: {lines:?}"
        );
    }
    let split = [
        ("cookie", &*format!("sidegate.2={two}")),
        ("cookie", &*format!("x=y; sidegate.1={one}")),
    ];
    let answer = gate
        .browser()
        .send(Method::GET, "/echo/x", &split, Bytes::new())
        .await;
    assert_eq!(
        answer.status, 200,
        "in any order, over any number of fields"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_sign_in_sweeps_up_chunks_of_an_older_session() {
    let gate = Gate::start().await;
    let mut browser = gate.browser();
    for name in ["sidegate.1", "sidegate.2", "sidegate.9"] {
        browser.jar.insert(name.to_owned(), "old".to_owned());
    }
    browser.sign_in("/", "ada").await;
    assert_eq!(browser.jar.keys().collect::<Vec<_>>(), ["sidegate"]);
    assert_eq!(browser.fetch("/echo/x").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_session_ends_and_activity_extends_it() {
    let gate = limits("  lifetime: 12h\n  idle_timeout: 30m\n").await;
    let (mut idle, mut busy) = (gate.signed_in("ada").await, gate.signed_in("ada").await);
    for _ in 0..2 {
        gate.advance(14 * 60 + 59);
        assert_eq!(busy.fetch("/echo/x").await.status, 200);
    }
    gate.advance(2);
    assert_eq!(idle.fetch("/echo/x").await.code(), "SG-2001");
    assert!(idle.jar.is_empty(), "cleared");
    gate.advance(29 * 60);
    assert_eq!(busy.fetch("/echo/x").await.status, 200);
    gate.advance(30 * 60);
    assert_eq!(busy.fetch("/echo/x").await.code(), "SG-2001");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_extends_the_lifetime() {
    let gate = limits("  lifetime: 2h\n  idle_timeout: 30m\n").await;
    let mut browser = gate.signed_in("ada").await;
    for _ in 0..11 {
        gate.advance(600);
        assert_eq!(browser.fetch("/echo/x").await.status, 200);
    }
    gate.advance(599);
    assert_eq!(browser.fetch("/echo/x").await.status, 200);
    gate.advance(1);
    let answer = browser.navigate("/echo/x").await;
    assert_eq!(answer.status, 302);
    assert!(!browser.jar.contains_key("sidegate"), "cleared");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cookie_is_written_anew_only_now_and_then() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    let mut written = Vec::new();
    for second in (10..=600).step_by(10) {
        gate.advance(10);
        let answer = browser.fetch("/echo/x").await;
        assert_eq!(answer.status, 200);
        if !answer.set_cookies().is_empty() {
            written.push(second);
        }
    }
    assert_eq!(
        written,
        [300, 600],
        "a twelfth of the idle limit of an hour"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_sign_in_makes_a_new_session_and_a_refresh_does_not() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    let first = opened(&gate, &browser);
    gate.advance(1_200);
    assert_eq!(browser.fetch("/echo/x").await.status, 200);
    let renewed = opened(&gate, &browser);
    assert_eq!(renewed.id, first.id);
    assert_ne!(renewed.tokens.access.expose(), first.tokens.access.expose());
    assert_eq!(renewed.ends_at, first.ends_at);
    browser.sign_in("/oauth2/start", "ada").await;
    assert_ne!(opened(&gate, &browser).id, first.id);
}

async fn limits(session: &str) -> Gate {
    Gate::with(Plan {
        session: session.to_owned(),
        ..Plan::default()
    })
    .await
}

async fn long_tokens() -> Gate {
    let sandbox = Settings {
        token_length: 2_048,
        ..Settings::default()
    };
    Gate::with(Plan {
        sandbox,
        ..Plan::default()
    })
    .await
}

/// What is inside the cookie.
fn opened(gate: &Gate, browser: &Browser) -> Session {
    let store = CookieStore {
        keys: KeyRing::new(MasterKey::parse(&gate.key).expect("a key"), Vec::new()).into(),
        names: CookieNames::new(false),
        host: gate.address().to_string(),
        tenant: "sandbox/sandbox-web-client".to_owned(),
        policy: Policy {
            lifetime: Duration::from_hours(12),
            idle_timeout: Duration::from_hours(1),
        },
        fence: Fence::new(vec![HostRule::parse("127.0.0.1:*").expect("a rule")]),
        entropy: Arc::new(OsEntropy),
        events: Events::default(),
    };
    store
        .open(browser.jar["sidegate"].as_bytes(), gate.clock.now())
        .expect("a session")
}

/// What follows the pair, sorted.
fn attributes(line: &str) -> Vec<&str> {
    let mut attributes: Vec<_> = line.split("; ").skip(1).collect();
    attributes.sort_unstable();
    attributes
}
