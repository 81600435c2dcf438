//! What goes wrong inside Marketing Cloud's frames, and in the calls of its servers.

use http::StatusCode;

use super::Row;

pub(super) const LEGACY_SIGN_IN: Row = (
    "SG-2050",
    StatusCode::METHOD_NOT_ALLOWED,
    "The package signs people in the old way",
    "Whoever runs this tool: Marketing Cloud posted a signed token; make an enhanced package with an API integration, and this address as login endpoint.",
);

pub(super) const FRAME_COOKIES: Row = (
    "SG-2051",
    StatusCode::BAD_REQUEST,
    "Your browser keeps no cookies in this frame",
    "Open the tool in a window of its own, or use a browser with partitioned cookies (CHIPS) and allow this site's.",
);

pub(super) const HANDOVER_REFUSED: Row = (
    "SG-2052",
    StatusCode::BAD_REQUEST,
    "The sign-in of the other window is not for this frame",
    "Load the tool again in Marketing Cloud; what a window hands over is good for a minute, and once.",
);

pub(super) const JOURNEY_UNSIGNED: Row = (
    "SG-2060",
    StatusCode::UNAUTHORIZED,
    "The call is not signed by this tool's package",
    "Whoever runs this tool: set useJwt: true in the activity's config.json, and the package's signing secret in `marketing_cloud.jwt_signing_secret`.",
);
