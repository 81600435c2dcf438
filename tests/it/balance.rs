//! Several addresses behind one route: who is asked, who is left out, and what is said when nobody
//! is left.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::sync::mpsc;

use crate::support::Answer;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::Wire;
use crate::support::puppet::Line;
use crate::support::wire::Message;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_address_with_the_fewest_requests_under_way_is_asked() {
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let slow = Puppet::playing(move |_, mut line| {
        let arrived = arrived.clone();
        async move {
            line.request().await;
            arrived.send(()).expect("somebody waits");
            line.wire.rest().await;
        }
    })
    .await;
    let quick = Puppet::saying(OK).await;
    let gate = before(&[slow.origin(), quick.origin()], "", "").await;
    let mut held = Vec::new();
    for _ in 0..40 {
        let browser = gate.browser();
        let mut fetch = tokio::spawn(async move { { browser }.fetch("/").await });
        tokio::select! {
            answer = &mut fetch => assert_eq!(answer.expect("no panic").text(), "ok"),
            Some(()) = arrivals.recv() => held.push(fetch),
        }
    }
    // Each of the two workers learns by one request that the slow one is busy.
    assert!((1..=2).contains(&held.len()), "{}", held.len());
    assert_eq!(quick.seen().len(), 40 - held.len());
    held.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_cannot_be_reached_is_passed_over_for_any_method() {
    let puppet = Puppet::saying(OK).await;
    let dead = format!("http://{}", closed_port().await);
    let gate = before(&[dead, puppet.origin()], "", "").await;
    let mut browser = gate.browser();
    for _ in 0..20 {
        assert_eq!(browser.post("/pay", "once").await.text(), "ok");
    }
    let bodies: Vec<_> = puppet.seen().iter().map(Message::text).collect();
    assert_eq!(bodies, ["once"; 20]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_nothing_works_the_answer_comes_at_once_and_a_probe_finds_the_way_back() {
    let address = closed_port().await;
    let gate = before(&[format!("http://{address}")], "", "").await;
    let mut browser = gate.browser();
    let mut codes = Vec::new();
    let open = loop {
        let answer = browser.post("/", "x").await;
        codes.push((answer.status, answer.code()));
        if answer.status != 502 {
            break answer;
        }
    };
    assert_eq!((open.status, open.code().as_str()), (503, "SG-4006"));
    assert_eq!(open.header("retry-after"), "1");
    assert!(codes.len() > 3, "three failures first: {codes:?}");
    let _puppet = Puppet::on(listen(address).await, polite);
    until(|| async { gate.browser().fetch("/").await.status == 200 }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_gives_up_after_three_failures_in_a_row() {
    let address = closed_port().await;
    let gate = before(&[format!("http://{address}")], "", "").await;
    // One connection is one worker.
    let mut wire = Wire::connect(gate.address()).await;
    for expected in [502, 502, 502, 503, 503] {
        assert_eq!(get(&gate, &mut wire).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_whose_health_check_fails_is_left_out_until_it_is_good_again() {
    let (sick, well) = (Patient::start().await, Patient::start().await);
    let health = ", health: { path: '/healthz?full', interval: 100ms }";
    let gate = before(&[sick.puppet.origin(), well.puppet.origin()], health, "").await;
    sick.is_well.store(false, Ordering::SeqCst);
    let asked = |patient: &Patient, path: &str| {
        let seen = patient.puppet.seen();
        seen.iter()
            .filter(|request| request.head.starts_with(&format!("GET {path} ")))
            .count()
    };
    // Once it is known to be out, nothing is asked of it.
    until(|| async {
        let before = asked(&sick, "/");
        for _ in 0..10 {
            assert_eq!(gate.browser().fetch("/").await.status, 200);
        }
        asked(&sick, "/") == before
    })
    .await;
    well.is_well.store(false, Ordering::SeqCst);
    until(|| async { gate.browser().fetch("/").await.status == 503 }).await;
    let refused = gate.browser().fetch("/").await;
    assert_eq!(refused.code(), "SG-4006");
    assert_eq!(refused.header("retry-after"), "1");
    sick.is_well.store(true, Ordering::SeqCst);
    until(|| async { gate.browser().fetch("/").await.status == 200 }).await;
    assert!(asked(&sick, "/healthz?full") > 2, "asked on a timer");
    let host = sick.puppet.seen()[0].all("host").join("");
    assert_eq!(format!("http://{host}"), sick.puppet.origin());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_limited_and_waiting_ends() {
    let puppet = Puppet::playing(|_, mut line| async move {
        line.request().await;
        line.wire.rest().await;
    })
    .await;
    let limit = "upstream: { max_connections: 1, max_wait: 100ms }\n";
    let gate = before(&[puppet.origin()], "", limit).await;
    let (answered, mut answers) = mpsc::unbounded_channel::<Answer>();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (browser, answered) = (gate.browser(), answered.clone());
            tokio::spawn(async move {
                let answer = { browser }.fetch("/").await;
                answered.send(answer).expect("somebody waits");
            })
        })
        .collect();
    // One request of each worker is with the upstream.
    for _ in 0..6 {
        let answer = answers.recv().await.expect("refused");
        assert_eq!((answer.status, answer.code().as_str()), (503, "SG-4007"));
        assert_eq!(answer.header("retry-after"), "1");
    }
    assert!(puppet.connections() <= 2);
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_in_time_is_served_on_the_same_connection() {
    let go = Arc::new(Notify::new());
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let held = Arc::clone(&go);
    let puppet = Puppet::playing(move |_, mut line| {
        let (go, arrived) = (Arc::clone(&held), arrived.clone());
        async move {
            while line.request().await.is_some() {
                arrived.send(()).expect("somebody waits");
                go.notified().await;
                line.say(OK).await;
            }
        }
    })
    .await;
    let limit = "upstream: { max_connections: 1, max_wait: 20s }\n";
    let gate = before(&[puppet.origin()], "", limit).await;
    let fetches: Vec<_> = (0..8)
        .map(|_| {
            let browser = gate.browser();
            tokio::spawn(async move { { browser }.fetch("/").await.text() })
        })
        .collect();
    for _ in 0..8 {
        arrivals.recv().await.expect("a request");
        go.notify_one();
    }
    for fetch in fetches {
        assert_eq!(fetch.await.expect("no panic"), "ok");
    }
    assert!(puppet.connections() <= 2, "one a worker");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_let_go_before_the_upstream_does() {
    for (field, connections) in [("timeout=1, max=100", 3), ("max=100, timeout=60", 1)] {
        let answer =
            format!("HTTP/1.1 200 OK\r\nkeep-alive: {field}\r\ncontent-length: 2\r\n\r\nok");
        let puppet = Puppet::saying(answer).await;
        let gate = before(&[puppet.origin()], "", "").await;
        let mut wire = Wire::connect(gate.address()).await;
        for _ in 0..3 {
            assert_eq!(get(&gate, &mut wire).await, 200);
        }
        assert_eq!(puppet.connections(), connections, "{field}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_break_off_cost_an_upstream_nothing_and_failures_after_connecting_do_not_eject()
 {
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let puppet = Puppet::playing(move |_, mut line| {
        let arrived = arrived.clone();
        async move {
            let head = line.wire.head().await.unwrap_or_default();
            if head.starts_with("GET /good ") {
                line.say(OK).await;
            } else if head.starts_with("POST ") {
                arrived.send(()).expect("somebody waits");
                line.wire.rest().await;
            }
        }
    })
    .await;
    let gate = before(&[puppet.origin()], "", "").await;
    for _ in 0..10 {
        let mut wire = Wire::connect(gate.address()).await;
        wire.send(format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nContent-Length: 9\r\n\r\nhalf",
            gate.address()
        ))
        .await;
        arrivals.recv().await.expect("a request");
        drop(wire);
    }
    for _ in 0..10 {
        assert_eq!(gate.browser().fetch("/bad").await.code(), "SG-4003");
    }
    assert_eq!(gate.browser().fetch("/good").await.text(), "ok");
}

/// A puppet whose health a test decides.
struct Patient {
    puppet: Puppet,
    is_well: Arc<AtomicBool>,
}

impl Patient {
    async fn start() -> Self {
        let is_well = Arc::new(AtomicBool::new(true));
        let state = Arc::clone(&is_well);
        let puppet = Puppet::playing(move |_, mut line| {
            let is_well = Arc::clone(&state);
            async move {
                while let Some(request) = line.request().await {
                    let question = request.head.starts_with("GET /healthz");
                    let bad = question && !is_well.load(Ordering::SeqCst);
                    line.say(if bad { BAD } else { OK }).await;
                }
            }
        })
        .await;
        Self { puppet, is_well }
    }
}

async fn polite(_: usize, mut line: Line) {
    while line.request().await.is_some() {
        line.say(OK).await;
    }
}

async fn get(gate: &Gate, wire: &mut Wire) -> u16 {
    wire.send(format!(
        "GET / HTTP/1.1\r\nHost: {}\r\n\r\n",
        gate.address()
    ))
    .await;
    wire.message().await.expect("an answer").status()
}

/// A gate with a public route to `addresses`.
async fn before(addresses: &[String], options: &str, top: &str) -> Gate {
    let to: Vec<_> = addresses.iter().map(|to| format!("\"{to}\"")).collect();
    Gate::with(Plan {
        top: top.to_owned(),
        routes: format!(
            "\n  - {{ path: /, to: [{}], access: public{options} }}\n",
            to.join(", ")
        ),
        ..Plan::default()
    })
    .await
}

/// Tries until something is so; what never is fails the test.
async fn until<W: Future<Output = bool>>(attempt: impl Fn() -> W) {
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let end = async {
        while !attempt().await {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), end)
        .await
        .expect("it happens in time");
}

/// An address where nobody listens.
async fn closed_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("bound")
}

async fn listen(address: SocketAddr) -> TcpListener {
    TcpListener::bind(address).await.expect("still free")
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const BAD: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
