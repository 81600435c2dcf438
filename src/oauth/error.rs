//! The provider's error codes, with what follows from each. Decided on codes, never on messages.

use std::fmt;

use serde::Deserialize;

use super::reply;
use crate::fault::Fault;

/// The `error` of an authorization answer (RFC 6749 §4.1.2.1 and Marketing Cloud's own).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthorizeError {
    /// `access_denied`.
    AccessDenied,
    /// `user_not_licensed`: the person is missing on the package's Access tab.
    UserNotLicensed,
    /// `unauthorized_client`: the integration is of another type.
    UnauthorizedClient,
    /// `invalid_scope`.
    InvalidScope,
    /// `invalid_request`.
    InvalidRequest,
    /// `unsupported_response_type`.
    UnsupportedResponseType,
    /// `invalid_client`: the client id is unknown, or not yet known everywhere.
    InvalidClient,
    /// `redirect_uri_mismatch`: the redirect URI is none of the package's.
    RedirectUriMismatch,
    /// `server_error`.
    ServerError,
    /// `temporarily_unavailable`.
    TemporarilyUnavailable,
    /// Any other code.
    Other,
}

impl AuthorizeError {
    /// Reads the parameter's value.
    pub fn parse(code: &str) -> Self {
        match code {
            "access_denied" => Self::AccessDenied,
            "user_not_licensed" => Self::UserNotLicensed,
            "unauthorized_client" => Self::UnauthorizedClient,
            "invalid_scope" => Self::InvalidScope,
            "invalid_request" => Self::InvalidRequest,
            "unsupported_response_type" => Self::UnsupportedResponseType,
            "invalid_client" => Self::InvalidClient,
            "redirect_uri_mismatch" => Self::RedirectUriMismatch,
            "server_error" => Self::ServerError,
            "temporarily_unavailable" => Self::TemporarilyUnavailable,
            _ => Self::Other,
        }
    }

    /// What the person is told.
    pub const fn fault(self) -> Fault {
        match self {
            Self::AccessDenied => Fault::AccessDenied,
            Self::UserNotLicensed => Fault::UserNotLicensed,
            Self::UnauthorizedClient => Fault::UnauthorizedClient,
            Self::InvalidScope => Fault::InvalidScope,
            Self::InvalidRequest | Self::UnsupportedResponseType => Fault::AuthorizeRefused,
            Self::InvalidClient => Fault::ClientRefused,
            Self::RedirectUriMismatch => Fault::RedirectMismatch,
            Self::ServerError | Self::Other => Fault::ProviderError,
            Self::TemporarilyUnavailable => Fault::ProviderUnavailable,
        }
    }
}

/// The code of an error reply of `/v2/token` or `/v2/userinfo` (RFC 6749 §5.2, RFC 6750 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenErrorCode {
    /// `invalid_grant`: the code or refresh token is used up, expired or revoked.
    InvalidGrant,
    /// `invalid_client`: the client id or secret is not accepted.
    InvalidClient,
    /// `unauthorized_client`: the integration may not use this grant.
    UnauthorizedClient,
    /// `invalid_request`.
    InvalidRequest,
    /// `invalid_token`.
    InvalidToken,
    /// `access_denied`.
    AccessDenied,
    /// `invalid_scope`.
    InvalidScope,
    /// `unsupported_grant_type`.
    UnsupportedGrantType,
    /// `user_not_licensed`: the person is missing on the package's Access tab.
    UserNotLicensed,
    /// `redirect_uri_mismatch`: the redirect URI is none of the package's.
    RedirectUriMismatch,
    /// Error code 10007: an endpoint of legacy packages.
    LegacyEndpoint,
    /// Any other code.
    Other,
}

impl TokenErrorCode {
    /// Finds the code in an error reply's body, in either dialect of the authorization host:
    /// `{"error": …}` or `{"message": …, "errorcode": …}`. `None` if it is neither.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let Dialects {
            error,
            errorcode,
            message,
        } = reply::object(body).ok()?;
        match (error, errorcode, message) {
            (Some(code), _, _) => Some(Self::of_oauth(&code)),
            (None, Some(code), Some(_)) => Some(Self::of_rest(code)),
            _ => None,
        }
    }

    /// The code's own spelling, for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidClient => "invalid_client",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::AccessDenied => "access_denied",
            Self::InvalidScope => "invalid_scope",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UserNotLicensed => "user_not_licensed",
            Self::RedirectUriMismatch => "redirect_uri_mismatch",
            Self::LegacyEndpoint => "legacy_endpoint",
            Self::Other => "other",
        }
    }

    /// What a refused refresh means for the session.
    ///
    /// Marketing Cloud answers a dead refresh token with several codes. The ones that speak about
    /// the client are the operator's to mend, and nobody is signed out for them.
    pub const fn consequence(self) -> Consequence {
        match self {
            Self::InvalidGrant
            | Self::InvalidToken
            | Self::AccessDenied
            | Self::InvalidRequest
            | Self::UserNotLicensed => Consequence::EndSession,
            Self::InvalidClient
            | Self::UnauthorizedClient
            | Self::InvalidScope
            | Self::UnsupportedGrantType
            | Self::RedirectUriMismatch
            | Self::LegacyEndpoint => Consequence::Misconfigured,
            Self::Other => Consequence::KeepAndRetry,
        }
    }

    /// What a refused refresh means where another business unit was asked for.
    ///
    /// Nothing documents how a unit is refused that the person has no access to: by 401 or 403.
    pub const fn about_unit(self) -> AboutUnit {
        match self {
            Self::AccessDenied
            | Self::InvalidRequest
            | Self::UnauthorizedClient
            | Self::InvalidScope
            | Self::UserNotLicensed
            | Self::Other => AboutUnit::Refused,
            Self::InvalidGrant | Self::InvalidToken => AboutUnit::Unclear,
            Self::InvalidClient
            | Self::UnsupportedGrantType
            | Self::RedirectUriMismatch
            | Self::LegacyEndpoint => AboutUnit::Nothing,
        }
    }

    /// What the person is told when it ends a sign-in.
    pub const fn fault(self) -> Fault {
        match self {
            Self::InvalidGrant | Self::InvalidToken => Fault::CodeRefused,
            Self::InvalidClient => Fault::ClientRefused,
            Self::UnauthorizedClient | Self::UnsupportedGrantType => Fault::UnauthorizedClient,
            Self::InvalidRequest => Fault::AuthorizeRefused,
            Self::AccessDenied => Fault::AccessDenied,
            Self::InvalidScope => Fault::InvalidScope,
            Self::UserNotLicensed => Fault::UserNotLicensed,
            Self::RedirectUriMismatch => Fault::RedirectMismatch,
            Self::LegacyEndpoint => Fault::LegacyEndpoint,
            Self::Other => Fault::ProviderError,
        }
    }

    fn of_oauth(code: &str) -> Self {
        match code {
            "invalid_grant" => Self::InvalidGrant,
            "invalid_client" => Self::InvalidClient,
            "unauthorized_client" => Self::UnauthorizedClient,
            "invalid_request" => Self::InvalidRequest,
            "invalid_token" => Self::InvalidToken,
            "access_denied" => Self::AccessDenied,
            "invalid_scope" => Self::InvalidScope,
            "unsupported_grant_type" => Self::UnsupportedGrantType,
            "user_not_licensed" => Self::UserNotLicensed,
            "redirect_uri_mismatch" => Self::RedirectUriMismatch,
            _ => Self::Other,
        }
    }

    /// Marketing Cloud's table of REST error codes.
    const fn of_rest(code: i64) -> Self {
        match code {
            0 | 40_004 => Self::InvalidToken,
            10_000..=10_006 | 30_000 | 30_001 => Self::InvalidRequest,
            10_007 => Self::LegacyEndpoint,
            20_000..=20_002 | 40_000..=40_003 => Self::AccessDenied,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for TokenErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a refusal says about the unit that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AboutUnit {
    /// The person may not work there.
    Refused,
    /// It may as well be the refresh token that is dead.
    Unclear,
    /// It is about the client.
    Nothing,
}

/// What a failed refresh means for the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Consequence {
    /// The refresh token is dead: sign in again.
    EndSession,
    /// The operator has to act: keep the session, say so loudly.
    Misconfigured,
    /// It may work in a while: keep the session.
    KeepAndRetry,
}

#[derive(Deserialize)]
struct Dialects<'a> {
    #[serde(borrow)]
    error: Option<std::borrow::Cow<'a, str>>,
    errorcode: Option<i64>,
    message: Option<serde::de::IgnoredAny>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorization_errors_have_pages_of_their_own() {
        for (code, fault) in [
            ("access_denied", Fault::AccessDenied),
            ("user_not_licensed", Fault::UserNotLicensed),
            ("unauthorized_client", Fault::UnauthorizedClient),
            ("invalid_scope", Fault::InvalidScope),
            ("invalid_request", Fault::AuthorizeRefused),
            ("unsupported_response_type", Fault::AuthorizeRefused),
            ("server_error", Fault::ProviderError),
            ("temporarily_unavailable", Fault::ProviderUnavailable),
            ("invalid_client", Fault::ClientRefused),
            ("redirect_uri_mismatch", Fault::RedirectMismatch),
            ("Access_Denied", Fault::ProviderError),
            ("", Fault::ProviderError),
        ] {
            assert_eq!(AuthorizeError::parse(code).fault(), fault, "{code}");
        }
    }

    #[test]
    fn both_dialects_are_read() {
        for (body, code) in [
            // Recorded: Marketing Cloud's two shapes.
            (
                r#"{"error":"invalid_client","error_description":"Client authentication failed.","error_uri":"https://developer.salesforce.com/docs"}"#,
                Some(TokenErrorCode::InvalidClient),
            ),
            (
                r#"{"message":"Not Authorized","errorcode":0,"documentation":""}"#,
                Some(TokenErrorCode::InvalidToken),
            ),
            (
                r#"{"message":"x","errorcode":20002}"#,
                Some(TokenErrorCode::AccessDenied),
            ),
            (
                r#"{"message":"x","errorcode":10003}"#,
                Some(TokenErrorCode::InvalidRequest),
            ),
            (
                r#"{"message":"x","errorcode":50200}"#,
                Some(TokenErrorCode::Other),
            ),
            (
                r#"{"message":"This client is not eligible to use the legacy endpoint.","errorcode":10007,"documentation":""}"#,
                Some(TokenErrorCode::LegacyEndpoint),
            ),
            (r#"{"error":"new_code"}"#, Some(TokenErrorCode::Other)),
            (
                r#"{"error":"invalid\u005fgrant"}"#,
                Some(TokenErrorCode::InvalidGrant),
            ),
            (r#"{"error":"invalid_grant","error":"x"}"#, None),
            (r#"{"error":{"code":"invalid_grant"}}"#, None),
            (r#"{"errorcode":0}"#, None),
            (r#"{"message":"invalid_grant"}"#, None),
            (r#"["invalid_grant",0,"x"]"#, None),
            (r#""invalid_grant""#, None),
            ("<html>invalid_grant</html>", None),
            ("", None),
        ] {
            assert_eq!(TokenErrorCode::parse(body.as_bytes()), code, "{body}");
        }
    }

    /// Every error in the provider's terms, with the code and the words that people get to see.
    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn every_error_has_its_code_and_its_words() {
        for (body, code, words) in [
            (r#"{"error":"invalid_grant"}"#, "SG-2010", "used already"),
            (r#"{"error":"invalid_token"}"#, "SG-2010", "used already"),
            (r#"{"error":"invalid_client"}"#, "SG-2011", "180 days"),
            (r#"{"error":"invalid_client"}"#, "SG-2011", "five minutes"),
            (
                r#"{"error":"unauthorized_client"}"#,
                "SG-2006",
                "five minutes",
            ),
            (
                r#"{"error":"unsupported_grant_type"}"#,
                "SG-2006",
                "Web App",
            ),
            (
                r#"{"error":"invalid_request"}"#,
                "SG-2008",
                "character by character",
            ),
            (r#"{"error":"access_denied"}"#, "SG-2004", "denied"),
            (r#"{"error":"invalid_scope"}"#, "SG-2007", "subset"),
            (r#"{"error":"user_not_licensed"}"#, "SG-2005", "Access tab"),
            (
                r#"{"error":"redirect_uri_mismatch"}"#,
                "SG-3013",
                "`public_url`",
            ),
            (
                r#"{"error":"anything_else"}"#,
                "SG-2009",
                "reported an error",
            ),
            (
                r#"{"message":"m","errorcode":0}"#,
                "SG-2010",
                "used already",
            ),
            (
                r#"{"message":"m","errorcode":40004}"#,
                "SG-2010",
                "used already",
            ),
            (
                r#"{"message":"m","errorcode":10000}"#,
                "SG-2008",
                "redirect URI",
            ),
            (
                r#"{"message":"m","errorcode":10006}"#,
                "SG-2008",
                "redirect URI",
            ),
            (
                r#"{"message":"m","errorcode":30000}"#,
                "SG-2008",
                "redirect URI",
            ),
            (
                r#"{"message":"m","errorcode":30001}"#,
                "SG-2008",
                "redirect URI",
            ),
            (
                r#"{"message":"m","errorcode":10007}"#,
                "SG-3014",
                "enhanced package",
            ),
            (
                r#"{"message":"m","errorcode":20000}"#,
                "SG-2004",
                "administrator",
            ),
            (
                r#"{"message":"m","errorcode":20001}"#,
                "SG-2004",
                "administrator",
            ),
            (
                r#"{"message":"m","errorcode":20002}"#,
                "SG-2004",
                "administrator",
            ),
            (
                r#"{"message":"m","errorcode":40000}"#,
                "SG-2004",
                "administrator",
            ),
            (
                r#"{"message":"m","errorcode":40003}"#,
                "SG-2004",
                "administrator",
            ),
            (
                r#"{"message":"m","errorcode":30003}"#,
                "SG-2009",
                "reported an error",
            ),
            (
                r#"{"message":"m","errorcode":-7}"#,
                "SG-2009",
                "reported an error",
            ),
        ] {
            let fault = TokenErrorCode::parse(body.as_bytes()).expect(body).fault();
            let told = format!("{} {}", fault.title(), fault.advice());
            assert_eq!(fault.code(), code, "{body}");
            assert!(told.contains(words), "{body}: {told}");
        }
    }

    #[test]
    fn only_codes_about_the_grant_end_a_session() {
        use Consequence::EndSession;
        use Consequence::KeepAndRetry;
        use Consequence::Misconfigured;
        for (code, consequence) in [
            ("invalid_grant", EndSession),
            ("invalid_token", EndSession),
            ("access_denied", EndSession),
            ("invalid_request", EndSession),
            ("invalid_client", Misconfigured),
            ("unauthorized_client", Misconfigured),
            ("invalid_scope", Misconfigured),
            ("unsupported_grant_type", Misconfigured),
            ("user_not_licensed", EndSession),
            ("redirect_uri_mismatch", Misconfigured),
            ("slow_down", KeepAndRetry),
        ] {
            let parsed = TokenErrorCode::of_oauth(code);
            assert_eq!(parsed.consequence(), consequence, "{code}");
            if parsed != TokenErrorCode::Other {
                assert_eq!(parsed.to_string(), code);
            }
        }
    }
}
