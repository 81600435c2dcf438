//! The real gateway against the real sandbox, as browsers and attackers see them.

#![expect(unreachable_pub, reason = "a test binary exports nothing")]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test that meets the unexpected fails"
)]

mod access;
mod admin;
mod answer_framing;
mod answer_headers;
mod answers;
mod balance;
mod callback;
mod commands;
mod commands_explain;
mod commands_import;
mod commands_init;
mod commands_packages;
mod cookie_jar;
mod cross_site;
mod deploy;
mod desync;
mod docs;
mod doctor;
mod doctor_faults;
mod drain;
mod embedded;
mod endpoints;
mod fence;
mod flood_table;
mod forgery;
mod forwarding;
mod fragment;
mod goaway;
mod h2_floods;
mod handover;
mod headers;
mod http2;
mod identity;
mod idle;
mod inline;
mod journey;
mod leaks;
mod limits;
mod listeners;
mod loops;
mod metrics;
mod names;
mod outage;
mod pages;
mod partner;
mod pipelining;
mod protocol;
mod provider_errors;
mod race;
mod raw_http;
mod records;
mod refresh;
mod refusals;
mod reload;
mod reload_connections;
mod reload_process;
mod reload_records;
mod reload_store;
mod replay;
mod replicas;
mod resets;
mod restart;
mod return_path;
mod revocation;
mod rotation;
mod secrets;
mod session;
mod several;
mod shared_faults;
mod shares;
mod sign_in;
mod soap;
mod soap_bodies;
mod soap_edges;
mod standing;
mod status;
mod store;
mod streaming;
mod supervisor;
mod support;
mod tenants;
mod tenants_apart;
mod tenants_process;
mod terminal;
mod time;
mod tls;
mod topologies;
mod traces;
mod units;
mod unread;
mod upstream_faults;
mod upstream_protocols;
mod upstream_tls;
mod websocket;
mod wpt;
mod zeep;
