//! Sockets: listeners, TLS, the connection guard, and who is at the other end.

pub mod body;
pub mod census;
pub mod client;
pub mod connection;
pub(crate) mod framing;
pub mod guard;
pub mod listener;
mod preamble;
mod prefixed;
pub mod settings;
pub mod socket;
pub mod tls;
mod watched;

pub use body::ClientBody;
pub use connection::Handler;
pub use connection::Manner;
pub use connection::Peer;
pub use connection::Server;
pub use guard::InHand;
pub use guard::Registry;
pub use watched::WriteFailure;
