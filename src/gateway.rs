//! The pipeline: route, cross-site check, session, freshness, sanitize, authorize, forward, reply.

pub mod route;

pub use route::Route;
