//! A collector of traces: a real OTLP receiver, as small as can be. It answers as told and keeps what it gets.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::future::pending;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::Request;
use http::Response;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::sync::watch;

use super::server::Server;
use super::server::Speech;
use super::server::whole;
use super::traced;
use super::traced::Lines;

/// How a collector answers.
#[derive(Clone, Copy, Debug)]
pub enum Manner {
    /// With this status and this `Retry-After`.
    Refuse(u16, &'static str),
    /// It takes all but so many spans.
    Partly(i64),
    /// Not at all.
    Hang,
}

/// A running collector.
pub struct Collector {
    server: Server,
    state: Arc<State>,
}

struct State {
    script: Mutex<VecDeque<Manner>>,
    /// What came, also what was refused.
    requests: Mutex<Vec<(HeaderMap, Bytes)>>,
    taken: Mutex<Vec<Span>>,
    arrived: watch::Sender<usize>,
}

impl Collector {
    /// One that takes everything.
    pub async fn start() -> Self {
        Self::acting([]).await
    }

    /// One that answers its first requests so, and takes the others.
    pub async fn acting(script: impl IntoIterator<Item = Manner>) -> Self {
        let state = Arc::new(State {
            script: Mutex::new(script.into_iter().collect()),
            requests: Mutex::default(),
            taken: Mutex::default(),
            arrived: watch::Sender::new(0),
        });
        let keeper = Arc::clone(&state);
        let server = Server::start(Speech::default(), move |request| {
            let state = Arc::clone(&keeper);
            async move { state.answer(request).await }
        })
        .await;
        Self { server, state }
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// Lines of a configuration that sends `sample` of all traces here.
    pub fn lines(&self, sample: &str) -> String {
        format!(
            "telemetry: {{ otlp: {{ endpoint: \"{}\", sample: {sample}, headers: \"x-team=hunter2%2B\" }} }}\n",
            self.url()
        )
    }

    /// The spans that were taken.
    pub fn spans(&self) -> Spans {
        Spans(self.state.taken.lock().expect("whole").clone())
    }

    /// Fields and bodies of the requests so far.
    pub fn requests(&self) -> Vec<(HeaderMap, Bytes)> {
        self.state.requests.lock().expect("whole").clone()
    }

    /// Returns when `count` requests have arrived since the start.
    pub async fn arrived(&self, count: usize) {
        let mut arrived = self.state.arrived.subscribe();
        let enough = arrived.wait_for(|&seen| seen >= count);
        let enough = tokio::time::timeout(Duration::from_secs(30), enough).await;
        enough.expect("in time").expect("runs");
    }
}

impl State {
    async fn answer(&self, request: Request<Incoming>) -> Response<super::server::Body> {
        assert_eq!(
            (request.method().as_str(), request.uri().path()),
            ("POST", "/v1/traces")
        );
        let (head, body) = request.into_parts();
        assert_eq!(head.headers["content-type"], "application/x-protobuf");
        #[expect(clippy::disallowed_methods, reason = "batches are small")]
        let body = body.collect().await.expect("a whole body").to_bytes();
        if traced::directory().is_some() {
            let written = Lines::to("spans.log").write_all(&body);
            written.expect("the disk takes it");
        }
        let message = ExportTraceServiceRequest::decode(body.clone()).expect("OTLP");
        self.requests
            .lock()
            .expect("whole")
            .push((head.headers, body));
        let manner = self.script.lock().expect("whole").pop_front();
        self.arrived.send_modify(|seen| *seen += 1);
        let mut answer = Response::new(whole(Bytes::new()));
        let mut said = ExportTraceServiceResponse::default();
        match manner {
            Some(Manner::Hang) => pending().await,
            Some(Manner::Refuse(status, retry_after)) => {
                *answer.status_mut() = status.try_into().expect("a status");
                if !retry_after.is_empty() {
                    let value = retry_after.parse().expect("a value");
                    answer.headers_mut().insert("retry-after", value);
                }
                return answer;
            }
            Some(Manner::Partly(rejected_spans)) => {
                said.partial_success = Some(ExportTracePartialSuccess {
                    rejected_spans,
                    error_message: "too old".to_owned(),
                });
            }
            None => {}
        }
        let spans = message
            .resource_spans
            .into_iter()
            .flat_map(|resource| resource.scope_spans)
            .flat_map(|scope| scope.spans);
        self.taken.lock().expect("whole").extend(spans);
        answer.map(|_| whole(said.encode_to_vec()))
    }
}

/// Spans that were taken.
#[derive(Debug)]
pub struct Spans(pub Vec<Span>);

impl Spans {
    /// The only one of this name.
    pub fn one(&self, name: &str) -> &Span {
        let mut named = self.0.iter().filter(|span| span.name == name);
        let first = named.next();
        let first = first.unwrap_or_else(|| panic!("no {name} in {self:#?}"));
        assert!(named.next().is_none(), "several {name} in {self:#?}");
        first
    }

    /// All of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Span> {
        self.0.iter().filter(move |span| span.name == name)
    }
}

/// A span's attributes as text.
pub fn attributes(list: &[KeyValue]) -> BTreeMap<&str, String> {
    list.iter()
        .map(|pair| {
            let value = pair.value.as_ref().and_then(|any| any.value.as_ref());
            let text = match value {
                Some(Value::StringValue(text)) => text.clone(),
                Some(Value::IntValue(number)) => number.to_string(),
                Some(Value::BoolValue(so)) => so.to_string(),
                other => panic!("{other:?}"),
            };
            (pair.key.as_str(), text)
        })
        .collect()
}

/// An id as it is written in text.
pub fn hex(id: &[u8]) -> String {
    id.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("memory takes all");
        text
    })
}
