//! A client's SOAP envelope on its way up, with the token in its header.

use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;
use std::task::ready;

use bytes::Bytes;
use bytes::BytesMut;
use http_body::Body;
use http_body::Frame;
use http_body::SizeHint;
use http_body_util::BodyExt as _;
use zeroize::Zeroizing;

use super::body::BodyError;
use crate::crypto::secret::AccessToken;
use crate::http::soap::EnvelopeError;
use crate::http::soap::Injector;
use crate::net::ClientBody;
use crate::net::guard::Stall;

/// An envelope whose head is known to be in order.
#[derive(Debug)]
pub struct Envelope {
    /// What was written before anything is sent.
    begun: VecDeque<Bytes>,
    /// The client's body behind it, unless all of it was read.
    rest: Option<Box<Rest>>,
    /// Bytes that are still to be sent, if the client said how long its body is.
    left: Option<u64>,
}

#[derive(Debug)]
struct Rest {
    body: ClientBody,
    injector: Injector,
}

impl Envelope {
    /// Reads the client's body as far as its header at least, and a small one to its end, so that what
    /// is wrong is told before anything is sent. A small one is given back as it came, to be sent again.
    pub async fn open(
        mut body: ClientBody,
        token: &AccessToken,
    ) -> Result<(Self, Option<Bytes>), BodyError> {
        let declared = body.size_hint().exact();
        let mut injector = Injector::new(token);
        let expected = usize::try_from(declared.unwrap_or(0)).unwrap_or(MAX_KEPT);
        let mut original = BytesMut::with_capacity(expected.min(MAX_KEPT));
        // Room for the token too, which should not be left behind in a buffer that grew.
        let mut written = Zeroizing::new(Vec::with_capacity(expected.min(MAX_KEPT) + TOKEN_ROOM));
        let whole = loop {
            if original.len() > MAX_KEPT && injector.is_past_head() {
                break false;
            }
            let frame = match body.frame().await {
                Some(frame) => frame.map_err(BodyError::Client)?,
                None => break true,
            };
            let Ok(data) = frame.into_data() else {
                continue;
            };
            original.extend_from_slice(&data);
            injector.feed(&data, &mut written)?;
            if body.is_end_stream() {
                break true;
            }
        };
        if whole {
            injector.finish()?;
            let kept = original.freeze();
            let kept = Some(kept).filter(|kept| kept.len() <= MAX_KEPT);
            return Ok((Self::whole(written), kept));
        }
        // From here on every byte that goes in comes out.
        let length = declared.and_then(|declared| {
            let seen = u64::try_from(original.len()).ok()?;
            let ready = u64::try_from(written.len() + injector.held()).ok()?;
            declared.checked_sub(seen)?.checked_add(ready)
        });
        let envelope = Self {
            begun: VecDeque::from([Bytes::from_owner(written)]),
            rest: Some(Box::new(Rest { body, injector })),
            left: length,
        };
        Ok((envelope, None))
    }

    /// The same envelope once more, with another token.
    pub fn again(original: &[u8], token: &AccessToken) -> Result<Self, EnvelopeError> {
        let mut written = Zeroizing::new(Vec::with_capacity(original.len() + TOKEN_ROOM));
        let mut injector = Injector::new(token);
        injector.feed(original, &mut written)?;
        injector.finish()?;
        Ok(Self::whole(written))
    }

    fn whole(written: Zeroizing<Vec<u8>>) -> Self {
        Self {
            left: u64::try_from(written.len()).ok(),
            begun: VecDeque::from([Bytes::from_owner(written)]),
            rest: None,
        }
    }

    /// What counts how long the client is silent, if something of its body is still to come.
    pub(super) fn stall(&self) -> Option<Rc<Stall>> {
        self.rest.as_ref()?.body.stall()
    }

    /// The next part, once it is known to be in order. The last one is held back until the envelope is
    /// known to be whole.
    fn poll_part(
        rest: &mut Option<Box<Rest>>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        while let Some(reading) = rest {
            let Rest { body, injector } = &mut **reading;
            let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
            let mut part = Vec::new();
            let outcome = match frame {
                // A client's trailers could carry identity that no rule has looked at.
                Some(Ok(frame)) => injector
                    .feed(&frame.into_data().unwrap_or_default(), &mut part)
                    .map(|()| body.is_end_stream())
                    .map_err(BodyError::Envelope),
                Some(Err(error)) => Err(BodyError::Client(error)),
                None => Ok(true),
            };
            let outcome = outcome.and_then(|ended| {
                if ended {
                    injector.finish()?;
                }
                Ok(ended)
            });
            match outcome {
                Ok(ended) => {
                    if ended {
                        *rest = None;
                    }
                    if !part.is_empty() {
                        return Poll::Ready(Some(Ok(part.into())));
                    }
                }
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        Poll::Ready(None)
    }
}

impl Body for Envelope {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let part = match this.begun.pop_front() {
            Some(part) => Some(Ok(part)),
            None => ready!(Self::poll_part(&mut this.rest, cx)),
        };
        if let (Some(left), Some(Ok(part))) = (&mut this.left, &part) {
            *left = left.saturating_sub(u64::try_from(part.len()).unwrap_or(u64::MAX));
        }
        Poll::Ready(part.map(|part| part.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.begun.is_empty() && self.rest.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// An envelope up to this size can be sent a second time.
const MAX_KEPT: usize = 64 * 1024;

/// What is added: a token of 4 KiB at most, escaped, and the elements around it.
const TOKEN_ROOM: usize = 8 * 1024;
