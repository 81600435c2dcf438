//! What goes wrong around a sign-in.

use http::StatusCode;

use super::Row;

pub(super) const SIGN_IN_REQUIRED: Row = (
    "SG-2001",
    StatusCode::UNAUTHORIZED,
    "Please sign in",
    "Open `login_url` in the browser's window, then try again.",
);

pub(super) const FOREIGN_CALLBACK: Row = (
    "SG-2002",
    StatusCode::BAD_REQUEST,
    "This sign-in was not started here, or took too long",
    "Start again from the tool's address, in the same browser and within ten minutes; cookies must be allowed.",
);

pub(super) const MALFORMED_CALLBACK: Row = (
    "SG-2003",
    StatusCode::BAD_REQUEST,
    "The answer of the sign-in page is incomplete",
    "Start again from the tool's address.",
);

pub(super) const ACCESS_DENIED: Row = (
    "SG-2004",
    StatusCode::FORBIDDEN,
    "Access was denied",
    "Sign in with another user, or ask your Marketing Cloud administrator for access.",
);

pub(super) const USER_NOT_LICENSED: Row = (
    "SG-2005",
    StatusCode::FORBIDDEN,
    "Your user is not licensed for this tool",
    "Ask your Marketing Cloud administrator to license your user on the package's Access tab; a change takes up to five minutes.",
);

pub(super) const UNAUTHORIZED_CLIENT: Row = (
    "SG-2006",
    StatusCode::FORBIDDEN,
    "The package may not sign people in",
    "Whoever runs this tool: the installed package needs a Web App or Public App integration, not Server-to-Server. A change in Setup takes up to five minutes.",
);

pub(super) const INVALID_SCOPE: Row = (
    "SG-2007",
    StatusCode::FORBIDDEN,
    "A permission that was asked for is not part of the package",
    "Whoever runs this tool: make `marketing_cloud.scope` a subset of the package's scopes, or leave it out. A change in Setup takes up to five minutes.",
);

pub(super) const AUTHORIZE_REFUSED: Row = (
    "SG-2008",
    StatusCode::FORBIDDEN,
    "Marketing Cloud finds the sign-in request wrong",
    "Whoever runs this tool: compare client id and redirect URI with the installed package, character by character. A change in Setup takes up to five minutes.",
);

pub(super) const PROVIDER_ERROR: Row = (
    "SG-2009",
    StatusCode::BAD_GATEWAY,
    "Marketing Cloud reported an error",
    "Try again in a few minutes; if it stays, quote the code and the request id to whoever runs this tool.",
);

pub(super) const CODE_REFUSED: Row = (
    "SG-2010",
    StatusCode::BAD_REQUEST,
    "The sign-in was used already or took too long",
    "Start again from the tool's address.",
);

pub(super) const CLIENT_REFUSED: Row = (
    "SG-2011",
    StatusCode::BAD_GATEWAY,
    "Marketing Cloud does not accept this tool's credentials",
    "Whoever runs this tool: check client id, client type and secret; a secret expires 180 days after it was made. A change in Setup takes up to five minutes.",
);

pub(super) const BAD_PROVIDER_REPLY: Row = (
    "SG-2012",
    StatusCode::BAD_GATEWAY,
    "Marketing Cloud's answer could not be used",
    "Try again; if it stays, quote the code and the request id to whoever runs this tool.",
);

pub(super) const OUTSIDE_FENCE: Row = (
    "SG-2013",
    StatusCode::BAD_GATEWAY,
    "The tenant's address is not one that tokens may go to",
    "Whoever runs this tool: if the host named in the log is right, add it to `marketing_cloud.instance_hosts`.",
);

pub(super) const PROVIDER_UNAVAILABLE: Row = (
    "SG-2014",
    StatusCode::SERVICE_UNAVAILABLE,
    "Marketing Cloud cannot be reached at the moment",
    "Try again in a few seconds.",
);

pub(super) const FOREIGN_TENANT: Row = (
    "SG-2015",
    StatusCode::FORBIDDEN,
    "The sign-in came back from another tenant",
    "Sign in with a user of this tool's Marketing Cloud account.",
);

pub(super) const SESSION_TOO_LARGE: Row = (
    "SG-2016",
    StatusCode::BAD_GATEWAY,
    "The session does not fit the browser's cookies",
    "Whoever runs this tool: ask for fewer scopes, so that the tokens become shorter; the log says what filled it.",
);

pub(super) const SESSION_LOST: Row = (
    "SG-2017",
    StatusCode::BAD_REQUEST,
    "Your browser does not keep the session",
    "Allow cookies for this site. Whoever runs this tool: a proxy in front must pass Set-Cookie on, and header lines of 8 KB.",
);

pub(super) const SESSION_REFUSED: Row = (
    "SG-2018",
    StatusCode::BAD_REQUEST,
    "Your session comes back but is not accepted",
    "Whoever runs this tool: all gateways behind this address need the same `session.keys` and clocks that agree.",
);

pub(super) const SESSION_CUT: Row = (
    "SG-2019",
    StatusCode::BAD_REQUEST,
    "Only a part of your session comes back",
    "Delete this site's cookies and try again. Whoever runs this tool: the session may be too large for a proxy in front.",
);

pub(super) const SESSION_ENDED: Row = (
    "SG-2020",
    StatusCode::BAD_GATEWAY,
    "Marketing Cloud ends your session at once",
    "Whoever runs this tool: look at the log for the provider's answer to the token refresh.",
);

pub(super) const INSECURE_FRONT: Row = (
    "SG-2021",
    StatusCode::BAD_REQUEST,
    "This address must be opened by https",
    "Open it with https://. Whoever runs this tool: the proxy in front says `X-Forwarded-Proto: http`, but `public_url` is https.",
);

pub(super) const FORM_NOT_SENT: Row = (
    "SG-2022",
    StatusCode::UNAUTHORIZED,
    "The form was not sent",
    "Your session is over. Sign in, then send the form again; the page before this one may still hold what you wrote.",
);

pub(super) const CLOCKS_DIFFER: Row = (
    "SG-2023",
    StatusCode::BAD_GATEWAY,
    "The clocks of this tool's gateways differ",
    "Whoever runs this tool: set the clocks of all gateways behind this address by NTP; a session that one makes is over for another.",
);

pub(super) const SESSION_DOUBLED: Row = (
    "SG-2024",
    StatusCode::BAD_REQUEST,
    "Your browser sends two sessions at once",
    "Delete the cookies of this site and of its parent domain, then sign in again.",
);

pub(super) const TENANT_NOT_ADMITTED: Row = (
    "SG-2040",
    StatusCode::FORBIDDEN,
    "Your Marketing Cloud account may not use this tool",
    "Ask whoever runs this tool to list your account's subdomain in `marketing_cloud.partner.tenants`.",
);

pub(super) const TENANTS_MIXED: Row = (
    "SG-2041",
    StatusCode::BAD_GATEWAY,
    "Marketing Cloud answered with another account's address",
    "Try again; if it stays, quote the code and the request id to whoever runs this tool: the host is in the log.",
);
