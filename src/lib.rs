//! Sidegate: an authentication reverse proxy for Salesforce Marketing Cloud Engagement.
//!
//! It stands in front of an internal tool, sends people who are not signed in through Marketing
//! Cloud's OAuth 2.0 authorization-code flow, keeps their tokens in sealed cookies, renews them
//! without races, and forwards requests with the bearer token injected: to the tool, and to the REST
//! and SOAP base URLs of the signed-in person's own tenant.
//!
//! # Rooms
//!
//! Data flows one way, down this list; a module imports only what stands below it.
//!
//! | room | what it is |
//! |---|---|
//! | [`cli`] | arguments become a command, a command an exit code |
//! | [`app`], [`lifecycle`] | the composition root, which takes over other configurations; signals and drain |
//! | [`doctor`] | tries the real thing, step by step |
//! | [`import`] | a configuration of oauth2-proxy, said in ours |
//! | [`admin`] | probes, metrics, the status page |
//! | [`config`] | YAML with positions, raw tree, resolved tree, problems |
//! | [`gateway`] | the pipeline: route → session → freshness → cross-site check → sanitize → authorize → forward → reply → record |
//! | [`session`] | the session, its cookies, its refresh (single flight) |
//! | [`oauth`] | the provider: authorize URL, transaction, token endpoint, replies, error codes, fence |
//! | [`upstream`] | connection pools and deadlines |
//! | [`net`] | listeners, TLS, the connection guard, who the client is |
//! | [`telemetry`] | logs, the access record, metrics, traces |
//! | [`http`] | target rules, headers, cookies, replies and pages; [`http::soap`] puts the token into envelopes, here since it is the syntax of a body and does no I/O |
//! | [`crypto`] | key ring, envelope, secrets, entropy |
//! | [`fault`], [`language`], [`time`] | every failure code, in two languages; which one a browser asks for; the clock |
//! | [`sandbox`] | stands alone: the simulated tenant and the example tool |
//!
//! `config` stands above the rooms that it configures, because it resolves text into their types;
//! none of them knows that a file exists.
//!
//! # One request
//!
//! Every core has a worker of its own: a thread with a single-threaded runtime that accepts for itself
//! and has its own upstream connections ([`app`]). A request runs through the steps of
//! `gateway/pipeline.rs` on that core and takes no lock. What must be shared lives on a control
//! runtime beside the workers: calls to the provider, in tasks that no client can cancel.

#![forbid(unsafe_code)]

pub mod admin;
pub mod app;
pub mod cli;
pub mod config;
pub mod crypto;
pub mod doctor;
pub mod fault;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod gateway;
pub mod http;
pub mod import;
pub mod language;
pub mod lifecycle;
pub mod net;
pub mod oauth;
pub mod sandbox;
pub mod session;
pub mod telemetry;
pub mod time;
pub mod upstream;
