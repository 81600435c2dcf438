//! A whole gateway for one test: tenant, tool and gateway on ports of the kernel's choice, and the
//! clients that talk to it.

pub mod browser;
pub mod collector;
pub mod corpus;
pub mod gate;
pub mod h2;
pub mod house;
pub mod line;
pub mod patient;
pub mod process;
pub mod pty;
pub mod puppet;
pub mod raw;
pub mod redis;
pub mod scrape;
pub mod server;
pub mod serving;
pub mod tap;
pub mod terminal;
pub mod traced;
pub mod wire;

pub use browser::Answer;
pub use browser::Browser;
pub use collector::Collector;
pub use gate::Gate;
pub use gate::Plan;
pub use house::House;
pub use patient::Patient;
pub use puppet::Puppet;
pub use redis::Redis;
pub use scrape::Scrape;
pub use tap::Tap;
pub use wire::Wire;

/// Tells a measurement; seen with `--nocapture`, or when the test fails.
#[expect(
    clippy::print_stderr,
    clippy::disallowed_macros,
    reason = "no command speaks here, and the harness sorts it"
)]
pub fn tell(measurement: &str) {
    eprintln!("{measurement}");
}
