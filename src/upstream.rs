//! Connections to what stands behind the gateway: addresses and their health, pools, deadlines,
//! retries.
//!
//! Each worker has its own connections and its own view of which addresses work, so that a request
//! takes no lock; what is shared (names, health checks, TLS) is touched for new connections only.

mod alarm;
mod body;
mod check;
mod client;
mod cluster;
mod connect;
mod dice;
mod endpoint;
mod envelope;
mod error;
mod lease;
mod member;
mod names;
mod public;
pub mod settings;
mod shared;
mod stream;
mod tls;
mod trip;
mod vitals;

pub use body::BodyError;
pub use body::Carry;
pub use body::RequestBody;
pub use body::ResponseBody;
pub use body::Transit;
pub use client::Client;
pub use client::Way;
pub use envelope::Envelope;
pub use error::UpstreamError;
pub use names::InProcess;
pub use names::Resolve;
pub use names::Resolving;
pub use names::SystemResolver;
pub use settings::Timeouts;
pub use settings::Upstream;
pub use shared::Health;
pub use shared::Upstreams;
pub use tls::ClientTls;
pub use tls::UpstreamTlsError;
pub use trip::Trip;
