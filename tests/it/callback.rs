//! What comes back from the provider, and what pretends to.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use http::Method;

use crate::support::Browser;
use crate::support::Gate;
use crate::support::Plan;
use sidegate::sandbox::Fault;
use sidegate::sandbox::Place;
use sidegate::sandbox::Settings;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_redirect_leaves_no_trace_of_the_code() {
    let gate = Gate::start().await;
    let mut browser = gate.browser();
    let callback = browser.authorize("/page", "ada").await;
    let answer = browser.navigate(&callback).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/page"));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    assert!(answer.body.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_needs_the_login_cookie_of_its_own_attempt() {
    let gate = Gate::start().await;
    let mut browser = gate.browser();
    let callback = browser.authorize("/", "ada").await;
    let (name, sealed) = login_cookie(&browser);
    let mut other = gate.browser();
    other.authorize("/", "jonas").await;
    let (others_name, others) = login_cookie(&other);

    let altered = flip(&sealed, sealed.len() / 2);
    for (case, jar) in [
        ("no cookie", vec![]),
        (
            "another browser's",
            vec![(others_name.clone(), others.clone())],
        ),
        (
            "another attempt's under this name",
            vec![(name.clone(), others)],
        ),
        (
            "this one under another name",
            vec![(others_name, sealed.clone())],
        ),
        ("altered", vec![(name.clone(), altered)]),
        (
            "cut short",
            vec![(name.clone(), sealed[..sealed.len() - 1].to_owned())],
        ),
        ("empty", vec![(name.clone(), String::new())]),
        (
            "as a session",
            vec![("sidegate".to_owned(), sealed.clone())],
        ),
    ] {
        let mut thief = gate.browser();
        thief.jar.extend(jar);
        assert_refused(&mut thief, &callback, (400, "SG-2002"), case).await;
    }
    assert_eq!(gate.control().stats().token_calls, 0);
    assert_eq!(
        browser.navigate(&callback).await.status,
        303,
        "still good for its owner"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_login_cookies_with_one_name_that_counts_which_is_ours() {
    let gate = Gate::start().await;
    let mut browser = gate.browser();
    let callback = browser.authorize("/", "ada").await;
    let (name, sealed) = login_cookie(&browser);
    browser.jar.clear();
    let mut other = gate.browser();
    other.authorize("/", "jonas").await;
    let (_, others) = login_cookie(&other);
    let strangers = format!("{name}=stale; {name}={others}; {name}={sealed}");
    let fields = [("cookie", strangers.as_str())];
    let answer = browser
        .send(Method::GET, &callback, &fields, Bytes::new())
        .await;
    assert_eq!((answer.status, answer.header("location")), (303, "/"));
    let gone: BTreeSet<String> = answer
        .set_cookies()
        .into_iter()
        .filter(|line| line.starts_with(&format!("{name}=;")))
        .collect();
    for path in ["/", "/oauth2", "/oauth2/", "/oauth2/callback"] {
        let path = format!("Path={path};");
        assert!(gone.iter().any(|line| line.contains(&path)), "{gone:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_may_take_ten_minutes_and_no_longer() {
    let gate = Gate::start().await;
    let (mut slow, mut slower) = (gate.browser(), gate.browser());
    let starts = [slow.navigate("/").await, slower.navigate("/").await];
    gate.advance(599);
    // The provider's own page stood open for as long; its codes are new.
    let in_time = slow.consent(starts[0].header("location"), "ada").await;
    let late = slower.consent(starts[1].header("location"), "ada").await;
    assert_eq!(slow.navigate(&in_time).await.status, 303);
    gate.advance(1);
    assert_refused(&mut slower, &late, (400, "SG-2002"), "late").await;
    assert!(slower.jar.is_empty(), "the dead cookie is cleared");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replayed_callback_makes_no_second_session() {
    let gate = Gate::start().await;
    let mut browser = gate.browser();
    let callback = browser.authorize("/page", "ada").await;
    let mut accomplice = browser.clone();
    assert_eq!(browser.navigate(&callback).await.status, 303);

    let session = browser.jar.clone();
    let back_button = browser.navigate(&callback).await;
    assert_eq!(
        (back_button.status, back_button.header("location")),
        (303, "/")
    );
    assert_eq!(browser.jar, session, "the session stays as it was");

    assert_refused(&mut accomplice, &callback, (400, "SG-2010"), "replay").await;
    let stats = gate.control().stats();
    assert_eq!((stats.token_calls, stats.reuses), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_callback_many_times_at_once_makes_one_session() {
    let gate = Gate::with(Plan {
        tapped: true,
        ..Plan::default()
    })
    .await;
    let mut browser = gate.browser();
    let callback = browser.authorize("/page", "ada").await;
    gate.tap().hold();
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (mut racer, callback) = (browser.clone(), callback.clone());
        racers.spawn(async move { racer.navigate(&callback).await });
    }
    gate.tap().arrived(1).await;
    // All others are answered while one waits for its tokens.
    let mut answers = Vec::new();
    while answers.len() < 15 {
        let ended = racers.join_next().await.expect("one of 16");
        answers.push(ended.expect("ends"));
    }
    gate.tap().release();
    answers.extend(racers.join_all().await);
    let sessions = answers.iter().filter(|answer| answer.status == 303);
    assert_eq!(sessions.count(), 1, "{answers:?}");
    assert!(
        answers.iter().all(|answer| answer.status < 500),
        "{answers:?}"
    );
    assert_eq!(gate.control().stats().token_calls, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_answer_of_the_provider_is_refused_before_any_call() {
    let gate = Gate::start().await;
    let mut browser = gate.browser();
    let callback = browser.authorize("/", "ada").await;
    let jar = browser.jar.clone();
    let (_, query) = callback.split_once('?').expect("a query");
    let pair = |name: &str| {
        query
            .split('&')
            .find(|pair| pair.starts_with(name))
            .expect("there")
            .to_owned()
    };
    let (code, state) = (pair("code="), pair("state="));
    let long = "x".repeat(9_000);
    for (query, expected) in [
        (String::new(), "SG-2003"),
        (state.clone(), "SG-2003"),
        (code.clone(), "SG-2003"),
        (format!("code=&{state}"), "SG-2003"),
        (format!("{code}&state="), "SG-2003"),
        (format!("{code}&{state}&{state}"), "SG-2003"),
        (format!("{code}&{code}&{state}"), "SG-2003"),
        (format!("{code}&{state}&error=access_denied"), "SG-2003"),
        (format!("{code}&{state}&%63ode=x"), "SG-2003"),
        (format!("{code}&state=short"), "SG-2003"),
        (format!("{code}&{state}A"), "SG-2003"),
        (format!("code=a%00b&{state}"), "SG-2003"),
        (format!("code=a%0d%0ab&{state}"), "SG-2003"),
        (format!("code=%ff&{state}"), "SG-2003"),
        (format!("code=%zz&{state}"), "SG-2003"),
        (format!("code={long}&{state}"), "SG-2003"),
        (format!("{code}&state={}", "A".repeat(43)), "SG-2002"),
        (format!("{code}&{state}&tssd=another-tenant"), "SG-2015"),
        (
            format!("{code}&{state}&tssd=sandbox.evil.example"),
            "SG-2015",
        ),
        (format!("{code}&{state}&tssd=sandbox%2F"), "SG-2015"),
        (format!("{code}&{state}&tssd=a&tssd=sandbox"), "SG-2003"),
    ] {
        let mut stranger = gate.browser();
        stranger.jar = jar.clone();
        let status = if expected == "SG-2015" { 403 } else { 400 };
        let path = format!("/oauth2/callback?{query}");
        assert_refused(&mut stranger, &path, (status, expected), &query).await;
    }
    assert_eq!(gate.control().stats().token_calls, 0);
    assert_eq!(browser.navigate(&callback).await.status, 303);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_of_many_kilobytes_is_an_error_of_the_client() {
    let gate = Gate::start().await;
    let path = format!("/oauth2/callback?code={}", "x".repeat(40_000));
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        gate.address()
    );
    let answer = crate::support::raw::talk(gate.address(), head).await;
    let status = crate::support::raw::status(&answer);
    assert!((400..500).contains(&status), "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_configured_tenants_own_name_is_fine() {
    for tssd in ["sandbox", "SANDBOX"] {
        let sandbox = Settings {
            tssd: Some(tssd.to_owned()),
            ..Settings::default()
        };
        let gate = Gate::with(Plan {
            sandbox,
            ..Plan::default()
        })
        .await;
        let mut browser = gate.browser();
        let callback = browser.authorize("/", "ada").await;
        assert!(callback.contains(&format!("tssd={tssd}")), "{callback}");
        assert_eq!(browser.navigate(&callback).await.status, 303);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_provider_ends_a_sign_in_with_its_own_code_and_no_session() {
    let gate = Gate::start().await;
    for (place, fault, expected) in [
        (Place::Token, Fault::InternalError, (503, "SG-2014")),
        (Place::Token, Fault::Unavailable, (503, "SG-2014")),
        (Place::Token, Fault::ServiceNotFound, (503, "SG-3011")),
        (
            Place::Token,
            Fault::TooManyRequests {
                retry_after: Some(7),
            },
            (503, "SG-3010"),
        ),
        (Place::Token, Fault::Reset, (503, "SG-2014")),
        (Place::Token, Fault::LoseReply, (503, "SG-2014")),
        (Place::Token, Fault::Garbage, (502, "SG-2012")),
        (Place::Token, Fault::Html, (502, "SG-2012")),
        (Place::Token, Fault::Huge, (502, "SG-2012")),
        (Place::Token, Fault::WrongTypes, (502, "SG-2012")),
        (Place::Token, Fault::Redirect, (502, "SG-2012")),
        (Place::Token, Fault::InvalidClient, (502, "SG-2011")),
        (Place::Token, Fault::InvalidGrant, (400, "SG-2010")),
        (Place::Token, Fault::Forbidden, (403, "SG-2004")),
        (Place::Userinfo, Fault::InternalError, (503, "SG-2014")),
        (Place::Userinfo, Fault::Garbage, (502, "SG-2012")),
        (Place::Userinfo, Fault::WrongTypes, (502, "SG-2012")),
        (Place::Userinfo, Fault::Redirect, (502, "SG-2012")),
    ] {
        let case = format!("{place:?} {fault:?}");
        let mut browser = gate.browser();
        let callback = browser.authorize("/", "ada").await;
        // Whom the provider does not know is asked about twice.
        let times = if expected.1 == "SG-2011" { 2 } else { 1 };
        gate.control().set_fault(place, fault, Some(times));
        assert_refused(&mut browser, &callback, expected, &case).await;
        gate.advance(REST);
    }
    assert_eq!(
        gate.signed_in("ada").await.jar.len(),
        1,
        "and then all is well"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_never_answers_is_given_up_on() {
    let gate = Gate::start().await;
    let mut browser = gate.browser();
    let callback = browser.authorize("/", "ada").await;
    gate.control().set_fault(Place::Token, Fault::Hang, Some(1));
    let refused = assert_refused(&mut browser, &callback, (503, "SG-2014"), "hang");
    let ended = tokio::time::timeout(Duration::from_secs(20), refused).await;
    assert!(ended.is_ok(), "the browser waits for ever");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_that_the_provider_could_not_serve_works_when_loaded_again() {
    let gate = Gate::start().await;
    let mut browser = gate.browser();
    let callback = browser.authorize("/page", "ada").await;
    gate.control()
        .set_fault(Place::Token, Fault::Unavailable, Some(1));
    let refused = browser.navigate(&callback).await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "SG-2014"));
    assert!(!refused.header("retry-after").is_empty());
    gate.advance(REST);
    let again = browser.navigate(&callback).await;
    assert_eq!(
        (again.status, again.header("location")),
        (303, "/page"),
        "{again:?}"
    );
}

/// Loads `path` and expects a page with a code, and no session.
/// Once it was exchanged, a code is spent: what fails after that is for another sign-in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_was_exchanged_is_not_sent_again() {
    let gate = Gate::start().await;
    let control = gate.control();
    let mut browser = gate.browser();
    let callback = browser.authorize("/page", "ada").await;
    control.set_fault(Place::Userinfo, Fault::InternalError, Some(1));
    let before = control.stats().token_calls;
    for _ in 0..2 {
        let answer = browser.navigate(&callback).await;
        assert!(answer.status >= 400, "{answer:?}");
    }
    assert_eq!(control.stats().token_calls - before, 1);
    assert!(browser.jar.is_empty(), "{:?}", browser.jar);
}

async fn assert_refused(browser: &mut Browser, path: &str, expected: (u16, &str), case: &str) {
    let answer = browser.navigate(path).await;
    assert_eq!((answer.status, answer.code().as_str()), expected, "{case}");
    assert!(
        answer.header("content-type").starts_with("text/html"),
        "{case}"
    );
    let lines = answer.set_cookies();
    let set = lines.iter().find(|line| !line.contains("Max-Age=0"));
    assert_eq!(set, None, "{case}");
    assert!(answer.header("location").is_empty(), "{case}");
}

/// Seconds after which a provider that failed is asked again.
const REST: u64 = 4;

/// The only login cookie.
fn login_cookie(browser: &Browser) -> (String, String) {
    let (name, value) = browser.jar.iter().next().expect("a cookie");
    assert!(name.starts_with("sidegate-login-"), "{name}");
    (name.clone(), value.clone())
}

/// `text` with another base64url character at `at`.
fn flip(text: &str, at: usize) -> String {
    let other = if &text[at..=at] == "A" { "B" } else { "A" };
    format!("{}{other}{}", &text[..at], &text[at + 1..])
}
