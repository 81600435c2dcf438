//! Names of upstreams: asked again, tried address by address, and for tenants only in public.

use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use sidegate::upstream::Resolve;
use sidegate::upstream::Resolving;
use tokio::net::TcpListener;

use crate::fence::Told;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::puppet::Line;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_moves_is_followed_and_one_that_vanishes_stays() {
    let here = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a port");
    let port = here.local_addr().expect("bound").port();
    let there = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 7), port))
        .await
        .expect("a port");
    let _one = Puppet::on(here, |_, line| answer_once("one", line));
    let _two = Puppet::on(there, |_, line| answer_once("two", line));
    let book = Book::saying(&["127.0.0.1"]);
    let gate = book
        .gate(
            &format!("http://tool.test:{port}"),
            "upstream: { resolve_every: 50ms }\n",
        )
        .await;
    assert_eq!(gate.browser().fetch("/").await.text(), "one");
    book.say(&["127.0.0.7"]);
    until(async || gate.browser().fetch("/").await.text() == "two").await;
    book.say(&[]);
    let before = book.asked();
    until(async || {
        assert_eq!(gate.browser().fetch("/").await.text(), "two");
        book.asked() > before + 3
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_used_for_a_while() {
    let puppet = Puppet::playing(|_, line| answer_once("ok", line)).await;
    let book = Book::saying(&["127.0.0.1"]);
    let to = puppet.origin().replace("127.0.0.1", "tool.test");
    let gate = book.gate(&to, "").await;
    for _ in 0..10 {
        assert_eq!(gate.browser().fetch("/").await.text(), "ok");
    }
    assert_eq!(puppet.connections(), 10);
    assert_eq!(book.asked(), 1, "one question for all workers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_address_of_a_name_is_tried() {
    let puppet = Puppet::playing(|_, line| answer_once("ok", line)).await;
    let book = Book::saying(&["127.0.0.8", "::1", "127.0.0.9", "127.0.0.1"]);
    let to = puppet.origin().replace("127.0.0.1", "tool.test");
    let gate = book.gate(&to, "").await;
    assert_eq!(gate.browser().fetch("/").await.text(), "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_without_an_address_is_unreachable() {
    let book = Book::saying(&[]);
    let gate = book.gate("http://tool.test:1", "").await;
    assert_eq!(gate.browser().fetch("/").await.code(), "SG-4001");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenants_name_never_leads_to_what_is_not_public() {
    let book = Book::saying(&[]);
    let told = Told::default();
    let tenant = "https://mc-x.rest.marketingcloudapis.com/";
    let wild = "\"127.0.0.1:*\", \"*.rest.marketingcloudapis.com\"";
    let named = "\"127.0.0.1:*\", \"mc-x.rest.marketingcloudapis.com\"";
    for (fence, code) in [(wild, "SG-4005"), (named, "SG-4001")] {
        let plan = Plan {
            resolver: Arc::new(book.clone()),
            top: "upstream: { resolve_every: 1ms }\n".to_owned(),
            routes: "\n  - { path: /mc/rest/, to: rest }\n  - { path: /mc/soap/, to: soap }\n  - { path: /, to: TOOL }\n".to_owned(),
            ..Plan::default()
        };
        let gate = told.gate_with(fence, plan).await;
        told.say(&[("rest_instance_url", tenant), ("soap_instance_url", tenant)]);
        let mut browser = gate.signed_in("ada").await;
        for addresses in [
            &["127.0.0.1"][..],
            &["::1"],
            &["::ffff:127.0.0.1"],
            &["127.0.0.1", "::1"],
        ] {
            book.say(addresses);
            // A named host is connected to, though nobody listens there.
            for path in ["/mc/rest/asset/v1/x", "/mc/soap/Service.asmx?wsdl"] {
                let answer = browser.fetch(path).await;
                let down = answer.code() == "SG-4006" && code == "SG-4001";
                assert!(answer.code() == code || down, "{addresses:?}: {answer:?}");
            }
        }
    }
}

#[derive(Clone)]
struct Book(Arc<Mutex<Page>>);

struct Page {
    addresses: Vec<IpAddr>,
    asked: usize,
}

impl Book {
    fn saying(addresses: &[&str]) -> Self {
        let page = Page {
            addresses: Vec::new(),
            asked: 0,
        };
        let book = Self(Arc::new(Mutex::new(page)));
        book.say(addresses);
        book
    }

    fn say(&self, addresses: &[&str]) {
        let parse = |text: &&str| text.parse().expect("an address");
        self.0.lock().expect("whole").addresses = addresses.iter().map(parse).collect();
    }

    fn asked(&self) -> usize {
        self.0.lock().expect("whole").asked
    }

    async fn gate(&self, to: &str, top: &str) -> Gate {
        Gate::with(Plan {
            resolver: Arc::new(self.clone()),
            top: top.to_owned(),
            routes: format!("\n  - {{ path: /, to: \"{to}\", access: public }}\n"),
            ..Plan::default()
        })
        .await
    }
}

impl Resolve for Book {
    fn resolve<'a>(&'a self, _: &'a str, port: u16) -> Resolving<'a> {
        let mut page = self.0.lock().expect("whole");
        page.asked += 1;
        let addresses: Vec<_> = page
            .addresses
            .iter()
            .map(|&address| SocketAddr::new(address, port))
            .collect();
        let answer = if addresses.is_empty() {
            Err(io::Error::other("no such name"))
        } else {
            Ok(addresses)
        };
        Box::pin(std::future::ready(answer))
    }
}

async fn answer_once(text: &'static str, mut line: Line) {
    line.request().await;
    let length = text.len();
    line.say(format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{text}"
    ))
    .await;
}

async fn until(attempt: impl AsyncFn() -> bool) {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let end = async {
        while !attempt().await {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), end)
        .await
        .expect("it happens in time");
}
