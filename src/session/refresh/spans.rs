//! The span of a refresh, for whoever follows the trace of the request that began it.

use std::sync::Arc;

use tokio::time::Instant;

use super::Aim;
use super::Refresher;
use super::Waiting;
use crate::http::Origin;
use crate::session::Session;
use crate::telemetry::metrics::labels;
use crate::telemetry::traces::Span;
use crate::telemetry::traces::TraceContext;
use crate::telemetry::traces::Tracer;
use crate::telemetry::traces::span::Kind;
use crate::telemetry::traces::span::Moment;

/// Where spans go, and whom refreshes ask.
pub(super) struct Spans {
    tracer: Tracer,
    provider: Origin,
}

/// The span of one refresh, and the one that it is part of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) own: TraceContext,
    cause: TraceContext,
}

impl Refresher {
    /// The same, where traces are followed. `provider` is who is asked.
    #[must_use]
    pub fn traced_by(self, tracer: Option<Tracer>, provider: Origin) -> Self {
        let spans = tracer.map(|tracer| Spans { tracer, provider });
        Self { spans, ..self }
    }

    /// Joins the refresh of this session or starts one, on behalf of a span, whose trace is followed.
    pub fn join_for(
        self: &Arc<Self>,
        session: &Arc<Session>,
        cause: Option<TraceContext>,
    ) -> Option<Waiting> {
        self.board(session, None, cause)
    }

    /// Where a refresh stands that is begun for `cause`.
    pub(super) fn place(&self, cause: Option<TraceContext>) -> Option<Place> {
        let cause = cause.filter(|_| self.spans.is_some())?;
        let own = cause.with_span(cause.child());
        Some(Place { own, cause })
    }

    /// The refresh that was begun then has ended.
    pub(super) fn note_span(&self, aim: &Aim, begun: Instant, result: labels::Refresh) {
        let (Some(spans), Some(place)) = (&self.spans, aim.place) else {
            return;
        };
        let now = self.clock.now();
        let times = (
            Moment::before(now, begun.elapsed()),
            Moment::before(now, std::time::Duration::ZERO),
        );
        let parent = Some(place.cause.span);
        let span = Span::new("refresh", Kind::Client, place.own, parent, times)
            .text("http.request.method", "POST")
            .text("server.address", spans.provider.host())
            .number("server.port", spans.provider.port().into())
            .text("url.path", "/v2/token")
            .text("sidegate.refresh.result", result.as_str());
        spans.tracer.record(match result {
            labels::Refresh::Renewed | labels::Refresh::Kept => span,
            labels::Refresh::Ended | labels::Refresh::Unavailable | labels::Refresh::TooLarge => {
                span.failed(result.as_str())
            }
        });
    }
}

impl Waiting {
    /// The refresh's span, if somebody follows the trace of the request that began it.
    pub fn span(&self) -> Option<TraceContext> {
        self.aim.place.map(|place| place.own)
    }
}
