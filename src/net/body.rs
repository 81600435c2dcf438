//! The body of a request as the client sends it: bounded in size, and in how long it may stand still.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;

use bytes::Bytes;
use http_body::Body;
use http_body::Frame;
use http_body::SizeHint;
use hyper::body::Incoming;

use super::guard::Registry;
use super::guard::Stall;
use crate::fault::Fault;

/// A client's body.
#[derive(Debug)]
pub struct ClientBody {
    body: Incoming,
    /// An empty body waits for nobody.
    stall: Option<Rc<Stall>>,
    left: u64,
    /// How much of it was read; of an empty body nothing is.
    read: Option<Rc<Cell<u64>>>,
}

impl ClientBody {
    pub(super) fn new(body: Incoming, registry: &Registry) -> Self {
        let stall = (!body.is_end_stream()).then(|| registry.stall());
        Self {
            read: stall.is_some().then(Rc::default),
            body,
            stall,
            left: u64::MAX,
        }
    }

    /// Allows `size` bytes; a body that says that it is larger is refused before anything of it is read.
    pub fn limited(mut self, size: u64) -> Result<Self, BodyError> {
        if self.body.size_hint().lower() > size {
            return Err(BodyError::TooLarge);
        }
        self.left = size;
        Ok(self)
    }

    /// Whether it says that it is empty, and has not ended yet.
    pub fn is_to_end_empty(&self) -> bool {
        !self.is_end_stream() && self.size_hint().exact() == Some(0)
    }

    /// Waits for the end of a body that says it is empty, which HTTP/2 lets a client say before it ends: if
    /// bytes come after all, the request is malformed (RFC 9113 §8.1.1), and must not have gone out by then.
    pub async fn ended_if_empty(mut self) -> Result<Self, BodyError> {
        while self.is_to_end_empty() {
            let Some(frame) = poll_fn(|cx| Pin::new(&mut self).poll_frame(cx)).await else {
                break;
            };
            frame?;
        }
        Ok(self)
    }
}

impl ClientBody {
    /// What counts how long the client is silent, to be told of the answer.
    pub fn stall(&self) -> Option<Rc<Stall>> {
        self.stall.clone()
    }

    /// What counts how much of it is read.
    pub fn read(&self) -> Option<Rc<Cell<u64>>> {
        self.read.clone()
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let frame = match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let Some(stall) = &this.stall else {
                    return Poll::Pending;
                };
                stall.begin();
                return stall
                    .poll_over(cx.waker())
                    .map(|()| Some(Err(BodyError::TooSlow)));
            }
        };
        if let Some(stall) = &this.stall {
            stall.end();
        }
        let frame = frame.map(|frame| {
            let frame = frame.map_err(BodyError::Broken)?;
            let size = frame.data_ref().map_or(0, Bytes::len);
            let size = u64::try_from(size).unwrap_or(u64::MAX);
            if let Some(read) = &this.read {
                read.set(read.get().saturating_add(size));
            }
            this.left = this.left.checked_sub(size).ok_or(BodyError::TooLarge)?;
            Ok(frame)
        });
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Why a client's body is not read any further.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It broke off, or its framing is wrong.
    #[error("the client's body broke off: {0}")]
    Broken(hyper::Error),
    /// It is larger than allowed.
    #[error("the client's body is too large")]
    TooLarge,
    /// It stood still for too long.
    #[error("the client's body stopped coming")]
    TooSlow,
}

impl BodyError {
    /// What the client is told.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Broken(_) => Fault::MalformedRequest,
            Self::TooLarge => Fault::BodyTooLarge,
            Self::TooSlow => Fault::BodyTooSlow,
        }
    }
}
