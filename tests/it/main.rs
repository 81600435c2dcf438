//! The real gateway against the real sandbox, as browsers and attackers see them.

#![expect(unreachable_pub, reason = "a test binary exports nothing")]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test that meets the unexpected fails"
)]

mod answer_headers;
mod answers;
mod callback;
mod commands;
mod cookie_jar;
mod doctor;
mod drain;
mod endpoints;
mod fence;
mod forgery;
mod forwarding;
mod fragment;
mod headers;
mod leaks;
mod loops;
mod metrics;
mod outage;
mod pipelining;
mod race;
mod raw_http;
mod refresh;
mod refusals;
mod replay;
mod replicas;
mod restart;
mod return_path;
mod revocation;
mod rotation;
mod session;
mod shared_faults;
mod sign_in;
mod store;
mod streaming;
mod support;
mod time;
mod tls;
mod topologies;
mod upstream_faults;
mod websocket;
