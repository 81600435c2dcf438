//! What is counted of the way to upstreams.

use super::API;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::Puppet;
use crate::support::Scrape;
use crate::support::Wire;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_and_requests_to_upstreams_are_counted_while_they_are() {
    let endless = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n";
    let puppet = Puppet::saying(endless).await;
    let (long, slow) = (puppet.origin(), "/long/");
    let gate = Gate::with(Plan {
        routes: format!(
            "\n  - {{ path: /mc/rest/, to: rest }}\n  - {{ path: {slow}, to: \"{long}\", access: public }}\n  \
             - {{ path: /, to: TOOL }}\n"
        ),
        ..Plan::default()
    })
    .await;
    let tool = gate.tool.origin().to_string();
    let connections = |upstream: &str, state: &str| {
        format!(r#"sidegate_upstream_connections{{upstream="{upstream}",state="{state}"}}"#)
    };
    let requests = |upstream: &str, state: &str| {
        format!(r#"sidegate_upstream_requests{{upstream="{upstream}",state="{state}"}}"#)
    };
    let opened = |upstream: &str| {
        format!(r#"sidegate_upstream_connections_opened_total{{upstream="{upstream}"}}"#)
    };
    let start = Scrape::of(&gate).await;
    for upstream in [long.as_str(), &tool, "tenants"] {
        for series in [
            connections(upstream, "idle"),
            connections(upstream, "in_use"),
            requests(upstream, "active"),
            requests(upstream, "waiting"),
            opened(upstream),
        ] {
            assert_eq!(start.value(&series), 0, "{series}");
        }
    }
    // An answer without an end has its connection until the client goes.
    let site = gate.address();
    let mut wire = Wire::connect(site).await;
    wire.send(format!("GET {slow}x HTTP/1.1\r\nHost: {site}\r\n\r\n"))
        .await;
    wire.head().await.expect("an answer");
    let busy = Scrape::of(&gate).await;
    for (series, value) in [
        (connections(&long, "in_use"), 1),
        (connections(&long, "idle"), 0),
        (requests(&long, "active"), 1),
        (requests(&long, "waiting"), 0),
        (opened(&long), 1),
        (connections(&tool, "in_use"), 0),
    ] {
        assert_eq!(busy.value(&series), value, "{series}");
    }
    drop(wire);
    let over = Scrape::when(&gate, &connections(&long, "in_use"), 0).await;
    assert_eq!(over.value(&connections(&long, "idle")), 0, "it is closed");
    Scrape::when(&gate, &requests(&long, "active"), 0).await;

    let ada = gate.signed_in("ada").await;
    assert_eq!(ada.clone().fetch("/echo/x").await.status, 200);
    let idle = Scrape::when(&gate, &connections(&tool, "idle"), 1).await;
    assert_eq!(idle.value(&opened(&tool)), 1);
    assert_eq!(ada.clone().fetch(API).await.status, 202);
    let api = Scrape::when(&gate, &connections("tenants", "idle"), 1).await;
    assert_eq!(api.value(&opened("tenants")), 1);
}

/// Four requests for one connection of each worker: whoever has none waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_wait_for_a_connection_are_counted() {
    let silent = Puppet::playing(|_, mut line| async move {
        line.request().await;
        std::future::pending::<()>().await;
    })
    .await;
    let upstream = silent.origin();
    let gate = Gate::with(Plan {
        top: "upstream: { max_connections: 1 }\n".to_owned(),
        routes: format!("\n  - {{ path: /, to: \"{upstream}\", access: public }}\n"),
        ..Plan::default()
    })
    .await;
    let series = |state: &str| {
        format!(r#"sidegate_upstream_requests{{upstream="{upstream}",state="{state}"}}"#)
    };
    let (active, waiting) = (series("active"), series("waiting"));
    let mut wires = Vec::new();
    for _ in 0..4 {
        let mut wire = Wire::connect(gate.address()).await;
        let host = gate.address();
        wire.send(format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n"))
            .await;
        wires.push(wire);
    }
    let all = async {
        loop {
            let scrape = Scrape::of(&gate).await;
            let counts = (scrape.value(&active), scrape.value(&waiting));
            if counts.0 + counts.1 == 4 {
                return counts;
            }
            tokio::task::yield_now().await;
        }
    };
    let all = tokio::time::timeout(std::time::Duration::from_secs(10), all).await;
    let (under_way, wait) = all.expect("all four are there");
    assert!(
        (1..=2).contains(&under_way) && wait == 4 - under_way,
        "{under_way} {wait}"
    );
    drop(wires);
    Scrape::when(&gate, &active, 0).await;
    Scrape::when(&gate, &waiting, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_does_not_come_about_is_counted() {
    let down = format!("http://127.0.0.1:{}", crate::support::gate::free_port());
    let gate = Gate::with(Plan {
        routes: format!("\n  - {{ path: /, to: \"{down}\", access: public }}\n"),
        ..Plan::default()
    })
    .await;
    let answer = gate.browser().fetch("/x").await;
    assert_eq!(answer.code(), "SG-4001", "{answer:?}");
    let scrape = Scrape::of(&gate).await;
    let failures = format!(r#"sidegate_upstream_connect_failures_total{{upstream="{down}"}}"#);
    let opened = format!(r#"sidegate_upstream_connections_opened_total{{upstream="{down}"}}"#);
    assert_eq!((scrape.value(&failures), scrape.value(&opened)), (1, 0));
}
