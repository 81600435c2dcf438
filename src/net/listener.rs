//! Listening sockets and the accept loop of one worker.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::Domain;
use socket2::Protocol;
use socket2::Socket;
use socket2::Type;
use tokio::net::TcpListener;
use tokio::net::TcpStream;

/// Binds and listens. Workers share the one socket through [`std::net::TcpListener::try_clone`], so
/// that no connection waits in the queue of a worker that is gone.
pub fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The next connection. Waits out what cannot be helped at the moment, such as too many open files.
pub async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Small answers must not wait for the peer's acknowledgement.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "A connection ended before it was served.");
                    continue;
                }
                return (stream, peer);
            }
            Err(error) if is_the_peers(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "Cannot accept connections; trying again.");
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }
}

/// The peer went away before it was accepted: nothing is wrong with the listener.
fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

/// A pause that lets descriptors become free, instead of a loop at full speed.
const BACK_OFF: Duration = Duration::from_millis(100);
