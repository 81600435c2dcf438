//! Where the requests of one core come in: by the front of the configuration in force. Those that are
//! under way when it changes end under the one that they began with.

use std::cell::RefCell;
use std::rc::Rc;

use http::Request;
use http::Response;

use super::Front;
use super::body::AnswerBody;
use super::worker::Worker;
use crate::net::ClientBody;
use crate::net::Handler;
use crate::net::InHand;
use crate::net::Peer;
use crate::telemetry::access::AccessLog;
use crate::telemetry::metrics::Open;

/// The present front, and what earlier ones have left.
pub struct Door {
    present: RefCell<Rc<Front>>,
    /// Workers of earlier fronts with requests or streams under way.
    earlier: RefCell<Vec<Rc<Worker>>>,
    /// Logs of earlier fronts. A long answer can outlive its worker, and others write beside it.
    logs: RefCell<Vec<Rc<AccessLog>>>,
}

impl Door {
    /// A door to `front`.
    pub fn new(front: Front) -> Self {
        Self {
            present: RefCell::new(Rc::new(front)),
            earlier: RefCell::default(),
            logs: RefCell::default(),
        }
    }

    /// The front that the next request comes to.
    pub fn front(&self) -> Rc<Front> {
        Rc::clone(&self.present.borrow())
    }

    /// Leads to `front` from now on.
    pub fn lead_to(&self, front: Front) {
        let before = self.present.replace(Rc::new(front));
        self.earlier
            .borrow_mut()
            .extend_from_slice(before.workers());
        self.logs.borrow_mut().extend(before.log().cloned());
        drop(before);
        self.flush();
        self.forget();
    }

    /// Ends what runs in the name of sessions that are over.
    pub fn end_streams(&self) {
        self.front().end_streams();
        for worker in self.earlier.borrow().iter() {
            worker.end_streams();
        }
    }

    /// Housekeeping, once a second.
    pub fn tick(&self) {
        self.front().tick();
        for worker in self.earlier.borrow().iter() {
            worker.end_streams();
            worker.upstream.sweep();
        }
        self.flush();
        self.forget();
    }

    /// Writes out what is recorded under earlier fronts.
    fn flush(&self) {
        for log in self.logs.borrow().iter() {
            log.flush();
        }
    }

    fn forget(&self) {
        self.earlier.borrow_mut().retain(|worker| !worker.is_done());
        // Whoever may still write holds it as well.
        self.logs
            .borrow_mut()
            .retain(|log| Rc::strong_count(log) > 1);
    }
}

impl Handler for Door {
    type Body = AnswerBody;
    type Open = Open;

    fn connected(&self) -> Open {
        self.present.borrow().connected()
    }

    fn handle(
        self: Rc<Self>,
        request: Request<ClientBody>,
        peer: Peer,
        in_hand: InHand,
    ) -> impl Future<Output = Response<AnswerBody>> {
        self.front().handle(request, peer, in_hand)
    }
}
