//! The spans of a sign-in's calls to the provider, for whoever follows the trace of its callback. They tell who
//! was asked for what and what came of it: no code, no verifier, no token.

use tokio::time::Instant;

use crate::gateway::Gateway;
use crate::http::Origin;
use crate::oauth::endpoint::TokenError;
use crate::telemetry::traces::Span;
use crate::telemetry::traces::TraceContext;
use crate::telemetry::traces::Tracer;
use crate::telemetry::traces::span::Kind;
use crate::telemetry::traces::span::Moment;

/// Where spans go, and the one that they are below.
pub(super) struct Spans {
    tracer: Tracer,
    cause: TraceContext,
    /// Who is asked, unless that is another tenant's provider.
    provider: Option<Origin>,
}

/// What the provider is asked.
#[derive(Clone, Copy)]
pub(super) enum Asked {
    /// Tokens for a code.
    Exchange,
    /// Who they are for.
    Person,
}

impl Spans {
    /// For `cause`, if its trace is followed.
    pub(super) fn below(
        cause: Option<TraceContext>,
        tracer: Option<&Tracer>,
        provider: Option<&Origin>,
    ) -> Option<Self> {
        let (cause, tracer) = cause.zip(tracer.cloned())?;
        let provider = provider.cloned();
        Some(Self {
            tracer,
            cause,
            provider,
        })
    }

    fn note<T>(&self, asked: Asked, gateway: &Gateway, begun: Instant, answer: &Answer<T>) {
        let exchange = self.cause.with_span(self.cause.child());
        let (name, method, path, own) = match asked {
            Asked::Exchange => ("exchange", "POST", "/v2/token", exchange),
            Asked::Person => (
                "userinfo",
                "GET",
                "/v2/userinfo",
                exchange.with_span(exchange.child()),
            ),
        };
        let now = gateway.clock.now();
        let times = (
            Moment::before(now, begun.elapsed()),
            Moment::before(now, std::time::Duration::ZERO),
        );
        let mut span = Span::new(name, Kind::Client, own, Some(self.cause.span), times)
            .text("http.request.method", method)
            .text("url.path", path);
        if let Some(provider) = &self.provider {
            span = span
                .text("server.address", provider.host())
                .number("server.port", provider.port().into());
        }
        self.tracer.record(match answer {
            Ok(_) => span,
            Err(error) => span.failed(error.fault().code()),
        });
    }
}

/// Waits for an answer of the provider's, with a span for it where there are any.
pub(super) async fn noted<T>(
    spans: Option<&Spans>,
    gateway: &Gateway,
    asked: Asked,
    call: impl Future<Output = Answer<T>>,
) -> Answer<T> {
    let begun = Instant::now();
    let answer = call.await;
    if let Some(spans) = spans {
        spans.note(asked, gateway, begun, &answer);
    }
    answer
}

type Answer<T> = Result<T, TokenError>;
