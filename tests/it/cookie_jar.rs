//! All cookies of ours in one browser: they fit one line together, and a name that comes twice locks
//! nobody out.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::Method;
use sidegate::sandbox::Settings;

use crate::support::Answer;
use crate::support::Browser;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::browser::SCRIPT;
use crate::support::tap::Edit;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sign_ins_under_way_give_way_to_the_session_and_the_newest_stays() {
    for (token_length, name) in [(512, 10), (2_048, 10), (2_048, 220)] {
        let gate = with(token_length, name, None).await;
        let long = format!("/page?{}", "x".repeat(600));
        let mut browser = gate.browser();
        let mut last = String::new();
        for tab in 0..8 {
            gate.advance(1);
            last = browser.authorize(&long, "ada").await;
            assert!(weight(&browser) <= 7_500, "{token_length}, tab {tab}");
        }
        let attempts = browser.jar.len();
        assert!((3..=5).contains(&attempts), "{:?}", browser.jar.keys());
        // The session comes, and the oldest attempts go with the answer that brings it.
        assert_eq!(browser.navigate(&last).await.status, 303);
        assert!(
            weight(&browser) <= 7_500,
            "{token_length}: {}",
            weight(&browser)
        );
        assert_eq!(browser.fetch("/echo/x").await.status, 200, "{token_length}");
        // More tabs beside it.
        for tab in 0..8 {
            gate.advance(1);
            let start = format!("/oauth2/start?rd=/page%3F{}", "x".repeat(600));
            last = browser.authorize(&start, "ada").await;
            assert!(
                weight(&browser) <= 7_500,
                "{token_length}, tab {tab}: {} in {:?}",
                weight(&browser),
                browser.jar.keys()
            );
            assert!(logins(&browser) <= 5);
            assert_eq!(
                browser.fetch("/echo/x").await.status,
                200,
                "still signed in"
            );
        }
        // The newest tab works, and so does the session after a renewal.
        let arrived = browser.navigate(&last).await;
        assert_eq!(arrived.status, 303, "{token_length}: {arrived:?}");
        browser.authorize("/oauth2/start?rd=/", "ada").await;
        gate.advance(1_200);
        assert_eq!(browser.fetch("/echo/x").await.status, 200, "{token_length}");
        assert!(weight(&browser) <= 7_500, "{token_length}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_a_large_session_a_sign_in_forgets_a_long_address_and_nobody_is_signed_out() {
    let gate = with(2_048, 220, None).await;
    let mut browser = gate.signed_in("ada").await;
    let session = weight(&browser);
    assert!(session > 6_800, "{session}");
    let start = format!("/oauth2/start?rd=/page%3F{}", "x".repeat(1_500));
    let callback = browser.authorize(&start, "ada").await;
    assert!(weight(&browser) <= 7_500, "{}", weight(&browser));
    assert_eq!(browser.fetch("/echo/x").await.status, 200);
    assert_eq!(browser.navigate(&callback).await.header("location"), "/");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_no_longer_fits_ends_in_a_page_and_never_in_a_circle() {
    let renewed = Arc::new(AtomicBool::new(false));
    let long = Arc::clone(&renewed);
    let edit: Edit = Arc::new(move |reply| {
        if long.load(Ordering::Relaxed) {
            reply["refresh_token"] = "r".repeat(2_048).into();
        }
    });
    for age in [1_000, 1_200] {
        renewed.store(false, Ordering::Relaxed);
        let gate = with(512, MOST, Some(Arc::clone(&edit))).await;
        let mut browser = gate.signed_in("ada").await;
        let mut script = browser.clone();
        gate.advance(age);
        renewed.store(true, Ordering::Relaxed);
        if age < 1_079 {
            // The renewal is by the way, and may end before or after this request is let through; who
            // comes when the token is dead meets its end.
            let first = browser.clone().fetch("/echo/x").await;
            assert!(
                first.status == 200 || first.code() == "SG-2016",
                "{first:?}"
            );
            gate.advance(80);
        }
        let page = browser.navigate("/page").await;
        assert_eq!(
            (page.status, page.code().as_str()),
            (502, "SG-2016"),
            "{age}: {page:?}"
        );
        assert!(page.header("content-type").starts_with("text/html"));
        assert!(page.header("location").is_empty());
        assert!(page.text().contains("/oauth2/start?rd="), "a way out");
        assert!(browser.jar.is_empty(), "{:?}", browser.jar);
        let refused = script.fetch("/echo/x").await;
        assert_eq!((refused.status, refused.code().as_str()), (502, "SG-2016"));
        // Another sign-in, on request only, ends in the same page.
        let callback = browser.authorize("/page", "ada").await;
        let page = browser.navigate(&callback).await;
        assert_eq!((page.status, page.code().as_str()), (502, "SG-2016"));
        renewed.store(false, Ordering::Relaxed);
        assert_eq!(browser.sign_in("/page", "ada").await.status, 303);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sessions_with_one_name_the_only_one_that_opens_is_taken() {
    let gate = Gate::start().await;
    let mut old = gate.signed_in("jonas").await;
    let revoked = old.jar["sidegate"].clone();
    let other = Gate::start().await.signed_in("jonas").await;
    let signed_out = old
        .send(Method::POST, "/oauth2/sign_out", &SCRIPT, Bytes::new())
        .await;
    assert_eq!(signed_out.status, 204);
    let ada = gate.signed_in("ada").await.jar["sidegate"].clone();
    let mei = gate.signed_in("mei").await.jar["sidegate"].clone();
    let foreign = &other.jar["sidegate"];
    for (case, values, status) in [
        ("stale first", vec!["stale", &ada], 200),
        ("stale last", vec![&ada, "stale"], 200),
        ("of another gateway", vec![foreign, &ada], 200),
        ("signed out before", vec![&revoked, &ada], 200),
        ("the same twice", vec![&ada, &ada], 200),
        ("four", vec!["a", "b", "c", &ada], 200),
        (
            "the same among others",
            vec!["a", "b", &ada, &ada, "a", &ada],
            200,
        ),
        ("too many", vec!["a", "b", "c", "d", &ada], 401),
        ("two that open", vec![&ada, &mei], 401),
        (
            "two that open among others",
            vec!["a", &mei, "b", &ada],
            401,
        ),
        ("none that opens", vec!["a", "b"], 401),
    ] {
        let answer = with_sessions(&gate, "/echo/x", &values).await;
        assert_eq!(answer.status, status, "{case}");
        if status == 200 {
            let told = with_sessions(&gate, "/oauth2/userinfo", &values).await;
            assert_eq!(told.json()["user"]["sub"], "10654321", "{case}");
            continue;
        }
        let lines = answer.set_cookies();
        for path in ["/", "/echo", "/echo/", "/echo/x"] {
            let path = format!("Path={path};");
            let removal = lines.iter().find(|line| line.contains(&path));
            let removal = removal.unwrap_or_else(|| panic!("{case}, {path}: {lines:?}"));
            assert!(removal.starts_with("sidegate=;") && removal.contains("Max-Age=0"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_cookie_at_another_path_is_removed_when_the_session_is_written_anew() {
    let gate = Gate::start().await;
    let ada = gate.signed_in("ada").await.jar["sidegate"].clone();
    gate.advance(1_200);
    let answer = with_sessions(&gate, "/echo/x", &["stale", &ada]).await;
    assert_eq!(answer.status, 200);
    let lines = answer.set_cookies();
    let (set, removed): (Vec<_>, Vec<_>) =
        lines.iter().partition(|line| !line.contains("Max-Age=0"));
    assert_eq!(set.len(), 1, "{lines:?}");
    assert!(
        set[0].contains("Path=/;") || set[0].ends_with("Path=/"),
        "{set:?}"
    );
    assert_eq!(removed.len(), 3, "{removed:?}");
    assert!(removed.iter().all(|line| !line.contains("Path=/;")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_sign_ins_go_with_the_next_answer_that_sets_or_removes_a_cookie() {
    let gate = Gate::start().await;
    let mut browser = gate.browser();
    browser.authorize("/", "ada").await;
    browser
        .jar
        .insert("sidegate-login-abcdefghijkl".to_owned(), "junk".to_owned());
    gate.advance(601);
    let callback = browser.authorize("/", "ada").await;
    assert_eq!(logins(&browser), 1, "at the next start: {:?}", browser.jar);
    let spoil = |browser: &mut Browser| {
        browser
            .jar
            .insert("sidegate-login-abcdefghijkl".to_owned(), "junk".to_owned());
    };
    spoil(&mut browser);
    assert_eq!(browser.navigate(&callback).await.status, 303);
    assert_eq!(logins(&browser), 0, "with the session: {:?}", browser.jar);
    spoil(&mut browser);
    gate.advance(1_200);
    assert_eq!(browser.fetch("/echo/x").await.status, 200);
    assert_eq!(logins(&browser), 0, "with a renewal: {:?}", browser.jar);
    spoil(&mut browser);
    browser
        .send(Method::POST, "/oauth2/sign_out", &SCRIPT, Bytes::new())
        .await;
    assert!(browser.jar.is_empty(), "at the end: {:?}", browser.jar);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_callback_of_somebody_who_is_signed_in_goes_on_to_the_page() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    let late = browser.navigate("/oauth2/start?rd=/reports").await;
    gate.advance(601);
    let callback = browser.consent(late.header("location"), "ada").await;
    let calls = gate.control().stats().token_calls;
    let arrived = browser.navigate(&callback).await;
    assert_eq!(
        (arrived.status, arrived.header("location")),
        (303, "/reports"),
        "{arrived:?}"
    );
    assert_eq!(
        gate.control().stats().token_calls,
        calls,
        "no second session"
    );
    assert_eq!(browser.jar.keys().collect::<Vec<_>>(), ["sidegate"]);
    assert_eq!(browser.fetch("/echo/x").await.status, 200);
}

/// A gateway where tokens have so many bytes, and a person's name four times as many as here; with
/// the most of it, e-mail address and user name too.
async fn with(token_length: usize, name: usize, edit: Option<Edit>) -> Gate {
    let mut sandbox = Settings {
        token_length,
        ..Settings::default()
    };
    sandbox.people[0].name = "𝔸".repeat(name);
    if name == MOST {
        sandbox.people[0].username = "𝔸".repeat(name);
        sandbox.people[0].email = "𝔸".repeat(name);
    }
    Gate::with(Plan {
        sandbox,
        edit,
        ..Plan::default()
    })
    .await
}

/// The characters of a name that are kept.
const MOST: usize = 256;

/// The bytes of the browser's `Cookie` line; all cookies are ours.
fn weight(browser: &Browser) -> usize {
    let pairs = browser.jar.iter();
    let pairs: Vec<_> = pairs
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("; ").len()
}

fn logins(browser: &Browser) -> usize {
    let names = browser.jar.keys();
    names
        .filter(|name| name.starts_with("sidegate-login-"))
        .count()
}

/// A script's request whose session cookie comes with each of `values`.
async fn with_sessions(gate: &Gate, path: &str, values: &[&str]) -> Answer {
    let pairs: Vec<_> = values
        .iter()
        .map(|value| format!("sidegate={value}"))
        .collect();
    let cookie = pairs.join("; ");
    let mut fields = SCRIPT.to_vec();
    fields.push(("cookie", &cookie));
    gate.browser()
        .send(Method::GET, path, &fields, Bytes::new())
        .await
}
