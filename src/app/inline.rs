//! A gateway on the caller's thread: what a worker serves with, and nothing around it. There are no
//! listeners, no threads, no probes; connections are handed in as streams in memory. For measurements,
//! which a socket and a second thread would blur.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::DuplexStream;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::Ports;
use super::StartError;
use super::begin;
use super::build::Ground;
use super::reload::Reloader;
use super::serving::Serving;
use crate::admin::reloads::Reloads;
use crate::config::Config;

/// Serves by one configuration for as long as it is there.
pub struct Inline {
    serving: Serving,
    /// Holds what the configuration has made.
    _reloader: Arc<Reloader>,
}

impl Inline {
    /// Serves on the current runtime, which has to be a local one. Traces go nowhere, and no file is read again.
    pub fn start(config: Config, ports: &Ports) -> Result<Self, StartError> {
        let now = ports.clock.now();
        let ground = Ground {
            tracer: None,
            ports: ports.clone(),
            control: Handle::current(),
            tasks: TaskTracker::new(),
            workers: 1,
            started: now,
            readiness: Arc::default(),
            reloads: Arc::new(Reloads::begun(now)),
            files: Arc::default(),
        };
        let reloader = begin(config, ground)?.reloader;
        let snapshot = Arc::clone(&reloader.snapshots().borrow());
        Ok(Self {
            serving: Serving::begin(snapshot),
            _reloader: reloader,
        })
    }

    /// Serves a connection, to its end, in a task of its own.
    pub fn serve(&self, stream: DuplexStream, peer: SocketAddr) {
        self.serving.serve(stream.into(), peer);
    }

    /// Housekeeping, to be called once a second.
    pub fn tick(&self) {
        self.serving.tick();
    }
}
