//! Refusals that are counted by their reason beside their code.

use super::Gateway;
use super::outgoing::Astray;
use crate::fault::Fault;
use crate::telemetry::metrics::labels::Forgery;
use crate::telemetry::metrics::labels::Post;

impl Gateway {
    /// A request that another site may have caused.
    pub(super) fn forged(&self, reason: Forgery) -> Fault {
        self.events.forged(reason);
        reason.into()
    }

    /// A request that leads nowhere for its person.
    pub(super) fn astray(&self, astray: Astray) -> Fault {
        if let Astray::Fenced(reason) = astray {
            self.events.fenced(Post::Forwarding, reason);
        }
        astray.into()
    }
}
