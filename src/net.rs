//! Sockets: listeners, TLS, the connection guard, and who is at the other end.

pub mod client;
pub mod connection;
pub(crate) mod framing;
pub mod guard;
pub mod listener;
pub mod settings;
pub mod tls;
mod watched;

pub use connection::Handler;
pub use connection::Peer;
pub use connection::Server;
pub use guard::InHand;
pub use guard::Registry;
pub use watched::WriteFailure;
