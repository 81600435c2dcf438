//! Connections to what stands behind the gateway: pools, deadlines, replay.

pub mod settings;

pub use settings::Timeouts;
