//! The access record: what each request leaves, and which requests leave one.

use std::io;
use std::io::Write;
use std::sync::Arc;
use std::sync::Mutex;

use bytes::Bytes;
use http::Method;
use serde_json::Value;
use sidegate::telemetry::sink::Sink;

use crate::support::Gate;
use crate::support::Plan;
use crate::support::Scrape;

/// What was written.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("whole").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A gateway whose records are kept, with further keys of `log`.
struct Recorded {
    gate: Gate,
    memory: Memory,
    sink: Sink,
}

impl Recorded {
    async fn with(keys: &str, top: &str) -> Self {
        let memory = Memory::default();
        let sink = Sink::to(memory.clone());
        let gate = Gate::with(Plan {
            access: Some((keys.to_owned(), sink.clone())),
            top: top.to_owned(),
            routes: "
  - { path: /mc/rest/, to: rest }
  - { path: /open/, to: TOOL, access: public, strip_prefix: true }
  - { path: /dead/, to: \"http://127.0.0.1:1\", access: public }
  - { path: /, to: TOOL }
"
            .to_owned(),
            ..Plan::default()
        })
        .await;
        Self { gate, memory, sink }
    }

    /// Ends the gateway; answers its lines.
    async fn lines(self) -> Vec<String> {
        self.gate.stop().await;
        self.sink.flush();
        let bytes = self.memory.0.lock().expect("whole").clone();
        let text = String::from_utf8(bytes).expect("text");
        text.lines().map(str::to_owned).collect()
    }

    async fn records(self) -> Vec<Value> {
        let lines = self.lines().await;
        let parse = |line: &String| serde_json::from_str(line).expect("JSON");
        lines.iter().map(parse).collect()
    }
}

fn of<'a>(records: &'a [Value], path: &'a str) -> impl Iterator<Item = &'a Value> {
    records.iter().filter(move |record| record["path"] == path)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_leaves_one_record_that_tells_all() {
    let recorded = Recorded::with("", "").await;
    let mut browser = recorded.gate.signed_in("ada").await;
    let path = "/mc/rest/asset/v1/content/assets";
    let target = format!("{path}?secret=hunter2");
    let answer = browser
        .send(
            Method::POST,
            &target,
            &[("sec-fetch-site", "same-origin")],
            Bytes::from_static(b"0123456789"),
        )
        .await;
    let id = answer.header("x-request-id").to_owned();
    let (api, site) = (recorded.gate.sandbox.origin().to_string(), browser.site());
    assert!(recorded.gate.browser().navigate("/page").await.status == 302);
    assert_eq!(recorded.gate.browser().fetch("/page").await.status, 401);
    let records = recorded.records().await;
    let mut found = of(&records, path);
    let record = found.next().expect("a record");
    assert!(found.next().is_none());
    for (field, value) in [
        ("level", "INFO".into()),
        ("event", "request".into()),
        ("request_id", id.into()),
        ("client", site.ip().to_string().into()),
        ("method", "POST".into()),
        ("status", answer.status.into()),
        ("route", "/mc/rest/".into()),
        ("user", "10654321".into()),
        ("decision", "forward".into()),
        ("upstream", Value::from(api)),
        ("bytes_in", 10.into()),
        ("bytes", answer.body.len().into()),
        ("end", "complete".into()),
    ] {
        assert_eq!(record[field], value, "{field}: {record}");
    }
    assert!(record["business_unit"].as_u64().is_some(), "{record}");
    let time = |field: &str| record[field].as_u64().expect("a time");
    assert!(time("gateway_us") + time("upstream_us") <= time("duration_us") + 2);
    assert!(record.get("sample").is_none() && record.get("trace_id").is_none());
    // Each worker writes down its own: they come in any order.
    let mut decisions: Vec<_> = of(&records, "/page")
        .map(|record| (record["decision"].as_str(), record["code"].as_str()))
        .collect();
    decisions.sort_unstable();
    assert_eq!(
        decisions,
        [
            (Some("refuse"), Some("SG-2001")),
            (Some("sign_in"), Some("SG-2001"))
        ]
    );
    assert!(of(&records, "/oauth2/callback").all(|record| record["decision"] == "own"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_of_text_tells_the_same() {
    let recorded = Recorded::with(", format: text", "").await;
    let mut browser = recorded.gate.browser();
    assert_eq!(
        browser.fetch("/open/echo/x?secret=hunter2").await.status,
        200
    );
    let tool = recorded.gate.tool.origin().to_string();
    let lines = recorded.lines().await;
    let [line] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    for part in [
        " INFO request request_id=\"",
        " client=\"127.0.0.1\" method=\"GET\" path=\"/open/echo/x\" status=200 route=\"/open/\" decision=\"forward\"",
        &format!(" upstream=\"{tool}\" duration_us="),
        " gateway_us=",
        " upstream_us=",
        " bytes_in=0 bytes=",
        " end=\"complete\"",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(!line.contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_what_is_unremarkable_a_sample_is_recorded_and_everything_else_is() {
    let trust = "trusted_proxies: [127.0.0.1]\n";
    let recorded = Recorded::with(", access_sample: 0.25", trust).await;
    let other = Recorded::with(", access_sample: 0.25", trust).await;
    let requests = 400;
    for number in 0..requests {
        let id = format!("edge-{number}");
        for gate in [&recorded.gate, &other.gate] {
            let fields = [("x-request-id", id.as_str())];
            let mut browser = gate.browser();
            let answer = browser
                .send(Method::GET, "/open/echo/x", &fields, Bytes::new())
                .await;
            assert_eq!(answer.status, 200);
        }
    }
    let mut browser = recorded.gate.signed_in("ada").await;
    for _ in 0..10 {
        assert_eq!(recorded.gate.browser().fetch("/page").await.status, 401);
        assert_eq!(
            recorded.gate.browser().fetch("/open/../x").await.status,
            400
        );
        browser.fetch("/oauth2/userinfo").await;
    }
    let ids = |records: &[Value]| -> Vec<String> {
        let ids = of(records, "/open/echo/x").map(|record| record["request_id"].to_string());
        let mut ids: Vec<_> = ids.collect();
        // Each worker writes its own.
        ids.sort_unstable();
        ids
    };
    let (records, others) = (recorded.records().await, other.records().await);
    assert_eq!(ids(&records), ids(&others), "replicas agree");
    // Five standard deviations are 43.
    let sampled = ids(&records).len();
    assert!((57..=143).contains(&sampled), "{sampled}");
    assert!(of(&records, "/open/echo/x").all(|record| record["sample"] == 0.25));
    let always = |path| {
        let mut found = of(&records, path);
        assert!(found.all(|record| record.get("sample").is_none()), "{path}");
        of(&records, path).count()
    };
    assert_eq!(always("/page"), 10);
    assert_eq!(always("/open/../x"), 10);
    assert_eq!(always("/oauth2/callback"), 1);
    assert!(
        of(&records, "/oauth2/userinfo").count() < 10,
        "asked by scripts"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_slow_or_fails_is_recorded_where_nothing_else_is() {
    let recorded = Recorded::with(", access_sample: 0, access_slow: 200ms", "").await;
    let before = Scrape::of(&recorded.gate).await;
    for path in ["/open/echo/x", "/open/slow/300", "/dead/x"] {
        recorded.gate.browser().fetch(path).await;
    }
    Scrape::after(&recorded.gate, &before, 3).await;
    let records = recorded.records().await;
    let mut paths: Vec<_> = records
        .iter()
        .map(|record| record["path"].as_str().expect("text"))
        .collect();
    paths.sort_unstable();
    assert_eq!(paths, ["/dead/x", "/open/slow/300"], "{records:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_that_somebody_follows_is_named() {
    let recorded = Recorded::with("", "trusted_proxies: [127.0.0.1]\n").await;
    for flags in ["01", "00"] {
        let context = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
        let fields = [("traceparent", context.as_str())];
        let mut browser = recorded.gate.browser();
        browser
            .send(Method::GET, "/open/echo/x", &fields, Bytes::new())
            .await;
    }
    let records = recorded.records().await;
    let mut traces: Vec<_> = records
        .iter()
        .map(|record| record["trace_id"].as_str())
        .collect();
    traces.sort_unstable();
    assert_eq!(traces, [None, Some("4bf92f3577b34da6a3ce929d0e0e4736")]);
}
