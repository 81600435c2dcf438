//! HTTP's vocabulary: origins, targets, headers, cookies, bodies, replies and pages. No I/O.

pub mod origin;

pub use origin::Origin;
pub use origin::Scheme;
