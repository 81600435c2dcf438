//! What goes wrong behind the gateway.

use http::StatusCode;

use super::Row;

pub(super) const UPSTREAM_UNREACHABLE: Row = (
    "SG-4001",
    StatusCode::BAD_GATEWAY,
    "The service behind the gateway cannot be reached",
    "Whoever runs this tool: check that it runs and listens on the address in the route's `to`.",
);

pub(super) const UPSTREAM_TIMEOUT: Row = (
    "SG-4002",
    StatusCode::GATEWAY_TIMEOUT,
    "The service behind the gateway did not answer in time",
    "Try again; for slow operations raise `timeouts.upstream_response`.",
);

pub(super) const UPSTREAM_BROKEN: Row = (
    "SG-4003",
    StatusCode::BAD_GATEWAY,
    "The service behind the gateway broke off its answer",
    "Try again; if it stays, look at the service's own log.",
);

pub(super) const NO_INSTANCE_URL: Row = (
    "SG-4004",
    StatusCode::BAD_GATEWAY,
    "Your tenant's address for this API is not known",
    "Sign out and in again; if it stays, Marketing Cloud's token answer lacks the instance URL.",
);

pub(super) const UPSTREAM_NOT_PUBLIC: Row = (
    "SG-4005",
    StatusCode::BAD_GATEWAY,
    "Your tenant's address leads somewhere it must not",
    "Whoever runs this tool: look at how the host resolves; if a private address is meant, name the host itself in `marketing_cloud.instance_hosts`.",
);

pub(super) const UPSTREAM_DOWN: Row = (
    "SG-4006",
    StatusCode::SERVICE_UNAVAILABLE,
    "The service behind the gateway does not work at the moment",
    "Try again in a few seconds. Whoever runs this tool: the log says which address failed and why.",
);

pub(super) const UPSTREAM_FULL: Row = (
    "SG-4007",
    StatusCode::SERVICE_UNAVAILABLE,
    "The service behind the gateway has too much to do",
    "Try again in a few seconds. Whoever runs this tool: the service is slow, or `upstream.max_connections` is too small.",
);

pub(super) const API_THROTTLED: Row = (
    "SG-4008",
    StatusCode::TOO_MANY_REQUESTS,
    "Marketing Cloud has asked you to wait",
    "Try again after the seconds in Retry-After; the API answered an earlier request of yours with a limit.",
);
