//! The site inside a frame of Marketing Cloud, as a browser's requests see it. tests/browser has the
//! browser itself.

use bytes::Bytes;
use http::Method;
use sidegate::sandbox::Settings;

use crate::support::Answer;
use crate::support::Browser;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::Redis;
use crate::support::browser::SCRIPT;
use crate::support::redis::store_is;

async fn embedded() -> Gate {
    Gate::with(Plan {
        session: "  embedded: true".to_owned(),
        ..Plan::default()
    })
    .await
}

/// What a frame's navigation inside Marketing Cloud carries.
const FRAME: [(&str, &str); 4] = [
    ("accept", "text/html"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "iframe"),
    ("sec-fetch-site", "cross-site"),
];

/// A navigation in a frame of Marketing Cloud.
pub async fn framed(browser: &mut Browser, path: &str) -> Answer {
    browser.send(Method::GET, path, &FRAME, Bytes::new()).await
}

const ANCESTORS: &str =
    "frame-ancestors 'self' https://*.exacttarget.com https://*.marketingcloudapps.com";

fn policies(answer: &Answer) -> Vec<&str> {
    let fields = answer.headers.get_all("content-security-policy").iter();
    fields.map(|field| field.to_str().expect("text")).collect()
}

/// The value of a `data-` attribute or `href`.
pub fn attribute(page: &str, name: &str) -> String {
    let (_, rest) = page.split_once(&format!("{name}=\"")).expect(name);
    let (value, _) = rest.split_once('"').expect("ends");
    value.replace("&#38;", "&").replace("&amp;", "&")
}

/// The path of a URL of the gate's.
fn path_of(gate: &Gate, url: &str) -> String {
    url.strip_prefix(&gate.origin()).expect("ours").to_owned()
}

#[tokio::test]
async fn every_cookie_is_fit_for_a_frame_and_removed_as_it_was_set() {
    let gate = embedded().await;
    let mut browser = gate.browser();
    let started = browser.navigate("/").await;
    let finished = browser.sign_in("/", "ada").await;
    let cleared = browser.post("/oauth2/sign_out", "").await;
    for answer in [started, finished, cleared] {
        let lines = answer.set_cookies();
        // What the jar outside of frames may hold from before goes, too.
        let (old, lines): (Vec<_>, Vec<_>) = lines
            .into_iter()
            .partition(|line| line.ends_with("=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0"));
        assert!(!lines.is_empty(), "{answer:?}");
        for line in old {
            let name = line.split('=').next().expect("a name");
            let same = |other: &String| other.starts_with(&format!("{name}=; "));
            assert!(lines.iter().any(same), "{line}");
        }
        for line in lines {
            assert!(
                line.contains("; HttpOnly; SameSite=None; Partitioned; Secure; Path=/"),
                "{line}"
            );
        }
    }
}

#[tokio::test]
async fn a_framed_navigation_without_a_session_gets_a_page_that_signs_in() {
    let gate = embedded().await;
    let mut browser = gate.browser();
    let page = framed(&mut browser, "/?q=1").await;
    assert_eq!(page.status, 200);
    let policy = policies(&page).join("|");
    assert!(policy.ends_with(ANCESTORS), "{policy}");
    assert!(
        policy.contains("frame-src 'self' https: http://127.0.0.1:"),
        "{policy}"
    );
    assert_eq!(page.header("x-frame-options"), "");
    let text = page.text();
    // Without a script there is a link that goes on in the frame itself.
    assert!(
        text.contains("<noscript>") && text.contains("rd=/%3Fq%3D1"),
        "{text}"
    );
    let silent = attribute(&text, "data-silent");
    let back = {
        let start = framed(&mut browser, &path_of(&gate, &silent)).await;
        assert_eq!(start.status, 302, "{start:?}");
        browser.consent(start.header("location"), "ada").await
    };
    let done = framed(&mut browser, &back).await;
    assert_eq!(
        (done.status, done.header("location")),
        (303, "/oauth2/framed")
    );
    let done = framed(&mut browser, "/oauth2/framed").await;
    assert!(done.text().contains("id=\"signed-in\""), "{done:?}");
    assert_eq!(framed(&mut browser, "/?q=1").await.status, 200);
    // A frame that keeps no cookies is told so.
    let lost = framed(&mut gate.browser(), "/oauth2/framed").await;
    assert_eq!((lost.status, lost.code().as_str()), (400, "SG-2051"));
}

#[tokio::test]
async fn the_login_endpoint_in_a_frame_leads_to_the_same_page_or_straight_on() {
    let gate = embedded().await;
    let mut browser = gate.browser();
    let page = framed(&mut browser, "/oauth2/start?rd=/reports").await;
    assert_eq!(page.status, 200);
    assert_eq!(attribute(&page.text(), "data-go-on"), "/reports");
    let direct = framed(&mut browser, "/oauth2/start?rd=/reports&direct=1").await;
    assert_eq!(direct.status, 302);
    // A window is no frame.
    assert_eq!(browser.navigate("/oauth2/start").await.status, 302);
}

#[tokio::test]
async fn without_the_setting_a_frame_is_nothing_special() {
    let gate = Gate::start().await;
    let mut browser = gate.browser();
    let answer = framed(&mut browser, "/").await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "SG-2001"));
    for path in ["/oauth2/framed", "/oauth2/handover"] {
        assert_eq!(framed(&mut browser, path).await.status, 404, "{path}");
    }
    let page = browser.navigate("/oauth2/sign_out").await;
    assert!(policies(&page).join("").contains("frame-ancestors 'none'"));
}

#[tokio::test]
async fn a_tools_answers_are_for_marketing_clouds_frames() {
    let gate = embedded().await;
    let mut browser = gate.signed_in("ada").await;
    let page = framed(&mut browser, "/").await;
    assert_eq!(page.status, 200);
    // Beside the tool's own, which says nothing of frames.
    let policies_of_page = policies(&page);
    assert_eq!(policies_of_page.len(), 2, "{page:?}");
    assert!(
        policies_of_page[0].starts_with("default-src 'none';"),
        "{page:?}"
    );
    assert!(!policies_of_page[0].contains("frame-ancestors"), "{page:?}");
    assert_eq!(policies_of_page[1], ANCESTORS);
    let api = browser.fetch("/mc/rest/platform/v1/tokenContext").await;
    assert_eq!(policies(&api), [ANCESTORS], "{api:?}");
}

#[tokio::test]
async fn get_signs_out_where_marketing_cloud_calls_it_and_nowhere_else() {
    let gate = embedded().await;
    let mut browser = gate.signed_in("ada").await;
    let stolen = browser.clone();
    // As an image, a hidden frame or a fetch: whatever way the cloud's page takes.
    let hook = [
        ("sec-fetch-mode", "no-cors"),
        ("sec-fetch-dest", "image"),
        ("sec-fetch-site", "cross-site"),
    ];
    let head = browser
        .send(Method::HEAD, "/oauth2/sign_out", &hook, Bytes::new())
        .await;
    assert!(head.set_cookies().is_empty(), "{head:?}");
    let answer = browser
        .send(Method::GET, "/oauth2/sign_out", &hook, Bytes::new())
        .await;
    assert_eq!(answer.status, 204);
    assert!(!browser.jar.contains_key("sidegate"), "{:?}", browser.jar);
    assert_eq!(
        stolen.peek("/").await.status,
        401,
        "the session itself has ended"
    );
    // Without a session there is nothing to end, and no redirect.
    let again = framed(&mut gate.browser(), "/oauth2/sign_out").await;
    assert_eq!(again.status, 200);
    // An unsafe request still has to come from a page of this site.
    let mut browser = gate.signed_in("ada").await;
    let forged = browser
        .send(Method::POST, "/oauth2/sign_out", &hook, Bytes::new())
        .await;
    assert_eq!((forged.status, forged.code().as_str()), (403, "SG-1006"));

    let plain = Gate::start().await;
    let mut browser = plain.signed_in("ada").await;
    let answer = browser
        .send(Method::GET, "/oauth2/sign_out", &hook, Bytes::new())
        .await;
    assert_eq!((answer.status, answer.set_cookies().len()), (200, 0));
}

/// A frame that waits, and what the window's sign-in gives it.
async fn window(gate: &Gate, frame: &mut Browser) -> (Browser, String) {
    let page = framed(frame, "/").await.text();
    let url = attribute(&page, "id=\"window\" href");
    // A top-level window: another jar.
    let mut window = gate.browser();
    let start = window.navigate(&path_of(gate, &url)).await;
    assert_eq!(start.status, 302, "{start:?}");
    let back = window.consent(start.header("location"), "ada").await;
    let page = window.navigate(&back).await;
    assert_eq!(page.status, 200, "{page:?}");
    let sealed = attribute(&page.text(), "data-session");
    (window, sealed)
}

#[tokio::test]
async fn a_window_hands_its_session_to_the_frame_that_waits_for_it() {
    let gate = embedded().await;
    let mut frame = gate.browser();
    let (window, sealed) = window(&gate, &mut frame).await;
    assert!(
        window.jar.is_empty(),
        "one session in one jar: {:?}",
        window.jar
    );

    // Nobody else has the frame's secret; nor may another site send it for the frame.
    let theft = gate
        .browser()
        .post("/oauth2/handover", sealed.clone())
        .await;
    assert_eq!((theft.status, theft.code().as_str()), (400, "SG-2052"));
    let mut other = gate.browser();
    framed(&mut other, "/").await;
    let theft = other.post("/oauth2/handover", sealed.clone()).await;
    assert_eq!((theft.status, theft.code().as_str()), (400, "SG-2052"));
    let cross = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")];
    let mut copy = frame.clone();
    let forged = copy.send(
        Method::POST,
        "/oauth2/handover",
        &cross,
        sealed.clone().into(),
    );
    assert_eq!(forged.await.code(), "SG-1006");

    let before = frame.clone();
    let taken = frame.post("/oauth2/handover", sealed.clone()).await;
    assert_eq!(taken.status, 204, "{taken:?}");
    assert!(!frame.jar.contains_key("sidegate-frame"), "{:?}", frame.jar);
    assert_eq!(frame.fetch("/oauth2/userinfo").await.status, 200);
    let mut replay = before;
    let replayed = replay.post("/oauth2/handover", sealed).await;
    assert_eq!(
        (replayed.status, replayed.code().as_str()),
        (400, "SG-2052")
    );
}

/// What is handed over then is the way to the session in the store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_hands_over_a_session_that_lives_in_a_store() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let store = format!("  store: {{ redis: {{ url: {} }} }}", redis.url());
    let gate = Gate::with(Plan {
        session: format!("  embedded: true\n{store}\n"),
        ..Plan::default()
    })
    .await;
    store_is(gate.app(), true).await;
    let mut frame = gate.browser();
    let (_, sealed) = window(&gate, &mut frame).await;
    let taken = frame.post("/oauth2/handover", sealed).await;
    assert_eq!(taken.status, 204, "{taken:?}");
    assert_eq!(frame.fetch("/oauth2/userinfo").await.status, 200);
    let hook = framed(&mut frame, "/oauth2/sign_out").await;
    assert_eq!(hook.status, 200);
    assert_eq!(frame.fetch("/oauth2/userinfo").await.status, 401);
}

#[tokio::test]
async fn what_a_window_hands_over_is_good_for_a_minute() {
    let gate = embedded().await;
    let mut frame = gate.browser();
    let (_, sealed) = window(&gate, &mut frame).await;
    gate.advance(61);
    let late = frame.post("/oauth2/handover", sealed).await;
    assert_eq!((late.status, late.code().as_str()), (400, "SG-2052"));
    for body in ["", "x", &"A".repeat(20_000)] {
        let refused = frame.post("/oauth2/handover", body.to_owned()).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, "SG-2052"));
    }
}

/// Old cookies lie in one jar of the browser, new ones in the other, and both come along.
#[tokio::test]
async fn a_site_that_is_framed_from_now_on_locks_nobody_out() {
    let gate = Gate::start().await;
    let old = gate.signed_in("ada").await;
    let later = gate.changed(|text| text.replace("\nroutes:", "\n  embedded: true\nroutes:"));
    let mut new = gate.browser().through(later.address);
    assert_eq!(new.sign_in("/", "ada").await.status, 303);
    let both = |one: &Browser, other: &Browser| {
        let (one, other) = (&one.jar["sidegate"], &other.jar["sidegate"]);
        format!("sidegate={one}; sidegate={other}")
    };
    // Two sessions: neither is believed, and both jars are emptied.
    let cookies = both(&old, &new);
    let fields = [SCRIPT[0], ("cookie", cookies.as_str())];
    let mut browser = gate.browser().through(later.address);
    let answer = browser.send(Method::GET, "/", &fields, Bytes::new()).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    let lines = answer.set_cookies();
    for partitioned in [true, false] {
        let removed = |line: &&String| {
            line.starts_with("sidegate=;") && line.contains("Partitioned") == partitioned
        };
        assert_eq!(lines.iter().filter(removed).count(), 1, "{lines:?}");
    }
    // Two states of one session: that is the session.
    let before = new.clone();
    gate.advance(1_100);
    assert_eq!(new.fetch("/mc/rest/echo/x").await.status, 200);
    assert_ne!(before.jar["sidegate"], new.jar["sidegate"]);
    for cookies in [both(&before, &new), both(&new, &before)] {
        let fields = [SCRIPT[0], ("cookie", cookies.as_str())];
        let mut browser = gate.browser().through(later.address);
        let answer = browser.send(Method::GET, "/", &fields, Bytes::new()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(gate.control().stats().reuses, 0);
}

#[tokio::test]
async fn a_posted_token_of_the_old_way_is_explained() {
    for session in ["", "  embedded: true"] {
        let gate = Gate::with(Plan {
            session: session.to_owned(),
            ..Plan::default()
        })
        .await;
        let form = [
            ("accept", "text/html"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "iframe"),
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://mc.s7.exacttarget.com"),
        ];
        for path in ["/oauth2/start", "/oauth2/callback", "/oauth2/"] {
            let body = Bytes::from_static(b"jwt=eyJhbGciOiJIUzI1NiJ9.e30.AAAA");
            let answer = gate.browser().send(Method::POST, path, &form, body).await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (405, "SG-2050"),
                "{path}"
            );
            assert_eq!(answer.header("allow"), "GET, HEAD");
            assert!(!answer.text().contains("eyJ"), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_framed_tool_is_protected_as_any_other() {
    let gate = embedded().await;
    let mut browser = gate.signed_in("ada").await;
    assert_eq!(browser.fetch("/").await.status, 200);
    for (site, passes) in [
        ("same-origin", true),
        ("cross-site", false),
        ("same-site", false),
    ] {
        let before = gate.tool.requests().len();
        let fields = [
            ("sec-fetch-site", site),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "iframe"),
        ];
        let answer = browser
            .send(Method::POST, "/echo", &fields, Bytes::from_static(b"a=1"))
            .await;
        let arrived = gate.tool.requests().len() - before;
        assert_eq!(arrived, usize::from(passes), "{site} {answer:?}");
        if passes {
            assert_eq!(answer.status, 200, "{answer:?}");
        } else {
            assert_eq!((answer.status, answer.code().as_str()), (403, "SG-1006"));
        }
    }
    // A script without a session is told, and never redirected.
    let answer = gate
        .browser()
        .send(Method::GET, "/", &SCRIPT, Bytes::new())
        .await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "SG-2001"));
}

#[tokio::test]
async fn somebody_signed_in_to_the_cloud_is_asked_nothing() {
    let gate = Gate::with(Plan {
        session: "  embedded: true".to_owned(),
        sandbox: Settings {
            auto_sign_in: Some("mei".to_owned()),
            ..Settings::default()
        },
        ..Plan::default()
    })
    .await;
    let mut browser = gate.browser();
    let direct = framed(&mut browser, "/oauth2/start?rd=/&direct=1").await;
    let location = direct.header("location").to_owned();
    let (provider, target) = crate::support::browser::split_url(&location);
    let request =
        crate::support::browser::request(provider, Method::GET, &target, &[], Bytes::new());
    let back = crate::support::browser::exchange(provider, request).await;
    let (_, callback) = crate::support::browser::split_url(back.header("location"));
    let done = framed(&mut browser, &callback).await;
    assert_eq!((done.status, done.header("location")), (303, "/"));
}

#[test]
#[ignore = "LEFT OUT: needs Chromium and takes a minute or two; tests/run includes it, as tests/browser/run"]
fn a_real_browser_agrees() {
    let root = env!("CARGO_MANIFEST_DIR");
    let status = std::process::Command::new(format!("{root}/tests/browser/run")).status();
    assert!(status.expect("it runs").success());
}
