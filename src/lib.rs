//! Sidegate: an authentication reverse proxy for Salesforce Marketing Cloud Engagement.
#![forbid(unsafe_code)]

pub mod config;
pub mod crypto;
pub mod fault;
pub mod gateway;
pub mod http;
pub mod net;
pub mod oauth;
pub mod session;
pub mod telemetry;
pub mod time;
pub mod upstream;
