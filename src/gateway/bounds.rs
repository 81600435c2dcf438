//! How large a request may be, beyond what the connection bounds already.

use http::request::Parts;

use crate::fault::Fault;
use crate::net::settings::Limits;

/// Sizes that every request is held against.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    target_length: usize,
    header_count: usize,
    /// Bytes of a body, where its route says nothing else.
    pub body_size: u64,
}

impl From<Limits> for Bounds {
    fn from(limits: Limits) -> Self {
        Self {
            target_length: limits.target_length,
            header_count: limits.header_count,
            body_size: limits.body_size,
        }
    }
}

impl Bounds {
    /// Refuses a target that is too long, and more fields than HTTP/1 would have let pass.
    pub(super) fn admit(&self, parts: &Parts) -> Result<(), Fault> {
        let target = parts
            .uri
            .path_and_query()
            .map_or("", |target| target.as_str());
        if target.len() > self.target_length {
            return Err(Fault::TargetTooLong);
        }
        let fields = parts.headers.len();
        if fields > self.header_count && fields - crumbs(parts) > self.header_count {
            return Err(Fault::HeadTooLarge);
        }
        Ok(())
    }
}

/// Fields that are parts of one: HTTP/2 splits `Cookie` (RFC 9113 §8.2.3).
fn crumbs(parts: &Parts) -> usize {
    let cookies = parts.headers.get_all(http::header::COOKIE).iter().count();
    cookies.saturating_sub(1)
}
