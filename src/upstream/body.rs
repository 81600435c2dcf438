//! The two bodies of an exchange: the client's on its way up, the upstream's on its way down.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;
use std::task::ready;

use bytes::Bytes;
use http::HeaderMap;
use http::header;
use http_body::Body;
use http_body::Frame;
use http_body::SizeHint;
use hyper::body::Incoming;

use super::envelope::Envelope;
use super::lease::Lease;
use crate::fault::Fault;
use crate::http::headers;
use crate::http::headers::RequestRules;
use crate::http::soap::EnvelopeError;
use crate::net;
use crate::net::ClientBody;
use crate::net::guard::Stall;

/// What is sent to an upstream.
#[derive(Debug, Default)]
pub enum RequestBody {
    /// Nothing.
    #[default]
    Empty,
    /// The client's body as it arrives, with what became of it.
    Streaming(Rc<Transit>),
    /// A small body that was sent before, and is sent again.
    Kept(VecDeque<Bytes>),
}

impl RequestBody {
    /// Takes the client's body; an empty one needs no bookkeeping.
    pub fn streaming(body: ClientBody, carry: Carry) -> Self {
        if body.is_end_stream() {
            Self::Empty
        } else {
            Self::Streaming(Rc::new(Transit::new(Source::Client(body), carry)))
        }
    }

    /// Takes a client's envelope.
    pub fn enveloped(envelope: Envelope) -> Self {
        let source = Source::Envelope(envelope);
        Self::Streaming(Rc::new(Transit::new(source, Carry::default())))
    }

    /// Where the body's way can be followed.
    pub fn transit(&self) -> Option<Rc<Transit>> {
        match self {
            Self::Streaming(transit) => Some(Rc::clone(transit)),
            Self::Empty | Self::Kept(_) => None,
        }
    }
}

/// What is done for a body beside passing it on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Carry {
    /// A small one is kept, to be sent a second time.
    pub keep: bool,
    /// Its trailers pass too.
    pub trailers: bool,
}

/// A client's body on its way up.
#[derive(Debug)]
pub struct Transit {
    /// Gone once it was handed on to be sent again.
    body: RefCell<Option<Source>>,
    frames: Cell<u64>,
    state: Cell<TransitState>,
    /// What the client did wrong.
    fault: Cell<Option<Fault>>,
    /// What passed, as long as it is little.
    kept: RefCell<Option<VecDeque<Bytes>>>,
    kept_bytes: Cell<usize>,
    trailers: bool,
    /// Counts how long the client is silent.
    stall: Option<Rc<Stall>>,
    /// Who sends it, to be told when nobody wants it any more.
    sender: RefCell<Option<Waker>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TransitState {
    Moving,
    Ended,
    Broken,
    Abandoned,
}

impl Transit {
    fn new(body: Source, Carry { keep, trailers }: Carry) -> Self {
        Self {
            stall: body.stall(),
            body: RefCell::new(Some(body)),
            frames: Cell::new(0),
            state: Cell::new(TransitState::Moving),
            fault: Cell::new(None),
            kept: RefCell::new(keep.then(VecDeque::new)),
            kept_bytes: Cell::new(0),
            trailers,
            sender: RefCell::default(),
        }
    }

    /// Frames passed so far; a number that changes while the body moves.
    pub fn frames(&self) -> u64 {
        self.frames.get()
    }

    /// Why the body went no further, where that is the client's doing.
    pub fn fault(&self) -> Option<Fault> {
        self.fault.get()
    }

    /// The body once more: untouched if nothing of it was read, from memory if all of it was and it
    /// is small.
    pub fn again(&self) -> Option<RequestBody> {
        match self.state.get() {
            TransitState::Moving if self.frames.get() == 0 => {
                let body = self.body.borrow_mut().take()?;
                self.answered(false);
                let carry = Carry {
                    keep: false,
                    trailers: self.trailers,
                };
                Some(RequestBody::Streaming(Rc::new(Self::new(body, carry))))
            }
            TransitState::Ended => self.kept.borrow().clone().map(RequestBody::Kept),
            TransitState::Moving | TransitState::Broken | TransitState::Abandoned => None,
        }
    }

    /// The answer has begun, or another one is waited for.
    fn answered(&self, answered: bool) {
        if let Some(stall) = &self.stall {
            stall.answered(answered);
        }
    }

    /// A part of the answer passed.
    fn answer_moved(&self) {
        if let Some(stall) = &self.stall {
            stall.moved();
        }
    }

    /// Nobody wants the rest: whoever sends it on a shared connection gives up, and the stream ends.
    pub(super) fn abandon(&self) {
        if self.state.get() == TransitState::Moving && self.body.borrow().is_some() {
            self.state.set(TransitState::Abandoned);
            if let Some(sender) = self.sender.take() {
                sender.wake();
            }
        }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if self.state.get() == TransitState::Abandoned {
                return Poll::Ready(Some(Err(BodyError::Unwanted)));
            }
            let mut body = self.body.borrow_mut();
            // The connection that asks is done with: its answer came without this body.
            let Some(body) = body.as_mut() else {
                return Poll::Pending;
            };
            let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else {
                let mut sender = self.sender.borrow_mut();
                if !sender
                    .as_ref()
                    .is_some_and(|sender| sender.will_wake(cx.waker()))
                {
                    *sender = Some(cx.waker().clone());
                }
                return Poll::Pending;
            };
            self.frames.set(self.frames.get() + 1);
            match &frame {
                // A client's trailers could carry identity that no rule has looked at (RFC 9110 §6.5.1).
                Some(Ok(frame)) if frame.is_trailers() && !self.trailers => continue,
                Some(Ok(frame)) => {
                    frame
                        .data_ref()
                        .into_iter()
                        .for_each(|data| self.keep(data));
                    if body.is_end_stream() {
                        self.state.set(TransitState::Ended);
                    }
                }
                Some(Err(error)) => {
                    self.state.set(TransitState::Broken);
                    self.fault.set(error.fault());
                }
                None => self.state.set(TransitState::Ended),
            }
            return Poll::Ready(frame.map(|frame| match frame {
                Ok(frame) => Ok(sifted(frame, |trailers| {
                    // What is nearly framing makes all of them suspect.
                    headers::forwardable(trailers, &RULES).unwrap_or_default()
                })),
                Err(error) => Err(error),
            }));
        }
    }

    fn keep(&self, data: &Bytes) {
        let mut kept = self.kept.borrow_mut();
        self.kept_bytes
            .set(self.kept_bytes.get().saturating_add(data.len()));
        if self.kept_bytes.get() > MAX_KEPT {
            *kept = None;
        } else if let Some(kept) = kept.as_mut() {
            kept.push_back(data.clone());
        }
    }
}

/// A frame with its trailers, if it holds any, as `sift` leaves them.
fn sifted(frame: Frame<Bytes>, sift: impl FnOnce(&HeaderMap) -> HeaderMap) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(trailers) => Frame::trailers(sift(&trailers)),
        Err(frame) => frame,
    }
}

/// What a client's trailers may hold: nothing that identifies, frames or routes.
const RULES: RequestRules<'_> = RequestRules {
    cookies: None,
    authorization: false,
    browser: false,
    safe: true,
};

/// Where a body comes from.
#[derive(Debug)]
enum Source {
    /// From the client, as it is.
    Client(ClientBody),
    /// From the client, with something in it.
    Envelope(Envelope),
}

impl Source {
    /// What counts how long the client is silent.
    fn stall(&self) -> Option<Rc<Stall>> {
        match self {
            Self::Client(body) => body.stall(),
            Self::Envelope(envelope) => envelope.stall(),
        }
    }
}

impl Body for Source {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Client(body) => Pin::new(body)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(BodyError::Client))),
            Self::Envelope(envelope) => Pin::new(envelope).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Client(body) => body.is_end_stream(),
            Self::Envelope(envelope) => envelope.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Client(body) => body.size_hint(),
            Self::Envelope(envelope) => envelope.size_hint(),
        }
    }
}

/// Why a body that is sent has no end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The client broke off.
    #[error(transparent)]
    Client(net::body::BodyError),
    /// The client's envelope cannot be forwarded.
    #[error("the envelope holds {0}")]
    Envelope(#[from] EnvelopeError),
    /// The answer came without all of it.
    #[error("the rest of the body is not wanted")]
    Unwanted,
}

impl BodyError {
    /// What the client did wrong, if it did.
    pub fn fault(&self) -> Option<Fault> {
        match self {
            Self::Client(error) => Some(error.fault()),
            Self::Envelope(error) => Some(Fault::Envelope(error.fault())),
            Self::Unwanted => None,
        }
    }
}

/// A body up to this size can be sent a second time.
const MAX_KEPT: usize = 64 * 1024;

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Streaming(transit) => transit.poll(cx),
            Self::Kept(frames) => Poll::Ready(frames.pop_front().map(|data| Ok(Frame::data(data)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Streaming(transit) => transit
                .body
                .borrow()
                .as_ref()
                .is_some_and(Body::is_end_stream),
            Self::Kept(frames) => frames.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Streaming(transit) => transit
                .body
                .borrow()
                .as_ref()
                .map_or_else(SizeHint::default, Body::size_hint),
            Self::Kept(frames) => {
                let bytes = frames.iter().map(Bytes::len).sum::<usize>();
                u64::try_from(bytes).map_or_else(|_| SizeHint::default(), SizeHint::with_exact)
            }
        }
    }
}

/// An upstream's answer. Gives its connection back to the pool when it has been read to the end;
/// dropped earlier, the connection is closed.
#[derive(Debug)]
pub struct ResponseBody {
    body: Incoming,
    trailers: bool,
    lease: Option<(Lease, Sent)>,
}

/// What an upstream's trailers may hold.
fn answered(trailers: &HeaderMap) -> HeaderMap {
    let mut trailers = trailers.clone();
    headers::clean_answer(&mut trailers);
    trailers.remove(header::SET_COOKIE);
    trailers
}

/// How to know whether the request was sent to its end.
#[derive(Debug)]
pub(super) enum Sent {
    /// It had no body.
    Wholly,
    /// By its body's way.
    AsFarAs(Rc<Transit>),
    /// Not at all.
    Unknown,
}

impl Sent {
    pub(super) fn of(body: &RequestBody) -> Self {
        match body {
            RequestBody::Empty => Self::Wholly,
            RequestBody::Streaming(transit) => Self::AsFarAs(Rc::clone(transit)),
            RequestBody::Kept(_) => Self::Unknown,
        }
    }

    fn is_over(&self) -> bool {
        match self {
            Self::Wholly => true,
            Self::AsFarAs(transit) => transit.state.get() == TransitState::Ended,
            Self::Unknown => false,
        }
    }
}

impl ResponseBody {
    /// `sent` follows the request's body: an answer may come before all of it is sent, and then the
    /// connection is not free although the answer has ended.
    pub(super) fn new(body: Incoming, lease: Lease, sent: Sent) -> Self {
        let mut this = Self {
            body,
            trailers: lease.passes_trailers(),
            lease: Some((lease, sent)),
        };
        if let Some((_, Sent::AsFarAs(transit))) = &this.lease {
            transit.answered(true);
        }
        if this.body.is_end_stream() {
            this.settle();
        }
        this
    }

    fn give_back(&mut self) {
        if let Some((lease, sent)) = self.lease.take()
            && sent.is_over()
        {
            lease.give_back();
        }
    }

    /// Once nothing more can come, the next request may have the connection.
    fn settle(&mut self) {
        if self.body.is_end_stream() {
            self.give_back();
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        loop {
            let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
            match &frame {
                Some(Ok(frame)) if frame.is_trailers() && !this.trailers => {}
                Some(Ok(_)) => {
                    if let Some((_, Sent::AsFarAs(transit))) = &this.lease {
                        transit.answer_moved();
                    }
                    if this.body.is_end_stream() {
                        this.settle();
                    }
                    let frame = frame.map(|frame| frame.map(|frame| sifted(frame, answered)));
                    return Poll::Ready(frame);
                }
                Some(Err(_)) => {
                    this.lease = None;
                    return Poll::Ready(frame);
                }
                None => {
                    this.give_back();
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
