//! Traces that go on through the gateway, and the spans that a collector gets of them.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;
use tokio::time::Instant;

use crate::support::Collector;
use crate::support::Gate;
use crate::support::Plan;
use crate::support::Scrape;
use crate::support::collector::Manner;
use crate::support::collector::attributes;
use crate::support::collector::hex;

const OUTSIDE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

async fn gate(collector: &Collector, sample: &str) -> Gate {
    with(collector, sample, "").await
}

async fn with(collector: &Collector, sample: &str, top: &str) -> Gate {
    Gate::with(Plan {
        top: format!("{}{top}", collector.lines(sample)),
        routes: ROUTES.to_owned(),
        ..Plan::default()
    })
    .await
}

const ROUTES: &str = "
  - { path: /mc/rest/, to: rest }
  - { path: /open/, to: TOOL, access: public, strip_prefix: true }
  - { path: /bearer/, to: TOOL, token: bearer, strip_prefix: true }
  - { path: /, to: TOOL }
";

fn is_error(span: &Span) -> bool {
    span.status
        .as_ref()
        .is_some_and(|status| status.code() == StatusCode::Error)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_of_somebody_leaves_a_tree_of_spans() {
    let collector = Collector::start().await;
    let gate = gate(&collector, "1").await;
    let mut browser = gate.signed_in("ada").await;
    let answer = browser
        .fetch("/mc/rest/platform/v1/tokenContext?secret=hunter2")
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let request_id = answer.header("x-request-id").to_owned();
    let asked = gate.control().last_request("/platform/").expect("it came");
    let told = asked.header("traceparent").expect("said").to_owned();
    let api = gate.sandbox.origin().clone();
    // The end does not wait for a batch to fill, and leaves nothing behind.
    gate.stop().await;
    let spans = collector.spans();
    let server = spans.one("GET /mc/rest/");
    assert_eq!(server.kind(), SpanKind::Server);
    assert_eq!(hex(&server.trace_id), request_id);
    assert!(server.parent_span_id.is_empty() && !is_error(server));
    let about = attributes(&server.attributes);
    for (name, value) in [
        ("http.request.method", "GET"),
        ("url.scheme", "http"),
        ("url.path", "/mc/rest/platform/v1/tokenContext"),
        ("http.route", "/mc/rest/"),
        ("http.response.status_code", "202"),
        ("client.address", "127.0.0.1"),
        ("sidegate.request_id", request_id.as_str()),
        ("sidegate.decision", "forward"),
        ("sidegate.end", "complete"),
    ] {
        assert_eq!(about[name], value, "{name}");
    }
    let below = |name: &'static str| {
        let mut children = spans
            .all(name)
            .filter(|span| span.trace_id == server.trace_id);
        let child = children.next().expect("a child");
        assert_eq!(child.parent_span_id, server.span_id, "{name}");
        assert!(child.start_time_unix_nano >= server.start_time_unix_nano);
        assert!(child.end_time_unix_nano <= server.end_time_unix_nano);
        child
    };
    let session = below("session");
    assert_eq!(session.kind(), SpanKind::Internal);
    assert_eq!(
        attributes(&session.attributes)["sidegate.session.found"],
        "true"
    );
    let upstream = below("GET");
    assert_eq!(upstream.kind(), SpanKind::Client);
    let about = attributes(&upstream.attributes);
    assert_eq!(about["server.address"], api.host());
    assert_eq!(about["server.port"], api.port().to_string());
    assert_eq!(about["http.response.status_code"], "202");
    let events: Vec<_> = upstream
        .events
        .iter()
        .map(|event| event.name.as_str())
        .collect();
    assert_eq!(events, ["connected", "first_byte"]);
    // What stands behind is told of the span that it is asked by.
    let own = format!("00-{request_id}-{}-01", hex(&upstream.span_id));
    assert_eq!(told, own);

    let (fields, body) = collector.requests().swap_remove(0);
    assert_eq!(fields["x-team"], "hunter2+");
    let message = ExportTraceServiceRequest::decode(body).expect("OTLP");
    let resource = message.resource_spans[0].resource.clone();
    let about = resource.expect("a resource").attributes;
    let about = attributes(&about);
    assert_eq!(about["service.name"], "sidegate");
    assert_eq!(about["service.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(about["service.instance.id"].len(), 16);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_has_a_span_below_the_session_that_waits_for_it() {
    let collector = Collector::start().await;
    let gate = gate(&collector, "1").await;
    let mut browser = gate.signed_in("ada").await;
    gate.advance(1_078);
    assert_eq!(browser.fetch("/echo/x").await.status, 200);
    assert_eq!(gate.control().stats().refreshes, 1);
    let provider = gate.sandbox.origin().clone();
    gate.stop().await;
    let spans = collector.spans();
    let refresh = spans.one("refresh");
    assert_eq!(refresh.kind(), SpanKind::Client);
    let about = attributes(&refresh.attributes);
    assert_eq!(about["sidegate.refresh.result"], "renewed");
    assert_eq!(about["server.address"], provider.host());
    let mut sessions = spans
        .all("session")
        .filter(|span| span.span_id == refresh.parent_span_id);
    let session = sessions.next().expect("the session waits");
    assert_eq!(session.trace_id, refresh.trace_id);
    assert_eq!(session.links.len(), 1);
    assert_eq!(session.links[0].span_id, refresh.span_id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_has_spans_for_what_the_provider_is_asked() {
    let collector = Collector::start().await;
    let gate = gate(&collector, "1").await;
    gate.signed_in("ada").await;
    let provider = gate.sandbox.origin().clone();
    gate.control().set_fault(
        sidegate::sandbox::Place::Token,
        sidegate::sandbox::Fault::InvalidGrant,
        Some(1),
    );
    let mut other = gate.browser();
    assert_ne!(other.sign_in("/", "ada").await.status, 303);
    gate.stop().await;
    let spans = collector.spans();
    let person = spans.one("userinfo");
    let (failed, good): (Vec<_>, Vec<_>) = spans.all("exchange").partition(|span| is_error(span));
    let ([failed], [good]) = (&*failed, &*good) else {
        panic!("{spans:#?}");
    };
    let about = attributes(&failed.attributes);
    assert!(about["error.type"].starts_with("SG-"), "{about:?}");
    for (span, path) in [(good, "/v2/token"), (&person, "/v2/userinfo")] {
        assert_eq!(span.kind(), SpanKind::Client);
        assert!(!is_error(span));
        let about = attributes(&span.attributes);
        assert_eq!(about["url.path"], path);
        assert_eq!(about["server.address"], provider.host());
        assert_eq!(about["server.port"], provider.port().to_string());
        let mut callbacks = spans
            .all("GET /oauth2/")
            .filter(|callback| callback.span_id == span.parent_span_id);
        let callback = callbacks.next().expect("the callback waits");
        assert_eq!(callback.trace_id, span.trace_id);
        assert!(callback.start_time_unix_nano <= span.start_time_unix_nano);
        assert_ne!(span.span_id, callback.span_id);
    }
    assert_ne!(good.span_id, person.span_id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_that_fails_is_an_error() {
    let collector = Collector::start().await;
    let gate = gate(&collector, "1").await;
    let mut browser = gate.signed_in("ada").await;
    gate.advance(1_078);
    gate.control().set_fault(
        sidegate::sandbox::Place::Token,
        sidegate::sandbox::Fault::Unavailable,
        None,
    );
    let answer = browser.fetch("/echo/x").await;
    assert_eq!(answer.status, 503);
    let code = answer.code();
    gate.stop().await;
    let spans = collector.spans();
    let refresh = spans.one("refresh");
    assert!(is_error(refresh));
    assert_eq!(attributes(&refresh.attributes)["error.type"], "unavailable");
    let failed = spans.all("GET /").find(|span| is_error(span));
    let about = &failed.expect("the request failed").attributes;
    assert_eq!(attributes(about)["error.type"], code);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_fails_is_an_error_in_both_spans() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = closed.local_addr().expect("bound");
    drop(closed);
    let collector = Collector::start().await;
    let gate = Gate::with(Plan {
        top: collector.lines("1"),
        routes: format!("\n  - {{ path: /, to: \"http://{address}\", access: public }}\n"),
        ..Plan::default()
    })
    .await;
    assert_eq!(gate.browser().fetch("/").await.code(), "SG-4001");
    gate.stop().await;
    let spans = collector.spans();
    let (server, upstream) = (spans.one("GET /"), spans.one("GET"));
    for span in [server, upstream] {
        assert!(is_error(span), "{span:?}");
        assert_eq!(attributes(&span.attributes)["error.type"], "SG-4001");
    }
    let about = attributes(&upstream.attributes);
    assert_eq!(about["server.port"], address.port().to_string());
    assert!(upstream.events.is_empty(), "never connected");
    assert_eq!(spans.0.len(), 2, "nobody looks for a session there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trusted_proxys_trace_goes_on_and_its_word_counts() {
    let collector = Collector::start().await;
    // Of its own, this gateway would follow none.
    let gate = with(&collector, "0", "trusted_proxies: [127.0.0.1]\n").await;
    let ask = async |traceparent: &str| {
        let fields = [("traceparent", traceparent), ("tracestate", "a=1,b=2")];
        let mut browser = gate.browser();
        let answer = browser
            .send(Method::GET, "/open/echo/x", &fields, Bytes::new())
            .await;
        assert_eq!(answer.status, 200);
        answer.text()
    };
    let echo = ask(OUTSIDE).await;
    let unwanted = OUTSIDE.replace("-01", "-00");
    // Not followed: it passes as it came.
    assert!(ask(&unwanted).await.contains(&unwanted));
    gate.stop().await;
    let spans = collector.spans();
    assert_eq!(spans.0.len(), 2, "{spans:?}");
    let (server, upstream) = (spans.one("GET /open/"), spans.one("GET"));
    assert_eq!(hex(&server.trace_id), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(hex(&server.parent_span_id), "00f067aa0ba902b7");
    assert_eq!(server.trace_state, "a=1,b=2");
    let told = format!(
        "00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01",
        hex(&upstream.span_id)
    );
    assert!(echo.contains(&told) && echo.contains("a=1,b=2"), "{echo}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strangers_trace_neither_goes_on_nor_is_followed() {
    let collector = Collector::start().await;
    let gate = gate(&collector, "0").await;
    let fields = [("traceparent", OUTSIDE), ("tracestate", "a=hunter2")];
    for path in ["/open/echo/x", "/", "/oauth2/userinfo"] {
        let mut browser = gate.browser();
        let answer = browser
            .send(Method::GET, path, &fields, Bytes::new())
            .await
            .text();
        assert!(!answer.contains("4bf92f35") && !answer.contains("hunter2"));
    }
    gate.stop().await;
    assert!(collector.requests().is_empty(), "nothing was sampled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_tell_no_secret() {
    let collector = Collector::start().await;
    let gate = gate(&collector, "1").await;
    let mut browser = gate.browser();
    let callback = browser.authorize("/page?token=hunter2", "ada").await;
    let mut secrets: Vec<String> = browser.jar.values().cloned().collect();
    let (_, query) = callback.split_once('?').expect("a query");
    secrets.extend(
        query
            .split('&')
            .filter_map(|pair| Some(pair.split_once('=')?.1.to_owned())),
    );
    assert_eq!(browser.navigate(&callback).await.status, 303);
    secrets.extend(browser.jar.values().cloned());
    let echo = browser
        .fetch("/bearer/echo/x?password=hunter2")
        .await
        .text();
    let (_, token) = echo.split_once("Bearer ").expect("the tool has it");
    secrets.push(token.split('"').next().expect("text").to_owned());
    secrets.push(gate.key.clone());
    secrets.push("hunter2".to_owned());
    gate.stop().await;
    let requests = collector.requests();
    assert!(collector.spans().one("GET /oauth2/").name.ends_with('/'));
    for (_, body) in &requests {
        let text = String::from_utf8_lossy(body);
        for secret in &secrets {
            assert!(
                secret.len() > 6 && !text.contains(secret.as_str()),
                "{secret}"
            );
        }
    }
    for span in &collector.spans().0 {
        let about = attributes(&span.attributes);
        let mut texts = about.values().chain([&span.name]);
        assert!(texts.all(|text| !text.contains('?')), "{span:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_wants_to_be_asked_later_is() {
    let script = [Manner::Refuse(503, "1"), Manner::Refuse(429, "0")];
    let collector = Collector::acting(script).await;
    let gate = gate(&collector, "1").await;
    assert_eq!(gate.browser().fetch("/open/echo/x").await.status, 200);
    collector.arrived(1).await;
    let refused = Instant::now();
    collector.arrived(3).await;
    assert!(refused.elapsed() >= Duration::from_millis(900));
    Scrape::when(&gate, "sidegate_traces_spans_total{result=\"exported\"}", 2).await;
    let bodies: Vec<_> = collector
        .requests()
        .into_iter()
        .map(|(_, body)| body)
        .collect();
    assert!(bodies.iter().all(|body| *body == bodies[0]));
    assert_eq!(collector.spans().0.len(), 2);
    gate.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_collector_will_never_take_is_counted_and_not_sent_again() {
    let script = [Manner::Refuse(400, "1"), Manner::Partly(1)];
    let collector = Collector::acting(script).await;
    let gate = gate(&collector, "1").await;
    for (number, refused) in [(1, 2), (2, 3)] {
        assert_eq!(gate.browser().fetch("/open/echo/x").await.status, 200);
        collector.arrived(number).await;
        Scrape::when(
            &gate,
            "sidegate_traces_spans_total{result=\"refused\"}",
            refused,
        )
        .await;
    }
    let scrape = Scrape::of(&gate).await;
    assert_eq!(
        scrape.value("sidegate_traces_spans_total{result=\"exported\"}"),
        1
    );
    gate.stop().await;
    assert_eq!(collector.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_stands_still_costs_spans_and_no_request() {
    let collector = Collector::acting([Manner::Hang; 100]).await;
    let gate = gate(&collector, "1").await;
    // Two spans each: more than wait and are under way.
    for number in 0..1_400 {
        let answer = gate.browser().fetch("/open/echo/x").await;
        assert_eq!(answer.status, 200, "{number}");
    }
    let scrape = Scrape::of(&gate).await;
    let dropped = scrape.value("sidegate_traces_spans_total{result=\"queue_full\"}");
    assert!(dropped > 0, "{dropped}");
    let stopped = Instant::now();
    gate.stop().await;
    // The end waits three seconds for the last spans and no longer.
    assert!(stopped.elapsed() < Duration::from_secs(8));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_not_there_harms_nobody() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = closed.local_addr().expect("bound");
    drop(closed);
    let gate = Gate::with(Plan {
        top: format!("telemetry: {{ otlp: {{ endpoint: \"http://{address}\", sample: 1 }} }}\n"),
        ..Plan::default()
    })
    .await;
    let mut browser = gate.signed_in("ada").await;
    assert_eq!(browser.fetch("/echo/x").await.status, 200);
    // They are tried for half a minute before they count as failed: see the exporter's own test.
    let scrape = Scrape::of(&gate).await;
    assert_eq!(
        scrape.value("sidegate_traces_spans_total{result=\"exported\"}"),
        0
    );
    let stopped = Instant::now();
    gate.stop().await;
    assert!(stopped.elapsed() < Duration::from_secs(8));
}
