//! What one core serves with: a door to the configuration in force, and the connections that came in.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::worker::Snapshot;
use crate::gateway::Door;
use crate::net::Registry;
use crate::net::Server;
use crate::net::socket::Socket;

/// Serves on the thread and the runtime that it is made on.
pub(super) struct Serving {
    snapshot: Arc<Snapshot>,
    registry: Rc<Registry>,
    /// Ends streams that would outlive the process.
    drain: CancellationToken,
    door: Rc<Door>,
    server: Rc<Server<Door>>,
}

impl Serving {
    /// Serves by `snapshot`.
    pub(super) fn begin(snapshot: Arc<Snapshot>) -> Self {
        let (registry, drain) = (Rc::<Registry>::default(), CancellationToken::new());
        let door = Rc::new(Door::new(snapshot.front(None, &drain)));
        Self {
            server: server(&door, &registry, &snapshot),
            snapshot,
            registry,
            drain,
            door,
        }
    }

    /// Serves a connection, to its end, in a task of its own.
    pub(super) fn serve(&self, socket: Socket, peer: SocketAddr) {
        self.server.serve(socket, peer);
    }

    /// Housekeeping, once a second.
    pub(super) fn tick(&self) {
        self.registry.sweep(self.snapshot.clocks);
        self.door.tick();
    }

    /// Ends what runs in the name of sessions that are over.
    pub(super) fn end_streams(&self) {
        self.door.end_streams();
    }

    /// Serves new connections and new requests by `snapshot` from now on.
    pub(super) fn turn_to(&mut self, snapshot: Arc<Snapshot>) {
        let before = std::mem::replace(&mut self.snapshot, snapshot);
        if self.snapshot.door.terms != before.door.terms {
            // Who has proven less than is asked now is not served for ever.
            self.registry.retire();
        }
        let front = self.snapshot.front(Some(&self.door.front()), &self.drain);
        self.door.lead_to(front);
        self.server = server(&self.door, &self.registry, &self.snapshot);
    }

    /// Nothing new begins on the connections that there are.
    pub(super) fn drain(&self) {
        self.registry.drain();
        self.drain.cancel();
    }

    /// The connections.
    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }
}

fn server(door: &Rc<Door>, registry: &Rc<Registry>, snapshot: &Snapshot) -> Rc<Server<Door>> {
    let (door, registry) = (Rc::clone(door), Rc::clone(registry));
    Rc::new(Server::new(door, registry, snapshot.manner()))
}
