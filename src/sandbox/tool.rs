//! The example internal tool, "Campaign Desk": a page behind the gateway that knows nothing of
//! OAuth, and resources to try a proxy with.

mod page;
mod resources;
mod sha1;
mod websocket;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use http::Method;
use http::StatusCode;
use hyper::Request;
use hyper::body::Incoming;

use crate::http::Origin;
use crate::sandbox::body::Metered;
use crate::sandbox::record::Log;
use crate::sandbox::record::Recorded;
use crate::sandbox::reply;
use crate::sandbox::reply::Reply;
use crate::sandbox::server::Cut;
use crate::sandbox::server::Handler;
use crate::sandbox::server::Listener;
use crate::sandbox::server::Server;
use crate::sandbox::server::Tasks;

/// A running tool. It stops when dropped.
pub struct Tool {
    server: Server,
    origin: Origin,
    log: Arc<Log>,
}

impl Tool {
    /// Binds `listen` (port 0 takes a free one) and serves until stopped.
    pub async fn start(listen: SocketAddr) -> io::Result<Self> {
        let listener = Listener::bind(listen).await?;
        let origin = listener.origin()?;
        let log: Arc<Log> = Arc::default();
        let desk = Desk {
            log: Arc::clone(&log),
            tasks: listener.tasks().clone(),
        };
        let server = listener.serve(Arc::new(desk));
        Ok(Self {
            server,
            origin,
            log,
        })
    }

    /// Where it is reached.
    pub fn origin(&self) -> Origin {
        self.origin.clone()
    }

    /// The last 256 requests, oldest first.
    pub fn requests(&self) -> Vec<Recorded> {
        self.log.all()
    }

    /// Stops at once, cutting open connections, and waits until every task has ended.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }
}

struct Desk {
    log: Arc<Log>,
    tasks: Tasks,
}

impl Handler for Desk {
    async fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        _peer: SocketAddr,
    ) -> Result<Reply, Cut> {
        let id = self.log.start(&request);
        let request = request.map(|body| Metered::new(body, Arc::clone(&self.log), id));
        let path = request.uri().path().to_owned();
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        match *segments {
            [""] if reads => Ok(page::desk(request.headers())),
            ["desk.css"] if reads => Ok(page::style()),
            ["desk.js"] if reads => Ok(page::script()),
            ["echo", ..] => resources::echo(request).await,
            ["upload"] => resources::upload(request).await,
            ["download", length] => Ok(resources::download(length)),
            ["slow", millis] => Ok(resources::slow(millis).await),
            ["set-cookie"] => Ok(resources::set_cookies(&request)),
            ["sse"] => Ok(resources::events(&request)),
            ["ws"] => Ok(websocket::accept(request, &self.tasks)),
            _ => Ok(reply::text(
                StatusCode::NOT_FOUND,
                "Campaign Desk has no such page.\n",
            )),
        }
    }
}
