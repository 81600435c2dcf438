//! Connections to what stands behind the gateway: pools, deadlines, replay.

mod body;
mod client;
mod connect;
mod error;
mod pool;
pub mod settings;

pub use body::RequestBody;
pub use body::ResponseBody;
pub use body::Transit;
pub use client::Client;
pub use error::UpstreamError;
pub use settings::Timeouts;
