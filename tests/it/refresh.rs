//! Tokens are renewed in time and once, and the result reaches the browser.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sidegate::sandbox::Person;
use sidegate::sandbox::Settings;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::Browser;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::tap::Edit;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_to_renew_follows_from_expires_in() {
    // A fifth of the life before its end, five minutes at most, less up to a quarter of that.
    for (lifetime, still_fresh, due) in [
        (1_079, 860, 917),
        (3_600, 3_297, 3_375),
        (60, 46, 50),
        (10, 7, 9),
    ] {
        let gate = with_lifetime(lifetime).await;
        let mut browser = gate.signed_in("ada").await;
        let before = gate.control().stats().token_calls;
        gate.advance(still_fresh);
        assert_eq!(browser.fetch(API).await.status, 202);
        assert_eq!(
            gate.control().stats().token_calls,
            before,
            "{lifetime}: early"
        );
        gate.advance(due - still_fresh);
        assert_eq!(browser.fetch(API).await.status, 202);
        assert_eq!(browser.fetch(API).await.status, 202);
        assert_eq!(
            gate.control().stats().refreshes,
            1,
            "{lifetime}: late or often"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_once_in_three_minutes_stays_signed_in() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    for minute in (0..120).step_by(3) {
        gate.advance(180);
        assert_eq!(browser.fetch(API).await.status, 202, "minute {minute}");
    }
    let stats = gate.control().stats();
    assert_eq!(stats.reuses, 0, "no refresh token was used twice");
    assert!(stats.refreshes >= 6, "{stats:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_requests_at_once_make_one_token_call() {
    for (case, age) in [("nearly expired", 1_000), ("expired", 1_200)] {
        let gate = Gate::start().await;
        let browser = gate.signed_in("ada").await;
        gate.advance(age);
        let mut crowd = JoinSet::new();
        for _ in 0..100 {
            let mut one = browser.clone();
            crowd.spawn(async move {
                let answer = one.fetch(API).await;
                (one, answer)
            });
        }
        let mut renewed = BTreeSet::new();
        for (mut one, answer) in crowd.join_all().await {
            assert_eq!(answer.status, 202, "{case}: {answer:?}");
            if one.jar != browser.jar {
                renewed.insert(one.jar["sidegate"].clone());
            }
            assert_eq!(one.fetch(API).await.status, 202, "{case}: and goes on");
        }
        assert_eq!(renewed.len(), 1, "{case}: one new cookie for all");
        let stats = gate.control().stats();
        assert_eq!((stats.refreshes, stats.reuses), (1, 0), "{case}");
        assert_eq!(stats.token_calls, 2, "{case}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_request_with_the_old_cookie_gets_the_new_session() {
    let gate = Gate::start().await;
    let mut browser = gate.signed_in("ada").await;
    let mut late = browser.clone();
    gate.advance(1_200);
    assert_eq!(browser.fetch(API).await.status, 202);
    gate.advance(60);
    let answer = late.fetch(API).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(late.jar, browser.jar, "both tabs hold the same cookie");
    let stats = gate.control().stats();
    assert_eq!((stats.refreshes, stats.reuses), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_renewal_is_under_way_nobody_waits_and_no_old_token_is_sealed_anew() {
    let gate = tapped().await;
    let browser = gate.signed_in("ada").await;
    // Long enough ago that the idle limit, too, would be written down anew.
    gate.advance(1_000);
    gate.tap().hold();
    let (mut first, mut second) = (browser.clone(), browser.clone());
    let first = tokio::spawn(async move {
        assert_eq!(first.fetch(API).await.status, 202);
        first
    });
    gate.tap().arrived(2).await;
    let answer = second.fetch(API).await;
    assert_eq!(answer.status, 202);
    assert!(answer.set_cookies().is_empty(), "{answer:?}");
    gate.tap().release();
    let first = first.await.expect("ends");
    assert_ne!(
        first.jar, browser.jar,
        "who started it brings the new cookie"
    );
    assert_eq!(second.fetch(API).await.status, 202);
    assert_eq!(second.jar, first.jar);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_handshake_brings_the_new_cookie() {
    let gate = Gate::start().await;
    let browser = gate.signed_in("ada").await;
    gate.advance(1_000);
    let mut stream = TcpStream::connect(gate.address()).await.expect("connects");
    let head = format!(
        "GET /ws HTTP/1.1\r\nHost: {}\r\nOrigin: {}\r\nCookie: sidegate={}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        gate.address(),
        gate.origin(),
        browser.jar["sidegate"]
    );
    stream.write_all(head.as_bytes()).await.expect("writes");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.expect("a head"));
    }
    let answer = String::from_utf8(answer).expect("text");
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(answer.contains("\r\nset-cookie: sidegate="), "{answer}");
    assert_eq!(gate.control().stats().refreshes, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_loses_nothing() {
    for age in [1_000, 1_200] {
        let gate = tapped().await;
        let mut browser = gate.signed_in("ada").await;
        gate.advance(age);
        gate.tap().hold();
        let mut impatient = TcpStream::connect(gate.address()).await.expect("connects");
        let head = format!(
            "GET {API} HTTP/1.1\r\nHost: {}\r\nCookie: sidegate={}\r\n\r\n",
            gate.address(),
            browser.jar["sidegate"]
        );
        impatient.write_all(head.as_bytes()).await.expect("writes");
        gate.tap().arrived(2).await;
        impatient.set_zero_linger().expect("a socket");
        drop(impatient);
        // Both workers have seen the reset when they have served others since.
        for _ in 0..8 {
            assert_eq!(gate.browser().fetch("/open/echo").await.status, 404);
        }
        gate.tap().release();
        let answer = browser.fetch(API).await;
        assert_eq!(answer.status, 202, "{age}: {answer:?}");
        gate.advance(600);
        assert_eq!(browser.fetch(API).await.status, 202, "{age}");
        let stats = gate.control().stats();
        assert_eq!((stats.refreshes, stats.reuses), (1, 0), "{age}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_rotation_the_old_refresh_token_stays_good() {
    let first = AtomicBool::new(true);
    let edit: Edit = Arc::new(move |reply| {
        // The sign-in's reply has a refresh token, no later one has.
        if !first.swap(false, Ordering::Relaxed) {
            let members = reply.as_object_mut().expect("an object");
            members.remove("refresh_token").expect("it was there");
        }
    });
    let gate = Gate::with(Plan {
        sandbox: Settings {
            access_token_lifetime: Duration::from_mins(1),
            refresh_grace: Duration::from_hours(24),
            ..Settings::default()
        },
        edit: Some(edit),
        ..Plan::default()
    })
    .await;
    let mut browser = gate.signed_in("ada").await;
    for age in [50, 50, 61, 50, 61] {
        gate.advance(age);
        assert_eq!(browser.fetch(API).await.status, 202);
    }
    let calls = gate.tap().token_calls();
    let sent: Vec<_> = calls[1..]
        .iter()
        .map(|call| call.asked()["refresh_token"].clone())
        .collect();
    assert_eq!(sent, vec![calls[0].replied()["refresh_token"].clone(); 5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_people_who_renew_at_once_stay_who_they_are() {
    let people: Vec<Person> = (0..50)
        .map(|number| Person {
            id: format!("p{number}"),
            sub: 900_000 + number,
            ..Settings::default().people[0].clone()
        })
        .collect();
    let gate = Gate::with(Plan {
        sandbox: Settings {
            people: people.clone(),
            ..Settings::default()
        },
        ..Plan::default()
    })
    .await;
    let mut browsers = Vec::new();
    for person in &people {
        browsers.push((gate.signed_in(&person.id).await, person.sub));
    }
    for age in [1_000, 1_200] {
        gate.advance(age);
        let mut crowd = JoinSet::new();
        for (browser, sub) in browsers.drain(..) {
            crowd.spawn(who_am_i(browser, sub));
        }
        browsers = crowd.join_all().await;
    }
    let stats = gate.control().stats();
    assert_eq!((stats.refreshes, stats.reuses), (100, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_for_the_renewal_in_hand() {
    let gate = tapped().await;
    let mut browser = gate.signed_in("ada").await;
    let before = browser.jar.clone();
    gate.advance(1_200);
    let tap = gate.tap().clone();
    tap.hold();
    let waiting = tokio::spawn(async move {
        let answer = browser.fetch(API).await;
        (browser, answer)
    });
    tap.arrived(2).await;
    let (control, stopping) = (gate.control(), tokio::spawn(gate.stop()));
    tap.release();
    let (browser, answer) = waiting.await.expect("ends");
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_ne!(browser.jar, before);
    stopping.await.expect("ends");
    assert_eq!(control.stats().refreshes, 1);
}

/// Asks the gateway and the tenant whose session this is.
async fn who_am_i(mut browser: Browser, sub: u64) -> (Browser, u64) {
    let told = browser.fetch("/oauth2/userinfo").await.json();
    assert_eq!(told["user"]["sub"], sub.to_string());
    let context = browser.fetch(API).await.json();
    assert_eq!(context["user"]["id"], sub);
    let seen = browser.fetch("/bearer/echo/x").await.json().to_string();
    assert!(seen.contains(&sub.to_string()), "{seen}");
    (browser, sub)
}

async fn with_lifetime(seconds: u64) -> Gate {
    let access_token_lifetime = Duration::from_secs(seconds);
    let sandbox = Settings {
        access_token_lifetime,
        ..Settings::default()
    };
    Gate::with(Plan {
        sandbox,
        ..Plan::default()
    })
    .await
}

async fn tapped() -> Gate {
    Gate::with(Plan {
        tapped: true,
        ..Plan::default()
    })
    .await
}

/// Says whose token it got, with status 202.
const API: &str = "/mc/rest/platform/v1/tokenContext";
