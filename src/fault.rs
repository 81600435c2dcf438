//! Every failure a client can see: one enum, from which the page, the JSON document, the log line
//! and the metric label come. Codes are stable; a code is never given a second meaning.

mod frames;
mod provider;
mod setup;

use http::StatusCode;

/// What went wrong, by what the person or the operator has to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    // 1: the request
    /// The request breaks HTTP's rules.
    MalformedRequest,
    /// The target can be read in two ways.
    AmbiguousTarget,
    /// The authority is not one that this gateway serves.
    UnknownHost,
    /// No route matches the path.
    NoRoute,
    /// The method is not served here.
    MethodNotAllowed,
    /// An unsafe request that another site may have caused.
    CrossSite,
    /// The request's body is larger than allowed.
    BodyTooLarge,
    /// The request's header section or target is larger than allowed.
    HeadTooLarge,
    /// The request did not arrive in time.
    RequestTimeout,
    /// An upgrade that is not a well-formed WebSocket handshake.
    BadUpgrade,
    /// The request's target is longer than allowed.
    TargetTooLong,
    /// The client stopped sending its body.
    BodyTooSlow,
    /// A GET or HEAD request with a body.
    UnexpectedBody,
    /// Another site does more than link to an isolated route.
    Isolated,
    /// One person or tenant has too many requests under way.
    TooManyAtOnce,
    /// One address signs in too often.
    RateLimited,
    // 2: signing in
    /// There is no session, or it ended.
    SignInRequired,
    /// The callback belongs to no sign-in that this browser started.
    ForeignCallback,
    /// The callback lacks or repeats a parameter.
    MalformedCallback,
    /// The person or an administrator said no.
    AccessDenied,
    /// The person is not licensed for the package.
    UserNotLicensed,
    /// The package may not use the authorization-code flow.
    UnauthorizedClient,
    /// A configured scope is not part of the package.
    InvalidScope,
    /// The provider finds the authorization request wrong.
    AuthorizeRefused,
    /// The provider answered with an error of its own.
    ProviderError,
    /// The provider did not accept the code.
    CodeRefused,
    /// The provider did not accept the client id or secret.
    ClientRefused,
    /// The provider's answer is not what OAuth 2.0 asks for.
    BadProviderReply,
    /// The provider named a tenant host outside the fence.
    OutsideFence,
    /// The provider cannot be reached or is overloaded.
    ProviderUnavailable,
    /// The callback names another tenant.
    ForeignTenant,
    /// The session does not fit the browser's cookies.
    SessionTooLarge,
    /// Signed in again and again, and no session cookie ever comes back.
    SessionLost,
    /// Signed in again and again, and the session cookie that comes back does not open.
    SessionRefused,
    /// Signed in again and again, and only a part of the session comes back.
    SessionCut,
    /// Signed in again and again, and the provider ends the session at once.
    SessionEnded,
    /// The browser comes by http although the public URL is https.
    InsecureFront,
    /// A form met a session that is over.
    FormNotSent,
    /// Signed in again and again, and the session is over at once by another gateway's clock.
    ClocksDiffer,
    /// Signed in again and again, and two sessions come back at once.
    SessionDoubled,
    /// The package's app posts a signed token, as before OAuth.
    LegacySignIn,
    /// A frame's cookies do not come back.
    FrameCookies,
    /// What a window gave a frame is not what the frame waits for.
    HandoverRefused,
    /// A callback of Journey Builder without a signature of the package's.
    JourneyUnsigned,
    // 3: living sessions
    /// The token ran out and cannot be renewed at the moment.
    RefreshUnavailable,
    /// The store that keeps the sessions does not answer.
    StoreUnavailable,
    /// The provider wants fewer token requests and says until when.
    ProviderThrottled,
    /// The provider wants fewer token requests and does not say until when.
    ProviderBlocked,
    /// The provider says 596: there is no such service.
    ProviderGone,
    /// The redirect URI is none of the package's.
    RedirectMismatch,
    /// The endpoint is not for packages of the present kind.
    LegacyEndpoint,
    // 4: behind the gateway
    /// No connection to the destination.
    UpstreamUnreachable,
    /// The destination did not answer in time.
    UpstreamTimeout,
    /// The destination broke off or broke HTTP's rules.
    UpstreamBroken,
    /// The session knows no base URL for this kind of route.
    NoInstanceUrl,
    /// A tenant's host leads to an address that is not public.
    UpstreamNotPublic,
    /// No address of the destination works; none is tried at the moment.
    UpstreamDown,
    /// All connections to the destination are in use.
    UpstreamFull,
    /// The tenant's API has asked this person to wait.
    ApiThrottled,
    // 5: the gateway itself
    /// A defect of ours.
    Internal,
    /// Too much at once, or shutting down.
    Overloaded,
    /// As many connections as allowed are open.
    TooManyConnections,
    /// As many connections as one address may have are open.
    TooManyFromAddress,
}

/// Code, status, title and advice.
type Row = (&'static str, StatusCode, &'static str, &'static str);

/// What is said about a fault everywhere it is shown.
struct Entry {
    code: &'static str,
    status: StatusCode,
    title: &'static str,
    advice: &'static str,
}

impl Fault {
    /// Every fault, for tables and tests.
    pub const ALL: [Self; 63] = [
        Self::MalformedRequest,
        Self::AmbiguousTarget,
        Self::UnknownHost,
        Self::NoRoute,
        Self::MethodNotAllowed,
        Self::CrossSite,
        Self::BodyTooLarge,
        Self::HeadTooLarge,
        Self::RequestTimeout,
        Self::BadUpgrade,
        Self::TargetTooLong,
        Self::BodyTooSlow,
        Self::UnexpectedBody,
        Self::Isolated,
        Self::TooManyAtOnce,
        Self::RateLimited,
        Self::SignInRequired,
        Self::ForeignCallback,
        Self::MalformedCallback,
        Self::AccessDenied,
        Self::UserNotLicensed,
        Self::UnauthorizedClient,
        Self::InvalidScope,
        Self::AuthorizeRefused,
        Self::ProviderError,
        Self::CodeRefused,
        Self::ClientRefused,
        Self::BadProviderReply,
        Self::OutsideFence,
        Self::ProviderUnavailable,
        Self::ForeignTenant,
        Self::SessionTooLarge,
        Self::SessionLost,
        Self::SessionRefused,
        Self::SessionCut,
        Self::SessionEnded,
        Self::InsecureFront,
        Self::FormNotSent,
        Self::ClocksDiffer,
        Self::SessionDoubled,
        Self::LegacySignIn,
        Self::FrameCookies,
        Self::HandoverRefused,
        Self::JourneyUnsigned,
        Self::RefreshUnavailable,
        Self::StoreUnavailable,
        Self::ProviderThrottled,
        Self::ProviderBlocked,
        Self::ProviderGone,
        Self::RedirectMismatch,
        Self::LegacyEndpoint,
        Self::UpstreamUnreachable,
        Self::UpstreamTimeout,
        Self::UpstreamBroken,
        Self::NoInstanceUrl,
        Self::UpstreamNotPublic,
        Self::UpstreamDown,
        Self::UpstreamFull,
        Self::ApiThrottled,
        Self::Internal,
        Self::Overloaded,
        Self::TooManyConnections,
        Self::TooManyFromAddress,
    ];

    /// The stable code, such as `SG-2001`.
    pub fn code(self) -> &'static str {
        self.entry().code
    }

    /// Whether it belongs to signing in.
    pub fn is_of_sign_in(self) -> bool {
        self.code().starts_with("SG-2")
    }

    /// The status of an answer that reports this fault.
    pub fn status(self) -> StatusCode {
        self.entry().status
    }

    /// What happened, in a few words.
    pub fn title(self) -> &'static str {
        self.entry().title
    }

    /// The one thing to do next, as a sentence.
    pub fn advice(self) -> &'static str {
        self.entry().advice
    }

    #[expect(clippy::too_many_lines, reason = "a table")]
    fn entry(self) -> Entry {
        let (code, status, title, advice) = match self {
            Self::MalformedRequest => (
                "SG-1001",
                StatusCode::BAD_REQUEST,
                "The request is malformed",
                "Send a request that follows HTTP's grammar; a browser always does.",
            ),
            Self::AmbiguousTarget => (
                "SG-1002",
                StatusCode::BAD_REQUEST,
                "The address can be read in two ways",
                "Write the path without dot segments, empty segments, backslashes, semicolons or encoded separators.",
            ),
            Self::UnknownHost => (
                "SG-1003",
                StatusCode::MISDIRECTED_REQUEST,
                "This host is not served here",
                "Use the address in `public_url`; a proxy in front has to pass the Host header on unchanged.",
            ),
            Self::NoRoute => (
                "SG-1004",
                StatusCode::NOT_FOUND,
                "Nothing is served at this address",
                "Check the path, or add a route for it to the configuration.",
            ),
            Self::MethodNotAllowed => (
                "SG-1005",
                StatusCode::METHOD_NOT_ALLOWED,
                "The method is not served here",
                "Use one of the methods in the Allow header.",
            ),
            Self::CrossSite => (
                "SG-1006",
                StatusCode::FORBIDDEN,
                "The request may come from another site",
                "Send unsafe requests from a page of this origin; other clients add an Origin header that equals it.",
            ),
            Self::BodyTooLarge => (
                "SG-1007",
                StatusCode::PAYLOAD_TOO_LARGE,
                "The request's body is too large",
                "Send less at once. Whoever runs this tool: `limits.body_size`, or `body_size` of the route.",
            ),
            Self::HeadTooLarge => (
                "SG-1008",
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "The request's header section is too large",
                "Delete this site's cookies. Whoever runs this tool: `limits.head_size` and `limits.header_count`.",
            ),
            Self::RequestTimeout => (
                "SG-1009",
                StatusCode::REQUEST_TIMEOUT,
                "The request did not arrive in time",
                "Send it again. Whoever runs this tool: `timeouts.head` is how long a head may take.",
            ),
            Self::BadUpgrade => (
                "SG-1010",
                StatusCode::BAD_REQUEST,
                "The upgrade is not a WebSocket handshake",
                "Send Connection, Upgrade, Sec-WebSocket-Key and Sec-WebSocket-Version: 13, and no body (RFC 6455 4.1).",
            ),
            Self::TargetTooLong => (
                "SG-1011",
                StatusCode::URI_TOO_LONG,
                "The address is too long",
                "Shorten it, or send the parameters in a body. Whoever runs this tool: `limits.target_length`.",
            ),
            Self::BodyTooSlow => (
                "SG-1012",
                StatusCode::REQUEST_TIMEOUT,
                "The request's body stopped coming",
                "Send it again. Whoever runs this tool: `timeouts.body_progress` is how long a body may stand still.",
            ),
            Self::UnexpectedBody => (
                "SG-1015",
                StatusCode::BAD_REQUEST,
                "A GET or HEAD request has a body",
                "Send the body with POST, PUT, PATCH or DELETE: servers disagree on whether it is there otherwise (RFC 9110 9.3.1).",
            ),
            Self::Isolated => (
                "SG-1016",
                StatusCode::FORBIDDEN,
                "Other sites may only link to this address",
                "Open the address itself; whoever runs this tool can list the other page's origin in `allowed_origins`.",
            ),
            Self::TooManyAtOnce => (
                "SG-1020",
                StatusCode::TOO_MANY_REQUESTS,
                "Too many requests at once",
                "Wait for some of your requests to end. Whoever runs this tool: `limits.per_user` and `limits.per_tenant` say how many may be under way.",
            ),
            Self::RateLimited => (
                "SG-1021",
                StatusCode::TOO_MANY_REQUESTS,
                "Too many sign-ins from your address",
                "Wait a moment and try again. Whoever runs this tool: if many people share one address, raise `rate_limits`, or name the proxy in front in `trusted_proxies`.",
            ),
            Self::SignInRequired => (
                "SG-2001",
                StatusCode::UNAUTHORIZED,
                "Please sign in",
                "Open `login_url` in the browser's window, then try again.",
            ),
            Self::ForeignCallback => (
                "SG-2002",
                StatusCode::BAD_REQUEST,
                "This sign-in was not started here, or took too long",
                "Start again from the tool's address, in the same browser and within ten minutes; cookies must be allowed.",
            ),
            Self::MalformedCallback => (
                "SG-2003",
                StatusCode::BAD_REQUEST,
                "The answer of the sign-in page is incomplete",
                "Start again from the tool's address.",
            ),
            Self::AccessDenied => (
                "SG-2004",
                StatusCode::FORBIDDEN,
                "Access was denied",
                "Sign in with another user, or ask your Marketing Cloud administrator for access.",
            ),
            Self::UserNotLicensed => (
                "SG-2005",
                StatusCode::FORBIDDEN,
                "Your user is not licensed for this tool",
                "Ask your Marketing Cloud administrator to license your user on the package's Access tab; a change takes up to five minutes.",
            ),
            Self::UnauthorizedClient => (
                "SG-2006",
                StatusCode::FORBIDDEN,
                "The package may not sign people in",
                "Whoever runs this tool: the installed package needs a Web App or Public App integration, not Server-to-Server. A change in Setup takes up to five minutes.",
            ),
            Self::InvalidScope => (
                "SG-2007",
                StatusCode::FORBIDDEN,
                "A permission that was asked for is not part of the package",
                "Whoever runs this tool: make `marketing_cloud.scope` a subset of the package's scopes, or leave it out. A change in Setup takes up to five minutes.",
            ),
            Self::AuthorizeRefused => (
                "SG-2008",
                StatusCode::FORBIDDEN,
                "Marketing Cloud finds the sign-in request wrong",
                "Whoever runs this tool: compare client id and redirect URI with the installed package, character by character. A change in Setup takes up to five minutes.",
            ),
            Self::ProviderError => (
                "SG-2009",
                StatusCode::BAD_GATEWAY,
                "Marketing Cloud reported an error",
                "Try again in a few minutes; if it stays, quote the code and the request id to whoever runs this tool.",
            ),
            Self::CodeRefused => (
                "SG-2010",
                StatusCode::BAD_REQUEST,
                "The sign-in was used already or took too long",
                "Start again from the tool's address.",
            ),
            Self::ClientRefused => (
                "SG-2011",
                StatusCode::BAD_GATEWAY,
                "Marketing Cloud does not accept this tool's credentials",
                "Whoever runs this tool: check client id, client type and secret; a secret expires 180 days after it was made. A change in Setup takes up to five minutes.",
            ),
            Self::BadProviderReply => (
                "SG-2012",
                StatusCode::BAD_GATEWAY,
                "Marketing Cloud's answer could not be used",
                "Try again; if it stays, quote the code and the request id to whoever runs this tool.",
            ),
            Self::OutsideFence => (
                "SG-2013",
                StatusCode::BAD_GATEWAY,
                "The tenant's address is not one that tokens may go to",
                "Whoever runs this tool: if the host named in the log is right, add it to `marketing_cloud.instance_hosts`.",
            ),
            Self::ProviderUnavailable => (
                "SG-2014",
                StatusCode::SERVICE_UNAVAILABLE,
                "Marketing Cloud cannot be reached at the moment",
                "Try again in a few seconds.",
            ),
            Self::ForeignTenant => (
                "SG-2015",
                StatusCode::FORBIDDEN,
                "The sign-in came back from another tenant",
                "Sign in with a user of this tool's Marketing Cloud account.",
            ),
            Self::SessionTooLarge => (
                "SG-2016",
                StatusCode::BAD_GATEWAY,
                "The session does not fit the browser's cookies",
                "Whoever runs this tool: ask for fewer scopes, so that the tokens become shorter; the log says what filled it.",
            ),
            Self::SessionLost => (
                "SG-2017",
                StatusCode::BAD_REQUEST,
                "Your browser does not keep the session",
                "Allow cookies for this site. Whoever runs this tool: a proxy in front must pass Set-Cookie on, and header lines of 8 KB.",
            ),
            Self::SessionRefused => (
                "SG-2018",
                StatusCode::BAD_REQUEST,
                "Your session comes back but is not accepted",
                "Whoever runs this tool: all gateways behind this address need the same `session.keys` and clocks that agree.",
            ),
            Self::SessionCut => (
                "SG-2019",
                StatusCode::BAD_REQUEST,
                "Only a part of your session comes back",
                "Delete this site's cookies and try again. Whoever runs this tool: the session may be too large for a proxy in front.",
            ),
            Self::SessionEnded => (
                "SG-2020",
                StatusCode::BAD_GATEWAY,
                "Marketing Cloud ends your session at once",
                "Whoever runs this tool: look at the log for the provider's answer to the token refresh.",
            ),
            Self::InsecureFront => (
                "SG-2021",
                StatusCode::BAD_REQUEST,
                "This address must be opened by https",
                "Open it with https://. Whoever runs this tool: the proxy in front says `X-Forwarded-Proto: http`, but `public_url` is https.",
            ),
            Self::FormNotSent => (
                "SG-2022",
                StatusCode::UNAUTHORIZED,
                "The form was not sent",
                "Your session is over. Sign in, then send the form again; the page before this one may still hold what you wrote.",
            ),
            Self::ClocksDiffer => (
                "SG-2023",
                StatusCode::BAD_GATEWAY,
                "The clocks of this tool's gateways differ",
                "Whoever runs this tool: set the clocks of all gateways behind this address by NTP; a session that one makes is over for another.",
            ),
            Self::SessionDoubled => (
                "SG-2024",
                StatusCode::BAD_REQUEST,
                "Your browser sends two sessions at once",
                "Delete the cookies of this site and of its parent domain, then sign in again.",
            ),
            Self::LegacySignIn => frames::LEGACY_SIGN_IN,
            Self::FrameCookies => frames::FRAME_COOKIES,
            Self::HandoverRefused => frames::HANDOVER_REFUSED,
            Self::JourneyUnsigned => frames::JOURNEY_UNSIGNED,
            Self::RefreshUnavailable => (
                "SG-3001",
                StatusCode::SERVICE_UNAVAILABLE,
                "Your session cannot be renewed at the moment",
                "Wait a few seconds and try again; you stay signed in.",
            ),
            Self::StoreUnavailable => (
                "SG-3002",
                StatusCode::SERVICE_UNAVAILABLE,
                "Sessions cannot be looked up at the moment",
                "Try again in a few seconds; nobody is signed out. Whoever runs this tool: the session store does not answer, see the log.",
            ),
            Self::ProviderThrottled => provider::PROVIDER_THROTTLED,
            Self::ProviderBlocked => provider::PROVIDER_BLOCKED,
            Self::ProviderGone => provider::PROVIDER_GONE,
            Self::RedirectMismatch => provider::REDIRECT_MISMATCH,
            Self::LegacyEndpoint => provider::LEGACY_ENDPOINT,
            Self::UpstreamUnreachable => (
                "SG-4001",
                StatusCode::BAD_GATEWAY,
                "The service behind the gateway cannot be reached",
                "Whoever runs this tool: check that it runs and listens on the address in the route's `to`.",
            ),
            Self::UpstreamTimeout => (
                "SG-4002",
                StatusCode::GATEWAY_TIMEOUT,
                "The service behind the gateway did not answer in time",
                "Try again; for slow operations raise `timeouts.upstream_response`.",
            ),
            Self::UpstreamBroken => (
                "SG-4003",
                StatusCode::BAD_GATEWAY,
                "The service behind the gateway broke off its answer",
                "Try again; if it stays, look at the service's own log.",
            ),
            Self::NoInstanceUrl => (
                "SG-4004",
                StatusCode::BAD_GATEWAY,
                "Your tenant's address for this API is not known",
                "Sign out and in again; if it stays, Marketing Cloud's token answer lacks the instance URL.",
            ),
            Self::UpstreamNotPublic => (
                "SG-4005",
                StatusCode::BAD_GATEWAY,
                "Your tenant's address leads somewhere it must not",
                "Whoever runs this tool: look at how the host resolves; if a private address is meant, name the host itself in `marketing_cloud.instance_hosts`.",
            ),
            Self::UpstreamDown => (
                "SG-4006",
                StatusCode::SERVICE_UNAVAILABLE,
                "The service behind the gateway does not work at the moment",
                "Try again in a few seconds. Whoever runs this tool: the log says which address failed and why.",
            ),
            Self::UpstreamFull => (
                "SG-4007",
                StatusCode::SERVICE_UNAVAILABLE,
                "The service behind the gateway has too much to do",
                "Try again in a few seconds. Whoever runs this tool: the service is slow, or `upstream.max_connections` is too small.",
            ),
            Self::ApiThrottled => (
                "SG-4008",
                StatusCode::TOO_MANY_REQUESTS,
                "Marketing Cloud has asked you to wait",
                "Try again after the seconds in Retry-After; the API answered an earlier request of yours with a limit.",
            ),
            Self::Internal => (
                "SG-5001",
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something went wrong in the gateway",
                "Quote the code and the request id to whoever runs this tool.",
            ),
            Self::Overloaded => (
                "SG-5002",
                StatusCode::SERVICE_UNAVAILABLE,
                "The gateway is too busy or shutting down",
                "Try again in a few seconds.",
            ),
            Self::TooManyConnections => (
                "SG-5003",
                StatusCode::SERVICE_UNAVAILABLE,
                "Too many connections are open",
                "Try again in a few seconds. Whoever runs this tool: `limits.connections`.",
            ),
            Self::TooManyFromAddress => (
                "SG-5004",
                StatusCode::TOO_MANY_REQUESTS,
                "Your address has too many connections open",
                "Close some. Whoever runs this tool: `limits.connections_per_address`; proxies belong into `trusted_proxies`.",
            ),
        };
        Entry {
            code,
            status,
            title,
            advice,
        }
    }
}

#[cfg(test)]
mod tests;
