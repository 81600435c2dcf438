//! The provider's errors in its own terms: each with a code, a page, a document and a log line of its own.

use std::sync::Arc;

use sidegate::crypto::OsEntropy;
use sidegate::sandbox::Fault;
use sidegate::sandbox::Place;
use sidegate::sandbox::Sandbox;
use sidegate::sandbox::Settings;
use sidegate::time::SystemClock;

use crate::support::Browser;
use crate::support::Gate;

fn oauth(code: &str) -> Fault {
    Fault::Oauth {
        status: 401,
        code: code.to_owned(),
    }
}

#[tokio::test]
async fn a_sign_in_that_the_provider_refuses_says_why() {
    let gate = Gate::start().await;
    let rest = |status, errorcode| Fault::Rest { status, errorcode };
    for (fault, code, words) in [
        (oauth("user_not_licensed"), "SG-2005", "Access tab"),
        (oauth("redirect_uri_mismatch"), "SG-3013", "five minutes"),
        (oauth("invalid_request"), "SG-2008", "five minutes"),
        (rest(401, 0), "SG-2010", "used already"),
        (rest(403, 20_002), "SG-2004", "administrator"),
        (rest(401, 10_007), "SG-3014", "enhanced package"),
        (rest(400, 10_003), "SG-2008", "character by character"),
        (rest(404, 30_003), "SG-2009", "request id"),
    ] {
        let mut browser = gate.browser();
        let callback = browser.authorize("/", "ada").await;
        gate.control()
            .set_fault(Place::Token, fault.clone(), Some(1));
        let page = browser.navigate(&callback).await;
        assert_eq!(page.code(), code, "{fault:?}");
        let text = page.text();
        assert!(text.contains(words) && text.contains("<html"), "{text}");
        // The same for a program.
        let callback = browser.authorize("/", "ada").await;
        gate.control()
            .set_fault(Place::Token, fault.clone(), Some(1));
        let document = browser.fetch(&callback).await;
        assert_eq!(document.json()["code"], code, "{fault:?}");
        assert_eq!(document.status, page.status);
    }
}

/// The code was good: what then goes wrong is not blamed on it.
#[tokio::test]
async fn a_person_who_is_not_told_is_no_used_sign_in() {
    let gate = Gate::start().await;
    for fault in [
        Fault::Unauthorized,
        Fault::Rest {
            status: 401,
            errorcode: 0,
        },
        oauth("invalid_token"),
    ] {
        let mut browser = gate.browser();
        let callback = browser.authorize("/", "ada").await;
        let place = Place::Userinfo;
        gate.control().set_fault(place, fault.clone(), Some(1));
        let page = browser.navigate(&callback).await;
        let told = (page.status, page.code());
        assert_eq!(told, (502, "SG-2009".to_owned()), "{fault:?}");
    }
}

#[tokio::test]
async fn the_authorize_endpoints_errors_come_back_with_the_browser() {
    let gate = Gate::start().await;
    for (error, code) in [
        ("user_not_licensed", "SG-2005"),
        ("invalid_client", "SG-2011"),
        ("redirect_uri_mismatch", "SG-3013"),
        ("unauthorized_client", "SG-2006"),
        ("something_new", "SG-2009"),
    ] {
        let mut browser = gate.browser();
        gate.control()
            .set_fault(Place::Authorize, oauth(error), Some(1));
        let callback = browser.authorize("/", "ada").await;
        assert_eq!(browser.navigate(&callback).await.code(), code, "{error}");
    }
}

#[tokio::test]
async fn a_busy_provider_is_waited_for() {
    let cases = [
        (
            Fault::TooManyRequests {
                retry_after: Some(7),
            },
            "SG-3010",
            "7",
        ),
        (
            Fault::TooManyRequests { retry_after: None },
            "SG-3012",
            "60",
        ),
        (Fault::ServiceNotFound, "SG-3011", "5"),
    ];
    for (fault, code, wait) in cases {
        // The breaker rests after such an answer: a gateway for each.
        let gate = Gate::start().await;
        let mut browser = gate.browser();
        let callback = browser.authorize("/", "ada").await;
        gate.control()
            .set_fault(Place::Token, fault.clone(), Some(1));
        let answer = browser.navigate(&callback).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (503, code),
            "{fault:?}"
        );
        assert_eq!(answer.header("retry-after"), wait, "{fault:?}");
    }
}

#[tokio::test]
async fn a_package_that_was_just_changed_gets_a_second_try() {
    let gate = Gate::start().await;
    for error in ["invalid_client", "unauthorized_client"] {
        let mut browser = gate.browser();
        let callback = browser.authorize("/", "ada").await;
        gate.control()
            .set_fault(Place::Token, oauth(error), Some(1));
        let before = gate.control().stats().token_calls;
        assert_eq!(browser.navigate(&callback).await.status, 303, "{error}");
        assert_eq!(gate.control().stats().token_calls - before, 2, "{error}");
    }
    // One more, not many.
    let mut browser = gate.browser();
    let callback = browser.authorize("/", "ada").await;
    gate.control()
        .set_fault(Place::Token, oauth("invalid_client"), None);
    let before = gate.control().stats().token_calls;
    assert_eq!(browser.navigate(&callback).await.code(), "SG-2011");
    assert_eq!(gate.control().stats().token_calls - before, 2);
    // After five minutes a refusal is one.
    gate.advance(301);
    let mut browser = gate.browser();
    let callback = browser.authorize("/", "ada").await;
    let before = gate.control().stats().token_calls;
    assert_eq!(browser.navigate(&callback).await.code(), "SG-2011");
    assert_eq!(gate.control().stats().token_calls - before, 1);
}

/// An operator reads the log, not the page that somebody else has seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_says_what_to_do_in_setup() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings::default();
    let sandbox = Sandbox::start(settings, Arc::new(SystemClock), Arc::new(OsEntropy))
        .await
        .expect("the sandbox starts");
    let tenant = sandbox.origin().to_string();
    let key = sidegate::crypto::MasterKey::generate(&OsEntropy).to_text();
    let (mut running, address) =
        crate::soap_bodies::serve(folder.path(), &sandbox, &tenant, &key).await;
    for (place, error, event, code, words) in [
        (
            Place::Token,
            "invalid_client",
            "sign_in.failed",
            "SG-2011",
            "180 days",
        ),
        (
            Place::Token,
            "redirect_uri_mismatch",
            "sign_in.failed",
            "SG-3013",
            "Redirect URIs: add",
        ),
        (
            Place::Authorize,
            "user_not_licensed",
            "sign_in.refused",
            "SG-2005",
            "> Access: license the user",
        ),
    ] {
        let mut browser = Browser::new(address);
        sandbox.control().set_fault(place, oauth(error), None);
        let answer = browser.sign_in("/mc/soap/", "ada").await;
        sandbox.control().clear_faults();
        assert_eq!(answer.code(), code, "{error}");
        let line = running.line(event).await.expect("a line");
        assert!(line.contains(&format!("\"code\":\"{code}\"")), "{line}");
        assert!(line.contains(words), "{line}");
    }
    // So does a refresh that is refused for the client's sake.
    let mut browser = Browser::new(address);
    assert_eq!(browser.sign_in("/mc/soap/", "ada").await.status, 303);
    let fault = oauth("unauthorized_client");
    sandbox.control().set_fault(Place::Token, fault, None);
    let body = r#"{"account_id":7281600}"#;
    let mut fields = crate::support::browser::SCRIPT.to_vec();
    fields.push(("content-type", "application/json"));
    let path = "/oauth2/business_unit";
    let switched = browser.send(http::Method::POST, path, &fields, body.into());
    assert_eq!(
        switched.await.status,
        403,
        "about the unit, so not about the client"
    );
    let fault = oauth("invalid_client");
    sandbox.control().set_fault(Place::Token, fault, None);
    let switched = browser.send(http::Method::POST, path, &fields, body.into());
    assert_eq!(switched.await.status, 503);
    let line = running.line("the session is kept").await.expect("a line");
    assert!(line.contains("180 days"), "{line}");
    assert_eq!(running.stop("TERM").await, 0);
}
