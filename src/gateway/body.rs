//! The body of every answer: one of our own or an upstream's, with the end of the request attached.

use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;
use std::task::ready;

use bytes::Bytes;
use http_body::Body;
use http_body::Frame;
use http_body::SizeHint;
use http_body_util::Full;

use super::record::Record;
use super::streams::Stream;
use super::streams::Streams;
use crate::net::InHand;
use crate::telemetry::metrics::Open;
use crate::telemetry::metrics::labels::Held;
use crate::upstream::ResponseBody;

/// What is sent to a client.
#[derive(Debug)]
pub struct AnswerBody {
    source: Source,
    /// Dropped with the body: then the request is over, however it ended.
    end: Option<(Box<Record>, InHand)>,
    /// An answer that may take long ends with its session.
    stream: Option<(Rc<Stream>, Open)>,
}

#[derive(Debug)]
enum Source {
    Own(Full<Bytes>),
    Upstream(ResponseBody),
    /// An upstream's, of which the beginning was read already.
    Begun(Option<Bytes>, ResponseBody),
}

impl AnswerBody {
    /// Ties the end of the request to the end of this body.
    #[must_use]
    pub(super) fn ending(
        mut self,
        mut record: Box<Record>,
        in_hand: InHand,
        streams: &Streams,
    ) -> Self {
        if self.is_end_stream() {
            record.complete();
        } else if let (Source::Upstream(_) | Source::Begun(..), Some(live)) =
            (&self.source, record.live())
            && self.size_hint().exact().is_none_or(|bytes| bytes > SHORT)
        {
            let open = record.meter().open(Held::Answer);
            self.stream = Some((streams.enter(&live.session, record.rule()), open));
        }
        self.end = Some((record, in_hand));
        self
    }
}

impl From<Full<Bytes>> for AnswerBody {
    fn from(body: Full<Bytes>) -> Self {
        Self {
            source: Source::Own(body),
            end: None,
            stream: None,
        }
    }
}

impl From<ResponseBody> for AnswerBody {
    fn from(body: ResponseBody) -> Self {
        Self {
            source: Source::Upstream(body),
            end: None,
            stream: None,
        }
    }
}

impl AnswerBody {
    /// An upstream's body of which `beginning` was read already.
    pub(super) fn begun(beginning: Bytes, rest: ResponseBody) -> Self {
        let beginning = Some(beginning).filter(|beginning| !beginning.is_empty());
        Self {
            source: Source::Begun(beginning, rest),
            end: None,
            stream: None,
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = self.get_mut();
        if let Some((_, in_hand)) = &this.end {
            in_hand.is_asked();
        }
        if let Some((stream, _)) = &this.stream
            && stream.poll_ended(cx).is_ready()
        {
            if let Some((record, _)) = &mut this.end {
                record.cut();
            }
            return Poll::Ready(Some(Err(Broken::SessionEnded)));
        }
        let frame = match &mut this.source {
            Source::Own(body) => ready!(Pin::new(body).poll_frame(cx))
                .map(|frame| frame.map_err(|never| match never {})),
            Source::Upstream(body) => {
                ready!(Pin::new(body).poll_frame(cx)).map(|frame| frame.map_err(Broken::Upstream))
            }
            Source::Begun(beginning, body) => match beginning.take() {
                Some(beginning) => Some(Ok(Frame::data(beginning))),
                None => ready!(Pin::new(body).poll_frame(cx))
                    .map(|frame| frame.map_err(Broken::Upstream)),
            },
        };
        let over = this.is_end_stream();
        if let Some((record, in_hand)) = &mut this.end {
            in_hand.gave();
            match &frame {
                // Nothing follows trailers, and nobody asks.
                Some(Ok(frame)) if frame.is_trailers() => record.complete(),
                Some(Ok(frame)) => record.sent(frame.data_ref().map_or(0, Bytes::len)),
                Some(Err(_)) => record.broke_off(),
                None => record.complete(),
            }
            // hyper asks no further once it knows that nothing comes.
            if over {
                record.complete();
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Own(body) => body.is_end_stream(),
            Source::Upstream(body) => body.is_end_stream(),
            Source::Begun(beginning, body) => beginning.is_none() && body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Own(body) => body.size_hint(),
            Source::Upstream(body) | Source::Begun(None, body) => body.size_hint(),
            // The head's Content-Length says the rest.
            Source::Begun(Some(_), _) => SizeHint::default(),
        }
    }
}

/// Why an answer has no end. The client sees a connection or stream that breaks off, and takes nothing
/// for whole that is not.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The upstream broke off.
    #[error(transparent)]
    Upstream(hyper::Error),
    /// The session ended while the answer was under way.
    #[error("the session ended")]
    SessionEnded,
}

/// An answer of so many bytes at most is not worth following.
const SHORT: u64 = 64 * 1024;
