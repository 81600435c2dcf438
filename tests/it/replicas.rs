//! Several processes of one gateway, with a store that they share.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use sidegate::app::App;
use sidegate::sandbox::Fault;
use sidegate::sandbox::Person;
use sidegate::sandbox::Place;
use sidegate::sandbox::Settings;

use crate::support::Browser;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::Redis;
use crate::support::redis::store_is;

const API: &str = "/mc/rest/platform/v1/tokenContext";

/// How a plan keeps sessions at `redis`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeping {
    Store,
    Coordination,
}

const BOTH: [Keeping; 2] = [Keeping::Store, Keeping::Coordination];

impl Keeping {
    fn plan(self, redis: &Redis) -> Plan {
        let key = match self {
            Self::Store => "store",
            Self::Coordination => "refresh_coordination",
        };
        Plan {
            session: format!("  {key}: {{ redis: {{ url: {} }} }}\n", redis.url()),
            ..Plan::default()
        }
    }

    async fn gate(self, redis: &Redis) -> Gate {
        let gate = Gate::with(self.plan(redis)).await;
        store_is(gate.app(), true).await;
        gate
    }
}

/// A replica of the gate, and its address.
async fn replica(gate: &Gate) -> (App, SocketAddr) {
    let app = gate.replica();
    store_is(&app, true).await;
    let address = app.public_address();
    (app, address)
}

async fn stopped(app: App) {
    tokio::task::spawn_blocking(move || app.stop(Duration::from_secs(5)))
        .await
        .expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_requests_race_over_two_replicas() {
    const SESSIONS: usize = 100;
    const WAVE: usize = 20;
    const ROUNDS: u64 = 4;
    const REQUESTS: usize = 25;
    for keeping in BOTH {
        let Some(redis) = Redis::start().await else {
            return;
        };
        let gate = keeping.gate(&redis).await;
        let (other, door) = replica(&gate).await;
        let mut browsers = Vec::new();
        for _ in 0..SESSIONS {
            browsers.push(gate.signed_in("ada").await);
        }
        let before = gate.control().stats();
        for round in 1..=ROUNDS {
            // The token is dead: all have to wait for the one refresh of their session.
            gate.advance(1_100);
            let mut served = 0;
            // In waves: on a busy machine thousands at once would wait longer than a refresh may take.
            for wave in (0..SESSIONS).step_by(WAVE) {
                let mut racing = tokio::task::JoinSet::new();
                let wave = browsers.iter().enumerate().skip(wave).take(WAVE);
                for (session, browser) in wave {
                    for number in 0..REQUESTS {
                        let door = if number % 2 == 0 {
                            gate.address()
                        } else {
                            door
                        };
                        let mut browser = browser.through(door);
                        racing.spawn(async move { (session, browser.fetch(API).await, browser) });
                    }
                }
                while let Some(finished) = racing.join_next().await {
                    let (session, answer, browser): (usize, _, Browser) =
                        finished.expect("no panic");
                    assert_eq!(answer.status, 202, "{keeping:?} {round}: {answer:?}");
                    browsers[session] = browser;
                    served += 1;
                }
            }
            assert_eq!(served, SESSIONS * REQUESTS);
            let stats = gate.control().stats();
            assert_eq!(
                stats.token_calls - before.token_calls,
                round * 100,
                "{keeping:?}: one call a race"
            );
            assert_eq!(
                (stats.refreshes - before.refreshes, stats.reuses),
                (round * 100, 0),
                "{keeping:?}"
            );
        }
        stopped(other).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_on_two_replicas_never_meet() {
    let people: Vec<Person> = (0..50)
        .map(|number| Person {
            id: format!("p{number}"),
            sub: 900_000 + number,
            ..Settings::default().people[0].clone()
        })
        .collect();
    for keeping in BOTH {
        let Some(redis) = Redis::start().await else {
            return;
        };
        let plan = Plan {
            sandbox: Settings {
                people: people.clone(),
                ..Settings::default()
            },
            ..keeping.plan(&redis)
        };
        let gate = Gate::with(plan).await;
        store_is(gate.app(), true).await;
        let (other, door) = replica(&gate).await;
        let mut browsers = Vec::new();
        for person in &people {
            browsers.push((gate.signed_in(&person.id).await, person.sub));
        }
        gate.advance(1_100);
        let mut crowd = tokio::task::JoinSet::new();
        for (browser, sub) in browsers {
            for door in [gate.address(), door] {
                let mut browser = browser.through(door);
                crowd.spawn(async move {
                    let context = browser.fetch(API).await.json();
                    assert_eq!(context["user"]["id"], sub);
                });
            }
        }
        crowd.join_all().await;
        assert_eq!(gate.control().stats().refreshes, 50, "{keeping:?}");
        stopped(other).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_request_at_another_replica_gets_the_new_session() {
    for keeping in BOTH {
        let Some(redis) = Redis::start().await else {
            return;
        };
        let gate = keeping.gate(&redis).await;
        let (other, door) = replica(&gate).await;
        let mut browser = gate.signed_in("ada").await;
        let mut late = browser.through(door);
        gate.advance(1_200);
        assert_eq!(browser.fetch(API).await.status, 202);
        gate.advance(60);
        assert_eq!(late.fetch(API).await.status, 202, "{keeping:?}");
        gate.advance(1_100);
        assert_eq!(
            late.fetch(API).await.status,
            202,
            "{keeping:?}: and goes on"
        );
        let stats = gate.control().stats();
        assert_eq!((stats.refreshes, stats.reuses), (2, 0), "{keeping:?}");
        stopped(other).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_that_the_provider_refuses_ends_the_session_everywhere() {
    for keeping in BOTH {
        let Some(redis) = Redis::start().await else {
            return;
        };
        let gate = keeping.gate(&redis).await;
        let (other, door) = replica(&gate).await;
        let mut browser = gate.signed_in("ada").await;
        gate.advance(1_200);
        gate.control().revoke_all();
        assert_eq!(browser.through(door).fetch(API).await.code(), "SG-2001");
        assert_eq!(browser.fetch(API).await.code(), "SG-2001", "{keeping:?}");
        stopped(other).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_the_provider_signs_nobody_out_at_either_replica() {
    for keeping in BOTH {
        let Some(redis) = Redis::start().await else {
            return;
        };
        let gate = keeping.gate(&redis).await;
        let (other, door) = replica(&gate).await;
        let mut browser = gate.signed_in("ada").await;
        gate.advance(1_200);
        gate.control()
            .set_fault(Place::Token, Fault::InternalError, None);
        for door in [gate.address(), door] {
            assert_eq!(
                browser.through(door).fetch(API).await.code(),
                "SG-3001",
                "{keeping:?}"
            );
        }
        gate.control().clear_faults();
        gate.advance(5);
        for door in [gate.address(), door] {
            assert_eq!(
                browser.through(door).fetch(API).await.status,
                202,
                "{keeping:?}"
            );
        }
        assert_eq!(browser.fetch(API).await.status, 202);
        stopped(other).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_out_at_one_replica_ends_the_session_at_the_other() {
    for keeping in BOTH {
        let Some(redis) = Redis::start().await else {
            return;
        };
        let gate = keeping.gate(&redis).await;
        let (other, door) = replica(&gate).await;
        let mut browser = gate.signed_in("ada").await;
        let thief = browser.through(door);
        assert_eq!(thief.clone().fetch("/echo").await.status, 200);
        let mut feed = feed(&thief, door).await;
        assert_eq!(browser.post("/oauth2/sign_out", "").await.status, 204);
        if keeping == Keeping::Store {
            assert_eq!(
                thief.clone().fetch("/echo").await.code(),
                "SG-2001",
                "at once"
            );
        }
        // The stream ends within a second; then, at the latest, the copy is worth nothing.
        ended(&mut feed).await;
        assert_eq!(
            thief.clone().fetch("/echo").await.code(),
            "SG-2001",
            "{keeping:?}"
        );
        stopped(other).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_read_by_one_replica_counts_at_the_other() {
    for keeping in BOTH {
        let Some(redis) = Redis::start().await else {
            return;
        };
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("revoked.yaml");
        std::fs::write(&file, "").expect("our own file");
        let mut plan = keeping.plan(&redis);
        plan.session = format!("{}  not_before: {}\n", plan.session, file.display());
        let gate = Gate::with(plan).await;
        store_is(gate.app(), true).await;
        let (other, door) = replica(&gate).await;
        let browser = gate.signed_in("ada").await;
        let mut feed = feed(&browser.through(door), door).await;
        gate.advance(60);
        std::fs::write(&file, "everybody: 2023-11-14T22:14:00Z").expect("our own file");
        gate.app().reread();
        ended(&mut feed).await;
        assert_eq!(
            browser.through(door).fetch("/echo").await.code(),
            "SG-2001",
            "{keeping:?}"
        );
        stopped(other).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_starts_later_knows_who_signed_out() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let gate = Keeping::Coordination.gate(&redis).await;
    let mut browser = gate.signed_in("ada").await;
    let thief = browser.clone();
    assert_eq!(browser.post("/oauth2/sign_out", "").await.status, 204);
    // The message is in the store before the first replica reads it back.
    let told = async {
        while redis
            .dump()
            .await
            .iter()
            .all(|(key, _)| !key.ends_with(":ended"))
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), told)
        .await
        .expect("told");
    let (other, door) = replica(&gate).await;
    let known = async {
        while thief.through(door).fetch("/echo").await.status == 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), known)
        .await
        .expect("known");
    stopped(other).await;
}

/// An event stream in the browser's name, its head read.
async fn feed(browser: &Browser, door: SocketAddr) -> tokio::net::TcpStream {
    use tokio::io::AsyncReadExt as _;
    use tokio::io::AsyncWriteExt as _;

    let mut stream = tokio::net::TcpStream::connect(door)
        .await
        .expect("connects");
    let cookies: Vec<_> = browser
        .jar
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let head = format!(
        "GET /sse?n=0&ms=20 HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\n\r\n",
        browser.site(),
        cookies.join("; ")
    );
    stream.write_all(head.as_bytes()).await.expect("writes");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.expect("a head"));
    }
    assert!(
        answer.starts_with(b"HTTP/1.1 200 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    stream
}

/// Reads until the other end closes, which has to be soon.
async fn ended(stream: &mut tokio::net::TcpStream) {
    use tokio::io::AsyncReadExt as _;

    let mut rest = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest));
    read.await.expect("it ends").ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stored_session_keeps_its_cookie_over_refreshes() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let gate = Keeping::Store.gate(&redis).await;
    let mut browser = gate.signed_in("ada").await;
    let first = browser.jar.clone();
    let mut seen = HashSet::new();
    for _ in 0..5 {
        gate.advance(1_100);
        let answer = browser.fetch(API).await;
        assert_eq!(answer.status, 202);
        assert_eq!(answer.set_cookies(), Vec::<String>::new());
        seen.insert(gate.control().stats().refreshes);
    }
    assert_eq!(browser.jar, first);
    assert_eq!(seen.len(), 5, "it was renewed on the way: {seen:?}");
}

async fn session_key(redis: &Redis) -> String {
    let all = redis.dump().await;
    let key = all.into_iter().find(|(key, _)| key.contains(":session:"));
    key.expect("a record").0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_record_is_not_a_newer_one() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let gate = Keeping::Store.gate(&redis).await;
    let mut browser = gate.signed_in("ada").await;
    let key = session_key(&redis).await;
    let mut client = redis.client().await;
    let old: Vec<u8> = redis::cmd("GET")
        .arg(&key)
        .query_async(&mut client)
        .await
        .expect("old");
    gate.advance(1_100);
    assert_eq!(browser.fetch(API).await.status, 202);
    // A fail-over lost the last write.
    let _: () = redis::cmd("SET")
        .arg(&key)
        .arg(old)
        .query_async(&mut client)
        .await
        .expect("set");
    assert_eq!(
        browser.fetch(API).await.status,
        202,
        "the kept result serves"
    );
    for _ in 0..2 {
        gate.advance(1_100);
        let answer = browser.fetch(API).await;
        assert_eq!(
            (answer.status, gate.control().stats().reuses),
            (202, 0),
            "{answer:?}"
        );
    }
    assert_eq!(gate.control().stats().refreshes, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_waits_as_long_as_the_old_cookie_lives() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let gate = Keeping::Coordination.gate(&redis).await;
    let mut browser = gate.signed_in("ada").await;
    gate.advance(1_200);
    assert_eq!(browser.fetch(API).await.status, 202);
    let all = redis.dump().await;
    let key = all
        .into_iter()
        .find(|(key, _)| key.contains(":result:"))
        .expect("a result")
        .0;
    let mut client = redis.client().await;
    let left: u64 = redis::cmd("PTTL")
        .arg(&key)
        .query_async(&mut client)
        .await
        .expect("ttl");
    assert!(
        left > 30 * 60 * 1000,
        "{left} ms; the old cookie lives on for the idle limit"
    );
}
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_no_text_makes_nobody_deaf() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let gate = Keeping::Coordination.gate(&redis).await;
    let (other, door) = replica(&gate).await;
    let mut browser = gate.signed_in("ada").await;
    let thief = browser.through(door);
    assert_eq!(browser.post("/oauth2/sign_out", "").await.status, 204);
    let mut log = None;
    while log.is_none() {
        let all = redis.dump().await;
        log = all
            .into_iter()
            .map(|(key, _)| key)
            .find(|key| key.ends_with(":ended"));
    }
    let log = log.expect("there");
    let known = async {
        while thief.clone().fetch("/echo").await.status == 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), known)
        .await
        .expect("heard so far");
    let mut client = redis.client().await;
    let _: String = redis::cmd("XADD")
        .arg(&log)
        .arg("*")
        .arg("kind")
        .arg(&b"\xff\xfe"[..])
        .query_async(&mut client)
        .await
        .expect("added");
    let mut state = other.store_state().expect("a store");
    state.mark_unchanged();
    let flaps = tokio::time::timeout(Duration::from_secs(3), state.changed())
        .await
        .is_ok();
    let mut second = gate.signed_in("ada").await;
    let thief = second.through(door);
    assert_eq!(second.post("/oauth2/sign_out", "").await.status, 204);
    let known = async {
        while thief.clone().fetch("/echo").await.status == 200 {
            tokio::task::yield_now().await;
        }
    };
    let heard = tokio::time::timeout(Duration::from_secs(5), known)
        .await
        .is_ok();
    assert_eq!(
        (flaps, heard),
        (false, true),
        "the link flaps, the sign-out is heard"
    );
    stopped(other).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_wants_a_password_is_not_up() {
    let Some(redis) = Redis::with(&["--requirepass", "hunter2"]).await else {
        return;
    };
    let gate = Gate::with(Keeping::Store.plan(&redis)).await;
    let mut state = gate.app().store_state().expect("a store");
    let up = tokio::time::timeout(Duration::from_secs(3), state.wait_for(|up| *up)).await;
    assert!(up.is_err(), "up, though it answers nothing but NOAUTH");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_is_there_at_the_start_is_told() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("revoked.yaml");
    std::fs::write(&file, "everybody: 2023-11-14T22:00:00Z").expect("our own file");
    let mut plan = Keeping::Coordination.plan(&redis);
    plan.session = format!("{}  not_before: {}\n", plan.session, file.display());
    let gate = Gate::with(plan).await;
    store_is(gate.app(), true).await;
    let told = async {
        while redis
            .dump()
            .await
            .iter()
            .all(|(key, _)| !key.ends_with(":ended"))
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), told)
        .await
        .expect("told");
}
