//! What is counted, under which names. The vocabulary is closed: names and label values are constants,
//! enums, or what the configuration says; ids of people, sessions and requests never become labels.
//!
//! Rare events are counted in shared counters ([`Events`]). What happens with every request is counted
//! by each worker for itself ([`Meter`]) and summed when somebody scrapes.

pub mod events;
pub mod exposition;
mod keys;
pub mod labels;
mod latency;
pub mod meter;
mod pools;
mod traffic;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use prometheus_client::registry::Unit;

pub use events::Counted;
pub use events::Events;
pub use latency::Total;
pub use meter::Meter;
pub use meter::Open;
pub use meter::Slot;
pub use pools::Held as PoolHeld;
pub use pools::Pool;
pub use pools::Pools;
pub use pools::TENANTS;
pub use traffic::Totals;
pub use traffic::Traffic;

use crate::time::UnixTime;

/// The registry of one gateway, with what is known at its start.
pub fn registry(now: UnixTime) -> Registry {
    let mut registry = Registry::with_prefix("sidegate");
    registry.register(
        "build",
        "What is running",
        Info::new([
            ("version", env!("CARGO_PKG_VERSION")),
            ("commit", env!("SIDEGATE_COMMIT")),
            ("features", FEATURES),
        ]),
    );
    let started = Gauge::<f64, std::sync::atomic::AtomicU64>::default();
    started.set(seconds(now));
    registry.register_with_unit(
        "start_timestamp",
        "When the gateway started",
        Unit::Seconds,
        started,
    );
    registry
}

/// What was chosen when the program was built.
const FEATURES: &str = if cfg!(feature = "mimalloc") {
    "mimalloc"
} else {
    ""
};

/// A timestamp as Prometheus wants it.
pub fn seconds(at: UnixTime) -> f64 {
    std::time::Duration::from_millis(at.as_millis()).as_secs_f64()
}
