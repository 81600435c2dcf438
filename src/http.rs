//! HTTP's vocabulary: origins, targets, headers, cookies, bodies, replies and pages. No I/O.

pub mod body;
pub mod cookies;
pub mod framing;
pub mod headers;
pub mod jar;
pub mod length;
pub mod offer;
pub mod origin;
pub mod pages;
pub mod refusal;
pub mod reply;
pub mod return_path;
pub mod soap;
pub mod target;

pub use cookies::CookieNames;
pub use framing::Framing;
pub use jar::Jar;
pub use offer::Offer;
pub use origin::Origin;
pub use origin::Scheme;
pub use return_path::ReturnPath;
pub use target::Target;
