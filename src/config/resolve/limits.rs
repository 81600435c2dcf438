//! What one person, tenant or address may take: the sections `limits` and `rate_limits`.

use super::Resolver;
use super::values;
use crate::config::place::KeyPath;
use crate::config::raw::RawLimits;
use crate::config::raw::RawRateLimits;
use crate::gateway::Rates;
use crate::gateway::Shares;

impl Resolver<'_> {
    pub(super) fn shares(&mut self, raw: &mut RawLimits) -> Shares {
        let path = KeyPath::root().child("limits");
        let default = Shares::default();
        let mut read = |key: &str, text| self.optional(&path.child(key), text, values::share);
        Shares {
            per_user: read("per_user", raw.user.take()).unwrap_or(default.per_user),
            per_tenant: read("per_tenant", raw.tenant.take()).unwrap_or(default.per_tenant),
        }
    }

    pub(super) fn rates(&mut self, raw: RawRateLimits) -> Rates {
        let path = KeyPath::root().child("rate_limits");
        let default = Rates::default();
        let mut read = |key: &str, text| self.optional(&path.child(key), text, values::rate);
        let spares_loopback = raw.sign_in.is_none() && raw.callback.is_none();
        Rates {
            spares_loopback,
            sign_in: read("sign_in", raw.sign_in).unwrap_or(default.sign_in),
            callback: read("callback", raw.callback).unwrap_or(default.callback),
        }
    }
}
