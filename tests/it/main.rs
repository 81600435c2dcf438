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
mod drain;
mod endpoints;
mod fence;
mod forgery;
mod forwarding;
mod fragment;
mod h2_floods;
mod handover;
mod headers;
mod idle;
mod leaks;
mod limits;
mod listeners;
mod loops;
mod outage;
mod pipelining;
mod race;
mod raw_http;
mod refresh;
mod refusals;
mod replay;
mod restart;
mod return_path;
mod revocation;
mod rotation;
mod session;
mod sign_in;
mod streaming;
mod support;
mod tls;
mod upstream_faults;
mod websocket;
