//! Every failure a client can see: one enum, from which the page, the JSON document, the log line
//! and the metric label come. Codes are stable; a code is never given a second meaning.

mod access;
mod command_line;
mod envelope;
mod frames;
mod german;
mod provider;
mod setup;
mod sign_in;
mod told;
mod upstream;

use http::StatusCode;

pub use command_line::CommandFault;
pub use envelope::EnvelopeFault;
pub use told::Told;

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
    /// A SOAP request that cannot be given its token.
    Envelope(EnvelopeFault),
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
    /// People of this tenant are not let in.
    TenantNotAdmitted,
    /// The provider answered with the hosts of another tenant than the person's.
    TenantsMixed,
    /// The person has no access to the business unit.
    UnitDenied,
    /// The route wants another business unit.
    OtherUnit,
    /// Another switch of business unit came after this one.
    UnitOvertaken,
    /// The request names no business unit.
    UnitMalformed,
    /// The route is for other enterprises.
    OtherEnterprise,
    /// The route is for other mail domains.
    OtherEmailDomain,
    /// The route wants a permission that the person lacks.
    PermissionMissing,
    /// The session has no refresh token, and so no way into another business unit.
    UnitFixed,
    /// The package's app posts a signed token, as before OAuth.
    LegacySignIn,
    /// A frame's cookies do not come back.
    FrameCookies,
    /// What a window gave a frame is not what the frame waits for.
    HandoverRefused,
    /// A callback of Journey Builder without a signature of the package's.
    JourneyUnsigned,
    /// A proxy in front asks without saying about which path.
    PathUnnamed,
    /// A proxy in front asks about a path that no session opens.
    SignedCallsOnly,
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
    pub const ALL: [Self; 82] = [
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
        Self::Envelope(EnvelopeFault::Media),
        Self::Envelope(EnvelopeFault::Coded),
        Self::Envelope(EnvelopeFault::Encoding),
        Self::Envelope(EnvelopeFault::Malformed),
        Self::Envelope(EnvelopeFault::Doctype),
        Self::Envelope(EnvelopeFault::Structure),
        Self::Envelope(EnvelopeFault::Limit),
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
        Self::TenantNotAdmitted,
        Self::TenantsMixed,
        Self::UnitDenied,
        Self::OtherUnit,
        Self::UnitOvertaken,
        Self::UnitMalformed,
        Self::OtherEnterprise,
        Self::OtherEmailDomain,
        Self::PermissionMissing,
        Self::UnitFixed,
        Self::LegacySignIn,
        Self::FrameCookies,
        Self::HandoverRefused,
        Self::JourneyUnsigned,
        Self::PathUnnamed,
        Self::SignedCallsOnly,
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
        self.code().starts_with("SG-2") && access::entry(self).is_none()
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
        if let Some(entry) = access::entry(self) {
            return entry;
        }
        let (code, status, title, advice) = match self {
            Self::Envelope(fault) => fault.entry(),
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
                "Use the address in `public_url`, or a host of one of the `tenants`; a proxy in front has to pass the Host header on unchanged.",
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
            Self::SignInRequired => sign_in::SIGN_IN_REQUIRED,
            Self::ForeignCallback => sign_in::FOREIGN_CALLBACK,
            Self::MalformedCallback => sign_in::MALFORMED_CALLBACK,
            Self::AccessDenied => sign_in::ACCESS_DENIED,
            Self::UserNotLicensed => sign_in::USER_NOT_LICENSED,
            Self::UnauthorizedClient => sign_in::UNAUTHORIZED_CLIENT,
            Self::InvalidScope => sign_in::INVALID_SCOPE,
            Self::AuthorizeRefused => sign_in::AUTHORIZE_REFUSED,
            Self::ProviderError => sign_in::PROVIDER_ERROR,
            Self::CodeRefused => sign_in::CODE_REFUSED,
            Self::ClientRefused => sign_in::CLIENT_REFUSED,
            Self::BadProviderReply => sign_in::BAD_PROVIDER_REPLY,
            Self::OutsideFence => sign_in::OUTSIDE_FENCE,
            Self::ProviderUnavailable => sign_in::PROVIDER_UNAVAILABLE,
            Self::ForeignTenant => sign_in::FOREIGN_TENANT,
            Self::SessionTooLarge => sign_in::SESSION_TOO_LARGE,
            Self::SessionLost => sign_in::SESSION_LOST,
            Self::SessionRefused => sign_in::SESSION_REFUSED,
            Self::SessionCut => sign_in::SESSION_CUT,
            Self::SessionEnded => sign_in::SESSION_ENDED,
            Self::InsecureFront => sign_in::INSECURE_FRONT,
            Self::FormNotSent => sign_in::FORM_NOT_SENT,
            Self::ClocksDiffer => sign_in::CLOCKS_DIFFER,
            Self::SessionDoubled => sign_in::SESSION_DOUBLED,
            Self::TenantNotAdmitted => sign_in::TENANT_NOT_ADMITTED,
            Self::TenantsMixed => sign_in::TENANTS_MIXED,
            Self::UnitDenied
            | Self::OtherUnit
            | Self::UnitOvertaken
            | Self::UnitMalformed
            | Self::OtherEnterprise
            | Self::OtherEmailDomain
            | Self::PermissionMissing
            | Self::UnitFixed
            | Self::PathUnnamed
            | Self::SignedCallsOnly
            | Self::Internal => (
                "SG-5001",
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something went wrong in the gateway",
                "Quote the code and the request id to whoever runs this tool.",
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
            Self::UpstreamUnreachable => upstream::UPSTREAM_UNREACHABLE,
            Self::UpstreamTimeout => upstream::UPSTREAM_TIMEOUT,
            Self::UpstreamBroken => upstream::UPSTREAM_BROKEN,
            Self::NoInstanceUrl => upstream::NO_INSTANCE_URL,
            Self::UpstreamNotPublic => upstream::UPSTREAM_NOT_PUBLIC,
            Self::UpstreamDown => upstream::UPSTREAM_DOWN,
            Self::UpstreamFull => upstream::UPSTREAM_FULL,
            Self::ApiThrottled => upstream::API_THROTTLED,
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
