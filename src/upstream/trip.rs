//! What is known of an exchange beside its answer, for the record of the request.

use std::fmt;
use std::rc::Rc;

use tokio::time::Instant;

use super::cluster::Cluster;
use super::member::Member;

/// Where a request went, and how.
#[derive(Default)]
pub struct Trip {
    member: Option<Rc<Member>>,
    is_timed: bool,
    connected: Option<Instant>,
    is_new: bool,
}

impl Trip {
    /// One whose steps are timed.
    pub fn timed() -> Self {
        Self {
            is_timed: true,
            ..Self::default()
        }
    }

    /// The address.
    pub fn address(&self) -> Option<&str> {
        let member = self.member.as_ref()?;
        Some(member.endpoint.name())
    }

    /// When there was a connection, if that is timed and there was one.
    pub fn connected(&self) -> Option<Instant> {
        self.connected
    }

    /// Whether it was made for this request.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// A connection to `member`.
    pub(super) fn reached(&mut self, member: &Rc<Member>, is_new: bool) {
        self.member = Some(Rc::clone(member));
        self.is_new = is_new;
        if self.is_timed {
            self.connected = Some(Instant::now());
        }
    }

    /// No connection to any address of `cluster`.
    pub(super) fn missed(&mut self, cluster: &Cluster) {
        // Of several it is the log that says which were tried.
        if let [only] = cluster.members() {
            self.member = Some(Rc::clone(only));
        }
    }
}

impl fmt::Debug for Trip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trip")
            .field("address", &self.address())
            .finish_non_exhaustive()
    }
}
