//! `allowed_origins` and the section `csrf`: what is let in from other origins.

use http::HeaderName;

use super::Resolver;
use crate::config::place::KeyPath;
use crate::config::problem::Code;
use crate::config::raw::RawCsrf;
use crate::config::raw::RawTexts;
use crate::gateway::CrossSite;
use crate::http::Origin;
use crate::http::Scheme;
use crate::http::headers;

impl Resolver<'_> {
    pub(super) fn cross_site(
        &mut self,
        allowed_origins: Option<RawTexts>,
        csrf: RawCsrf,
        own: &[Origin],
    ) -> CrossSite {
        let root = KeyPath::root();
        let list = root.child("allowed_origins");
        let items = self.each(&list, allowed_origins, Origin::parse);
        let mut allowed = Vec::new();
        for (path, origin) in items.unwrap_or_default() {
            if origin.scheme() == Scheme::Http && !origin.is_loopback() {
                self.findings
                    .problem(Code::BadValue, &path, "must be https")
                    .hint("whoever is on the way can put words into a page that came by http");
            } else if let [only] = own
                && *only == origin
            {
                self.bad(&path, "is public_url itself, which may always");
            } else if own.contains(&origin) {
                self.bad(&path, "is a host of a tenant, and tenants are kept apart");
            } else {
                allowed.push(origin);
            }
        }
        let header = self.optional(&root.child("csrf").child("header"), csrf.header, mark);
        CrossSite::new(&allowed, header)
    }
}

/// Browsers and proxies add fields of their own to the requests of any site, but none of these.
fn mark(text: &str) -> Result<HeaderName, &'static str> {
    let name = HeaderName::try_from(text).map_err(|_| "is not a header's name")?;
    if !name.as_str().starts_with("x-") {
        return Err("must start with X-, such as X-Requested-With");
    }
    if !headers::is_forwardable(&name) {
        return Err("is a header that proxies add, or that this gateway sets itself");
    }
    Ok(name)
}
