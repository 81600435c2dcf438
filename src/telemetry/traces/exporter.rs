//! Sends spans to a collector by OTLP over HTTP, in batches, from a task of its own. No request waits for it,
//! and what it cannot send is counted.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::HeaderValue;
use http::header;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use opentelemetry_proto::tonic::trace::v1::ScopeSpans;
use prost::Message as _;
use reqwest::redirect;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::context::hex;
use super::retry::Verdict;
use super::retry::pause;
use super::settings::TraceSettings;
use super::span::Span;
use super::span::attribute;
use super::tracer::Counts;
use super::tracer::Tracer;
use crate::crypto::Entropy;
use crate::crypto::tls;
use crate::telemetry::metrics::labels::Export;
use crate::time::Clock;

/// A running exporter.
#[derive(Debug)]
pub struct Exporter {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Exporter {
    /// Starts one on `control`, and answers what hands it spans.
    pub fn start(
        settings: TraceSettings,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        control: &Handle,
    ) -> Result<(Tracer, Self), ExporterError> {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(Arc::unwrap_or_clone(tls::client_config()))
            .https_only(!settings.collector.is_plain())
            // Its fields hold secrets, which are meant for this collector alone.
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .http1_only()
            .connect_timeout(CONNECT_DEADLINE)
            .pool_max_idle_per_host(1)
            .user_agent(concat!("sidegate/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let counts = Counts::new();
        let (tracer, spans) = Tracer::new(settings.sample, counts.clone());
        let stop = CancellationToken::new();
        let work = Work {
            http,
            url: settings.collector.as_str().to_owned(),
            fields: settings.fields,
            resource: resource(settings.service, &*entropy),
            spans,
            stop: stop.clone(),
            counts,
            clock,
            entropy,
            failing: false,
        };
        let task = control.spawn(work.run());
        Ok((tracer, Self { stop, task }))
    }

    /// Sends what is waiting, for a while, and ends.
    pub async fn finish(mut self) {
        self.stop.cancel();
        if tokio::time::timeout(LAST_SPANS, &mut self.task)
            .await
            .is_err()
        {
            self.task.abort();
            tracing::warn!(
                event = "traces.lost",
                "Spans were still waiting for their collector at the end."
            );
        }
    }
}

/// Why there is no exporter.
#[derive(Debug, thiserror::Error)]
pub enum ExporterError {
    /// TLS could not be set up.
    #[error("the client for the collector of traces cannot be made: {0}")]
    Client(#[from] reqwest::Error),
}

struct Work {
    http: reqwest::Client,
    url: String,
    fields: HeaderMap,
    resource: Resource,
    spans: mpsc::Receiver<Span>,
    stop: CancellationToken,
    counts: Counts,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// Whether the last batch was lost.
    failing: bool,
}

impl Work {
    async fn run(mut self) {
        loop {
            let batch = self.gather().await;
            if batch.is_empty() {
                break;
            }
            self.deliver(batch).await;
        }
    }

    /// The next batch: full, or what came within a second, or what is left at the end. Empty when that is
    /// nothing.
    async fn gather(&mut self) -> Vec<Span> {
        let mut batch = Vec::new();
        let mut due = None;
        while batch.len() < BATCH {
            let room = BATCH - batch.len();
            let waited = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                count = self.spans.recv_many(&mut batch, room) => {
                    if count == 0 {
                        break;
                    }
                    due.get_or_insert_with(|| tokio::time::Instant::now() + LINGER);
                }
                () = waited => break,
                () = self.stop.cancelled() => {
                    while batch.len() < BATCH && let Ok(span) = self.spans.try_recv() {
                        batch.push(span);
                    }
                    break;
                }
            }
        }
        batch
    }

    async fn deliver(&mut self, batch: Vec<Span>) {
        let count = batch.len();
        let body = Bytes::from(self.message(batch).encode_to_vec());
        let mut attempt = 0;
        loop {
            let (verdict, refused) = self.send(body.clone()).await;
            let told = match verdict {
                Verdict::Taken => {
                    let refused = refused.min(count);
                    self.counts.add(Export::Exported, count - refused);
                    self.counts.add(Export::Refused, refused);
                    if std::mem::take(&mut self.failing) {
                        tracing::info!(event = "traces.exported", "Spans are taken again.");
                    }
                    return;
                }
                Verdict::Refused => return self.lost(Export::Refused, count),
                Verdict::Later(told) => told,
            };
            let [dice, ..] = self.entropy.bytes::<8>();
            let Some(pause) = pause(attempt, told, dice).filter(|_| !self.stop.is_cancelled())
            else {
                return self.lost(Export::Failed, count);
            };
            attempt += 1;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // The end does not wait, and a collector that wants to be left alone is.
                () = self.stop.cancelled() => return self.lost(Export::Failed, count),
            }
        }
    }

    /// One attempt: what came of it, and how many spans the collector left out.
    async fn send(&self, body: Bytes) -> (Verdict, usize) {
        let request = self
            .http
            .post(&self.url)
            .headers(self.fields.clone())
            .header(header::CONTENT_TYPE, PROTOBUF)
            .timeout(DEADLINE)
            .body(body);
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                let error = error.without_url();
                tracing::debug!(event = "traces.unreachable", %error, "The collector of traces does not answer.");
                return (Verdict::Later(None), 0);
            }
        };
        let (status, headers) = (response.status(), response.headers());
        let verdict = Verdict::of(status, headers, self.clock.now());
        if verdict != Verdict::Taken {
            tracing::debug!(event = "traces.refused", %status, "The collector of traces does not take spans.");
            return (verdict, 0);
        }
        let answer = read(response).await;
        let partial = answer.and_then(|answer| answer.partial_success);
        let refused = partial.map_or(0, |partial| partial.rejected_spans);
        (verdict, usize::try_from(refused).unwrap_or(0))
    }

    fn lost(&mut self, why: Export, spans: usize) {
        self.counts.add(why, spans);
        // Once, until it works again: the counters say how much.
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!(
                event = "traces.lost",
                reason = why.as_str(),
                spans,
                "Spans were not taken by their collector."
            );
        }
    }

    fn message(&self, batch: Vec<Span>) -> ExportTraceServiceRequest {
        ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(self.resource.clone()),
                scope_spans: vec![ScopeSpans {
                    scope: Some(InstrumentationScope {
                        name: "sidegate".to_owned(),
                        version: env!("CARGO_PKG_VERSION").to_owned(),
                        ..InstrumentationScope::default()
                    }),
                    spans: batch.into_iter().map(Span::into_message).collect(),
                    ..ScopeSpans::default()
                }],
                ..ResourceSpans::default()
            }],
        }
    }
}

/// Who it is that sends spans.
fn resource(service: String, entropy: &dyn Entropy) -> Resource {
    let instance = hex(u64::from_le_bytes(entropy.bytes()));
    let instance = String::from_utf8_lossy(&instance).into_owned();
    Resource {
        attributes: vec![
            attribute("service.name", Value::StringValue(service)),
            attribute(
                "service.version",
                Value::StringValue(env!("CARGO_PKG_VERSION").to_owned()),
            ),
            attribute("service.instance.id", Value::StringValue(instance)),
        ],
        ..Resource::default()
    }
}

/// The collector's answer, if it is a short one.
async fn read(mut response: reqwest::Response) -> Option<ExportTraceServiceResponse> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    ExportTraceServiceResponse::decode(body.as_slice()).ok()
}

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");

/// Spans that are sent at once.
const BATCH: usize = 512;

/// How long a span waits for others to go with.
const LINGER: Duration = Duration::from_secs(1);

/// How long a collector may take for a batch.
const DEADLINE: Duration = Duration::from_secs(10);

const CONNECT_DEADLINE: Duration = Duration::from_secs(3);

/// How long the end of the process waits for the last spans.
const LAST_SPANS: Duration = Duration::from_secs(3);

/// More than any answer of use has.
const MAX_ANSWER: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use prometheus_client::registry::Registry;

    use super::*;
    use crate::crypto::OsEntropy;
    use crate::telemetry::sampling::Fraction;
    use crate::telemetry::traces::context::TraceContext;
    use crate::telemetry::traces::endpoint::Collector;
    use crate::telemetry::traces::span::Kind;
    use crate::telemetry::traces::span::Moment;
    use crate::time::SystemClock;

    /// Where nobody listens.
    fn deserted() -> (Tracer, Exporter, Registry) {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = closed.local_addr().expect("bound");
        drop(closed);
        let settings = TraceSettings {
            collector: Collector::at(&format!("http://{address}/")).expect("a URL"),
            fields: HeaderMap::new(),
            sample: Fraction::ALL,
            service: "sidegate".to_owned(),
        };
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(OsEntropy));
        let control = Handle::current();
        let (tracer, exporter) =
            Exporter::start(settings, clock, entropy, &control).expect("it starts");
        let mut registry = Registry::default();
        tracer.register(&mut registry);
        (tracer, exporter, registry)
    }

    fn span() -> Span {
        let context = TraceContext::parse(OUTSIDE).expect("one");
        let now = (Moment::default(), Moment::default());
        Span::new("GET /", Kind::Server, context, NonZeroU64::new(1), now)
    }

    fn of(registry: &Registry, result: &str) -> u64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, registry).expect("text");
        let series = format!("traces_spans_total{{result=\"{result}\"}} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&*series));
        value.expect("told").parse().expect("a number")
    }

    #[tokio::test(start_paused = true)]
    async fn spans_for_a_collector_that_is_not_there_have_failed_in_the_end() {
        let (tracer, exporter, registry) = deserted();
        (0..3).for_each(|_| tracer.record(span()));
        let begun = tokio::time::Instant::now();
        while of(&registry, "failed") == 0 {
            assert!(begun.elapsed() < Duration::from_mins(2), "never");
            tokio::time::advance(Duration::from_millis(10)).await;
        }
        assert!(begun.elapsed() > Duration::from_secs(15), "tried again");
        assert_eq!(of(&registry, "failed"), 3);
        exporter.finish().await;
        assert_eq!(of(&registry, "exported"), 0);
    }

    #[tokio::test]
    async fn spans_that_wait_for_it_at_the_end_have_failed_at_once() {
        let (tracer, exporter, registry) = deserted();
        (0..3).for_each(|_| tracer.record(span()));
        drop(tracer);
        exporter.finish().await;
        assert_eq!(of(&registry, "failed"), 3);
    }

    const OUTSIDE: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
}
