//! A connection in use by one request.

use std::rc::Rc;

use http::Request;
use http::Response;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use tokio::time::Instant;

use super::alarm::Alarm;
use super::body::RequestBody;
use super::body::Transit;
use super::connect::Connection;
use super::connect::Multiplexed;
use super::member::Member;
use super::member::Slot;
use super::settings::Protocol;

/// A connection out on loan. Dropped without [`Lease::give_back`], a connection of its own is closed
/// at once, and on a shared one nothing more of the request is sent.
pub(super) struct Lease {
    line: Line,
    slot: Slot,
    /// Whether the connection was made for this request.
    pub(super) is_new: bool,
}

/// What a request is sent on.
pub(super) enum Line {
    /// HTTP/1.1: nobody else's until the answer has ended.
    Own(Connection),
    /// HTTP/2: one stream of many.
    Shared(Multiplexed, Upload),
}

impl Line {
    pub(super) fn shared(connection: Multiplexed) -> Self {
        Self::Shared(connection, Upload(None))
    }
}

/// The request's body on a shared connection. Whoever sends it may wait for the client for ever, so
/// it is told when nobody wants it any more.
pub(super) struct Upload(Option<Rc<Transit>>);

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(transit) = &self.0 {
            transit.abandon();
        }
    }
}

impl Lease {
    pub(super) fn new(slot: Slot, line: Line, is_new: bool) -> Self {
        Self { line, slot, is_new }
    }

    /// Whose connection it is.
    pub(super) fn member(&self) -> Rc<Member> {
        Rc::clone(&self.slot.0)
    }

    /// Whether trailers pass.
    pub(super) fn passes_trailers(&self) -> bool {
        self.slot.0.endpoint.protocol == Protocol::Http2
    }

    /// Whether no other request can be sent. After a failure a connection of its own never takes one.
    pub(super) fn is_closed(&self) -> bool {
        match &self.line {
            Line::Own(_) => true,
            Line::Shared(connection, _) => connection.is_closed(),
        }
    }

    /// Whether a request can be sent at once.
    pub(super) fn is_ready(&self) -> bool {
        match &self.line {
            Line::Own(connection) => connection.sender.is_ready(),
            Line::Shared(connection, _) => !connection.is_closed(),
        }
    }

    /// Waits until one can.
    pub(super) async fn ready(&mut self) -> bool {
        match &mut self.line {
            Line::Own(connection) => connection.sender.ready().await.is_ok(),
            Line::Shared(connection, _) => connection.sender.ready().await.is_ok(),
        }
    }

    /// The timer of the connection, or a new one.
    pub(super) fn take_alarm(&mut self, deadline: Instant) -> Alarm {
        let kept = match &mut self.line {
            Line::Own(connection) => connection.alarm.take(),
            Line::Shared(..) => None,
        };
        kept.unwrap_or_else(|| Alarm::new(deadline))
    }

    /// Keeps the timer for the connection's next request.
    pub(super) fn keep_alarm(&mut self, alarm: Alarm) {
        if let Line::Own(connection) = &mut self.line {
            connection.alarm = Some(alarm);
        }
    }

    /// Sends a request; it comes back if none of it was sent.
    pub(super) async fn send(
        &mut self,
        request: Box<Request<RequestBody>>,
        transit: Option<&Rc<Transit>>,
    ) -> Result<Response<Incoming>, TrySendError<Request<RequestBody>>> {
        match &mut self.line {
            Line::Own(connection) => connection.sender.try_send_request(*request).await,
            Line::Shared(connection, upload) => {
                upload.0 = transit.map(Rc::clone);
                let request = connection.address(*request);
                connection.sender.try_send_request(request).await
            }
        }
    }

    /// The body goes on another connection.
    pub(super) fn spare_upload(&mut self) {
        if let Line::Shared(_, upload) = &mut self.line {
            upload.0 = None;
        }
    }

    /// Takes down how long the upstream keeps idle connections, where it says so.
    pub(super) fn learn<B>(&self, answer: &Response<B>) {
        if let Line::Own(connection) = &self.line
            && self.is_new
        {
            connection.learn(answer.headers());
        }
    }

    /// The answer has ended and the request too: the connection may serve another.
    pub(super) fn give_back(self) {
        if let Line::Own(connection) = self.line {
            self.slot.0.keep(connection);
        }
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease").finish_non_exhaustive()
    }
}
