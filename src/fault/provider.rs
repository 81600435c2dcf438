//! What the provider says, in its own terms.

use http::StatusCode;

use super::Row;

pub(super) const PROVIDER_THROTTLED: Row = (
    "SG-3010",
    StatusCode::SERVICE_UNAVAILABLE,
    "Marketing Cloud has had too many requests for tokens",
    "Try again after the seconds in Retry-After; whoever is signed in stays so. Whoever runs this tool: all people of a package share this limit.",
);

pub(super) const PROVIDER_GONE: Row = (
    "SG-3011",
    StatusCode::SERVICE_UNAVAILABLE,
    "Marketing Cloud does not find its own service",
    "Try again in a minute. Whoever runs this tool: if it stays, compare `marketing_cloud.subdomain` with the package's URLs (status 596).",
);

pub(super) const PROVIDER_BLOCKED: Row = (
    "SG-3012",
    StatusCode::SERVICE_UNAVAILABLE,
    "Marketing Cloud blocks requests for tokens at the moment",
    "Try again in a few minutes. Whoever runs this tool: it does not say for how long; look for what else uses this package's client id.",
);

pub(super) const REDIRECT_MISMATCH: Row = (
    "SG-3013",
    StatusCode::BAD_GATEWAY,
    "The redirect URI is not one of the package's",
    "Whoever runs this tool: `public_url` and `/oauth2/callback` have to stand in the package, character by character. A change in Setup takes up to five minutes.",
);

pub(super) const LEGACY_ENDPOINT: Row = (
    "SG-3014",
    StatusCode::BAD_GATEWAY,
    "The package and Marketing Cloud's endpoint are of different ages",
    "Whoever runs this tool: use an enhanced package and its own subdomain, no `auth_base_url` of a legacy endpoint (error code 10007).",
);
